import { dirname } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'
import { hideLogins, loginIn, mayHoldLogins, type RemoteUrl } from './logins.ts'
import type { Repository } from './repository.ts'

/** Local work on a large tree; a person's computer may be asleep half of that time. */
const LOCAL_TIMEOUT_MS = 10 * 60_000

/** Each line closes a hole through which a repository or a server could run code, prompt, or hang. */
const CONFIG = [
  'core.hooksPath=/dev/null', // hooks, also tracked ones (husky), are the repository's code
  'core.fsmonitor=false', // a command that git status runs
  'submodule.recurse=false',
  'fetch.recurseSubmodules=no',
  'protocol.ext.allow=never', // ext::COMMAND
  'core.fsync=all', // git's default loses the newest objects in a power cut
  'gc.auto=0',
  'maintenance.auto=false',
  'http.lowSpeedLimit=1000', // bytes a second; no git protocol has a timeout of its own
  'http.lowSpeedTime=30',
  'http.followRedirects=initial',
  'credential.interactive=false',
  'advice.detachedHead=false',
].flatMap((setting) => ['-c', setting])

/**
 * The user's ssh, from `core.sshCommand` (a deploy key is often set there) or plain, never asking and giving
 * up on a silent server. git hands this to a shell, which asks for the setting only when ssh is needed.
 */
const SSH_COMMAND =
  'f() { eval "$(git config --get core.sshCommand || echo ssh) -oBatchMode=yes -oConnectTimeout=15 ' +
  '-oServerAliveInterval=15 -oServerAliveCountMax=3 \\"\\$@\\""; }; f'

export interface GitOptions {
  readonly timeoutMs?: number
  readonly input?: string
  /** What it and its helpers may take each, on Linux; git itself keeps all that a server says, without an end. */
  readonly memoryKib?: number
  /** How large a file may become that it writes, on Linux. */
  readonly fileBytes?: number
  /** Beside what every git gets. */
  readonly env?: Readonly<Record<string, string>>
  /** Only these transports, as GIT_ALLOW_PROTOCOL has them; default: all that telec takes. */
  readonly transports?: string
  /** Instead of the repository's own index. */
  readonly indexFile?: string
}

/** Runs git on the repository and returns what came of it, whatever the exit code. */
export async function tryGit(
  repository: Repository,
  args: readonly string[],
  options: GitOptions = {},
): Promise<RunResult> {
  const { world } = repository
  const env = { ...(await loginsOf(repository)), ...options.env }
  return start(world, repository, args, { ...options, env })
}

/** Of each repository that a program works on, the environment in which no argument holds a password. */
const logins = new WeakMap<Repository, Promise<Record<string, string>>>()

function loginsOf(repository: Repository): Promise<Record<string, string>> {
  const known = logins.get(repository) ?? findLogins(repository)
  logins.set(repository, known)
  return known
}

async function findLogins(repository: Repository): Promise<Record<string, string>> {
  const { world } = repository
  if (!mayHoldLogins(repository)) return {}
  const listed = await start(world, repository, ['config', '--null', '--get-regexp', '^remote\\..*\\.url$'])
  const urls: RemoteUrl[] = []
  for (const entry of listed.stdout.split('\0').filter(Boolean)) {
    const [, name = '', configured = ''] = /^remote\.(.*)\.url\n(.*)$/s.exec(entry) ?? []
    const { stdout } = await start(world, repository, ['ls-remote', '--get-url', '--', name])
    urls.push({ configured, used: stdout.trim() })
  }
  return hideLogins(urls)
}

/** A remote as an argument, and the environment that it needs: a URL without the login that is in it, or comes to be. */
export async function withoutLogin(
  repository: Repository,
  remote: string,
): Promise<{ source: string; env: Record<string, string> }> {
  const { world } = repository
  const login = loginIn(remote)
  if (login) {
    const env = hideLogins([{ configured: login.url, used: remote }])
    return Object.keys(env).length > 0 ? { source: login.url, env } : { source: remote, env }
  }
  if (!/[:/]/.test(remote) || !mayHoldLogins(repository)) return { source: remote, env: {} }
  const { stdout } = await start(world, repository, ['ls-remote', '--get-url', '--', remote])
  return { source: remote, env: hideLogins([{ configured: remote, used: stdout.trim() }]) }
}

