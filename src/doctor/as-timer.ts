import type { Service } from '../config/service.ts'
import { listRemote } from '../git/remote-refs.ts'
import type { Repository } from '../git/repository.ts'
import { timerEnvironment } from '../service/environment.ts'
import { foreseen, gitAt, orNull, TelecError } from '../system/errors.ts'

type Env = NodeJS.ProcessEnv

/**
 * The refs of the remote, in the environment of the timer's polls. If that fails and the shell's environment works, the
 * error names the variable that the timer lacks.
 */
export async function listAsTimer(service: Service, repository: Repository): Promise<string> {
  const { deployment } = service.config
  const { env: shell } = service.world
  const list = (env: Env) => {
    const world = { ...repository.world, env }
    return listRemote({ ...repository, world }, deployment, deployment.remote)
  }
  const timer = await timerEnvironment(service)
  if (timer === null) return list(shell)
  try {
    return await list(timer)
  } catch (error) {
    const { kind, message, because, hint = '', isRefused } = foreseen(error)
    const works = async (env: Env) => (await orNull(() => list(env))) !== null
    const variable = await neededVariable(timer, shell, works)
    if (variable === null) throw error
    throw new TelecError(kind, message, {
      because: [because ?? [], difference(variable, timer)].flat().join('\n'),
      hint: hintFor(variable, repository) ?? hint,
      isRefused,
    })
  }
}

const LIKELIEST = 'SSH_AUTH_SOCK'

/** The variable of the shell that the timer needs to reach the remote; null: the shell does not reach it either. */
async function neededVariable(
  timer: Env,
  shell: Env,
  works: (env: Env) => Promise<boolean>,
): Promise<string | null> {
  const others = Object.keys(shell).filter((name) => shell[name] !== timer[name])
  const names = others.sort((a, b) => Number(b === LIKELIEST) - Number(a === LIKELIEST))
  const withFirst = (count: number) =>
    works({ ...timer, ...Object.fromEntries(names.slice(0, count).map((name) => [name, shell[name]])) })
  if (names.length === 0 || !(await withFirst(names.length))) return null
  if (names[0] === LIKELIEST && (await withFirst(1))) return LIKELIEST
  // Bisect: a refused login takes time, and servers count them.
  let [without, enough] = [0, names.length]
  while (enough - without > 1) {
    const middle = Math.floor((without + enough) / 2)
    if (await withFirst(middle)) enough = middle
    else without = middle
  }
  return names[enough - 1] ?? null
}

function difference(variable: string, timer: Env): string {
  const hasOther = timer[variable] !== undefined
  if (variable === LIKELIEST)
    return `your shell reaches it through its ssh agent, the timer has ${hasOther ? 'another' : 'no'} agent`
  return `your shell reaches it with ${variable}, which ${hasOther ? 'differs for' : 'is not set for'} the timer`
}

/** How the timer gets the same value; null: the hint of the failure itself is better. */
function hintFor(variable: string, { workTree }: Repository): string | null {
  if (/_proxy$/i.test(variable)) return 'set the proxy for git: git config --global http.proxy URL'
  if (variable === 'GIT_SSH_COMMAND')
    return `set it for git: ${gitAt(workTree)} config core.sshCommand "$GIT_SSH_COMMAND"`
  if (/^SSL_CERT_/.test(variable)) return 'set them for git: git config --global http.sslCAInfo FILE'
  if (variable === 'PATH')
    return 'add the folder of the credential helper to deployment.path, then: telec install'
  return null
}
