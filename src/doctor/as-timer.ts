import type { Service } from '../config/service.ts'
import { listRemote } from '../git/remote-refs.ts'
import type { Repository } from '../git/repository.ts'
import { timerEnvironment } from '../service/environment.ts'
import { orNull, TelecError } from '../system/errors.ts'

type Env = NodeJS.ProcessEnv

/**
 * What the remote offers to the timer's polls, which have nothing of a shell's environment. Throws where they do not get it,
 * and says what the shell has more where that does.
 */
export async function listAsTimer({ config, ...service }: Service, repository: Repository): Promise<string> {
  const { deployment } = config
  const { env: shell } = service.world
  const ask = (env: Env) => {
    const world = { ...repository.world, env }
    return listRemote({ ...repository, world }, deployment, deployment.remote)
  }
  const timer = await timerEnvironment({ config, ...service })
  if (timer === null) return ask(shell)
  try {
    return await ask(timer)
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    const reaches = async (env: Env) => (await orNull(() => ask(env))) !== null
    const variable = await decisive(timer, shell, reaches)
    if (variable === null) throw error
    const { kind, message, because, isRefused } = error
    throw new TelecError(kind, message, {
      because: [because ?? [], advantageOf(variable, timer)].flat().join('\n'),
      hint: hintFor(variable, repository) ?? error.hint ?? '',
      isRefused,
    })
  }
}

const LIKELIEST = 'SSH_AUTH_SOCK'

/** The variable of the shell with which it reaches what the timer does not; null: it does not, either. */
async function decisive(
  timer: Env,
  shell: Env,
  reaches: (env: Env) => Promise<boolean>,
): Promise<string | null> {
  const others = Object.keys(shell).filter((name) => shell[name] !== timer[name])
  const names = others.sort((a, b) => Number(b === LIKELIEST) - Number(a === LIKELIEST))
  const withFirst = (count: number) =>
    reaches({ ...timer, ...Object.fromEntries(names.slice(0, count).map((name) => [name, shell[name]])) })
  if (names.length === 0 || !(await withFirst(names.length))) return null
  if (names[0] === LIKELIEST && (await withFirst(1))) return LIKELIEST
  // Half of what is left each time: a login that is refused takes its time, and servers count them.
  let [without, enough] = [0, names.length]
  while (enough - without > 1) {
    const middle = Math.floor((without + enough) / 2)
    if (await withFirst(middle)) enough = middle
    else without = middle
  }
  return names[enough - 1] ?? null
}

function advantageOf(variable: string, timer: Env): string {
  const hasOther = timer[variable] !== undefined
  if (variable === LIKELIEST)
    return `your shell reaches it through its ssh agent, the timer has ${hasOther ? 'another' : 'no'} agent`
  return `your shell reaches it with ${variable}, which the timer has ${hasOther ? 'otherwise' : 'not'}`
}

/** Where the timer would find it; null: what the refusal itself says is better. */
function hintFor(variable: string, { workTree }: Repository): string | null {
  if (/_proxy$/i.test(variable)) return 'have git know the proxy: git config --global http.proxy URL'
  if (variable === 'GIT_SSH_COMMAND')
    return `have git know it: git -C ${workTree} config core.sshCommand "$GIT_SSH_COMMAND"`
  if (/^SSL_CERT_/.test(variable)) return 'have git know them: git config --global http.sslCAInfo FILE'
  if (variable === 'PATH')
    return 'add the folder of the credential helper to deployment.path, then: telec install'
  return null
}