/**
 * Runs git where there is no repository, on a URL that holds no login; what it knows is the settings of the user and the
 * computer. Returns what came of it, whatever the exit code.
 */
export function gitWithoutRepository(
  world: World,
  args: readonly string[],
  options: GitOptions,
): Promise<RunResult> {
  const env = { ...options.env, GIT_CEILING_DIRECTORIES: dirname(world.home) } // none that happens to be above, either
  return start(world, null, args, { ...options, env })
}

function start(
  world: World,
  repository: Repository | null,
  args: readonly string[],
  options: GitOptions = {},
): Promise<RunResult> {
  const [program = '', ...rest] = limited(
    world,
    ['git', ...foldersOf(repository), ...CONFIG, ...args],
    options,
  )
  const as = actAs(world, repository?.owner ?? null)
  return as.run(program, rest, {
    cwd: repository?.workTree ?? world.home,
    env: {
      ...gitEnvironment(as.env),
      ...options.env,
      ...(options.indexFile === undefined ? {} : { GIT_INDEX_FILE: options.indexFile }),
      ...(options.transports === undefined ? {} : { GIT_ALLOW_PROTOCOL: options.transports }),
    },
    timeoutMs: options.timeoutMs ?? LOCAL_TIMEOUT_MS,
    ...(options.input === undefined ? {} : { input: options.input }),
  })
}

function foldersOf(repository: Repository | null): string[] {
  return repository ? [`--git-dir=${repository.gitDir}`, `--work-tree=${repository.workTree}`] : []
}

/** How a shell runs git on the repository as `tryGit` does: its variables, and the command, which ends in time. */
export function gitInShell(repository: Repository, args: readonly string[], timeoutMs: number): string[] {
  const { world } = repository
  const { PATH } = world.env
  const variables = Object.entries(gitEnvironment(PATH === undefined ? {} : { PATH })).map(
    ([name, value]) => `${name}=${value}`,
  )
  // SIGKILL reaches git's helpers, too: timeout(1) sends it to its whole group, itself among them.
  const limit = ['timeout', '-s', 'KILL', String(Math.ceil(timeoutMs / 1000))]
  return [
    ...variables,
    ...limit,
    'git',
    '-C',
    repository.workTree,
    ...foldersOf(repository),
    ...CONFIG,
    ...args,
  ]
}

/**
 * The command with bounds, which only a shell can set: RLIMIT_DATA, since helpers may reserve more addresses than there
 * is memory, and RLIMIT_FSIZE (setrlimit(2)). macOS does not keep to the first.
 */
function limited(
  { platform }: World,
  command: readonly string[],
  { memoryKib, fileBytes }: GitOptions,
): readonly string[] {
  const limits = [
    ...(memoryKib === undefined ? [] : [`ulimit -d ${memoryKib}`]),
    ...(fileBytes === undefined ? [] : [`ulimit -f ${Math.floor(fileBytes / 512)}`]),
  ]
  if (limits.length === 0 || platform !== 'linux') return command
  return ['/bin/sh', '-c', [...limits, 'exec "$@"'].join('; '), 'sh', ...command]
}

/** Runs git on the repository; its standard output. Throws `halted` with git's own words when it fails. */
export async function git(
  repository: Repository,
  args: readonly string[],
  options: GitOptions = {},
): Promise<string> {
  const result = await tryGit(repository, args, options)
  if (result.code === 0) return result.stdout
  throw gitError(repository, args, result)
}

/**
 * Runs git for an answer, which is its exit code: 0 or 1. Throws where it came to none: a git that was killed has not
 * said no.
 */
export async function askGit(repository: Repository, args: readonly string[]): Promise<RunResult> {
  const result = await tryGit(repository, args)
  if (result.code === 0 || result.code === 1) return result
  throw gitError(repository, args, result)
}

/** What passes by itself, in the words of the C library. */
const TRANSIENT = /No space left on device|Disk quota exceeded|Too many open files/

/** What a failed git command is to telec. A kill and a full disk pass; `interrupted`: it left something half-done. */
export function gitError(
  repository: Repository,
  args: readonly string[],
  result: RunResult,
  effect: 'halted' | 'later' | 'interrupted' = 'halted',
): TelecError {
  const passes = effect !== 'halted' || result.code === null || TRANSIENT.test(result.stderr)
  return new TelecError(passes ? 'later' : 'halted', `git ${args[0]} failed in ${repository.workTree}`, {
    because: explain(result),
    hint: `look at it: git -C ${repository.workTree} status`,
    interrupted: effect === 'interrupted' || result.code === null, // it may have left its locks
  })
}

/**
 * Runs a git command that talks to the remote. Throws `later` when the remote is out of reach.
 *
 * @param argsFor the arguments, with the remote as it can be shown to everybody.
 */
export async function gitRemote(
  repository: Repository,
  remote: string,
  argsFor: (source: string) => readonly string[],
  options: GitOptions,
): Promise<string> {
  const { source, env } = await withoutLogin(repository, remote)
  const result = await tryGit(repository, argsFor(source), { ...options, env })
  if (result.code === 0) return result.stdout
  await verifyRemoteIsKnown(repository, remote)
  throw new TelecError('later', `the remote ${printableRemote(remote)} is out of reach`, {
    because: explain(result),
    hint: `try it by hand: git -C ${repository.workTree} ls-remote ${printableRemote(remote)}`,
    interrupted: result.code === null,
  })
}

/** A name that the checkout has no remote of will not come into reach by waiting. */
async function verifyRemoteIsKnown(repository: Repository, remote: string): Promise<void> {
  if (/[:/]/.test(remote)) return
  const known = (await git(repository, ['remote'])).split('\n').filter(Boolean)
  if (known.includes(remote)) return
  throw new TelecError('config', `deployment.remote is ${remote}, which the checkout has no remote of`, {
    because: `git remote in ${repository.workTree} lists: ${known.join(', ') || 'none'}`,
    hint: `add it (git -C ${repository.workTree} remote add ${remote} URL), or set deployment.remote`,
  })
}

/** The URL of a remote, which may be one itself, without a login; what the user's configuration replaces in it is replaced. */
export async function remoteUrl(repository: Repository, remote: string): Promise<string> {
  const { source, env } = await withoutLogin(repository, remote)
  return (await git(repository, ['ls-remote', '--get-url', '--', source], { env })).trim()
}

/** A remote for messages, or a text with some in it: without the passwords that may be in URLs. */
export function printableRemote(remote: string): string {
  return remote.replace(/\/\/[^/\s]*@/g, '//')
}

/** git ends with it whatever went wrong: what ssh said, or which lock is in the way, is what helps. */
const PLEASANTRIES =
  /^(Please make sure you have the correct access rights|and the repository exists\.|Another git process seems to be running.*|an editor opened by .*|are terminated then try again.*|may have crashed in this repository earlier:|remove the file manually to continue\.)$/

export function explain(result: RunResult): string {
  if (result.endedBy === 'timeout') return 'git did not end in time and was stopped'
  if (result.endedBy === 'output') return 'git printed more than telec is willing to read and was stopped'
  const said = result.stderr.split('\n').filter((line) => line.trim() !== '' && !PLEASANTRIES.test(line))
  const lines = said.slice(-5).map(printableRemote)
  return lines.join('\n') || `git ended with ${result.signal ?? `exit code ${result.code}`}`
}

function gitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // GIT_DIR and its kind would point git elsewhere; SSH_ASKPASS opens a window that nobody sees.
  const inherited = Object.entries(env).filter(([name]) => !/^(GIT_|SSH_ASKPASS)/.test(name))
  return {
    ...Object.fromEntries(inherited),
    ...(env.PATH === undefined ? {} : { PATH: absolute(env.PATH) }),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'true',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    GIT_SSH_COMMAND: env.GIT_SSH_COMMAND ?? SSH_COMMAND,
    GIT_SSH_VARIANT: 'ssh',
  }
}

/** git runs in the checkout, where a relative folder, or an empty one, would be one of its own (execvp(3)). */
function absolute(path: string): string {
  return path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .join(':')
}
