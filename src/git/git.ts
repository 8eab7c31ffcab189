import { gitAt, shellWord, TelecError } from '../system/errors.ts'
import type { RunOptions, RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'
import { accessFault, withoutDebugLines } from './access.ts'
import { explain, LEAST_GIT, localCause, NETWORK, versionFault } from './causes.ts'
import type { Repository } from './repository.ts'

/** Local work on a large tree; a laptop may sleep in between. */
const LOCAL_TIMEOUT_MS = 10 * 60_000

/** Each line closes a way for a repository or a server to run code, prompt, or hang. */
const CONFIG = [
  'core.hooksPath=/dev/null', // hooks are code of the repository, also tracked ones (husky)
  'core.fsmonitor=false', // a command that git status runs
  'submodule.recurse=false',
  'fetch.recurseSubmodules=no',
  'protocol.ext.allow=never', // ext::COMMAND
  'fetch.unpackLimit=1', // one pack is one file, which has a limit; loose objects would be many
  'core.fsync=all', // git's default loses the newest objects in a power cut
  'gc.auto=0',
  'maintenance.auto=false',
  'http.lowSpeedLimit=1000', // bytes a second; no git protocol has a timeout of its own
  'http.lowSpeedTime=30',
  'http.followRedirects=initial',
  'credential.interactive=false',
  'advice.detachedHead=false',
  'i18n.logOutputEncoding=UTF-8', // telec reads subjects and the names of signers
].flatMap((setting) => ['-c', setting])

/** A checkout must not fetch large files, which would come without a limit: this is no URL for git-lfs. */
const NO_LFS = ['-c', 'lfs.url=nowhere']

/**
 * The user's ssh (`core.sshCommand`, often with a deploy key) without prompts, with timeouts, and without a shared
 * connection. git passes this to a shell, which reads the setting only when ssh is needed.
 */
const SSH_COMMAND =
  'f() { eval "$(git config --get core.sshCommand || echo ssh) -oBatchMode=yes -oControlMaster=no -oConnectTimeout=15 ' +
  '-oServerAliveInterval=15 -oServerAliveCountMax=3 \\"\\$@\\""; }; f'

export interface GitOptions extends Partial<Pick<RunOptions, 'timeoutMs' | 'input'>> {
  /** Variables beside those of every git. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * On Linux, options of a shell's ulimit for git and each of its helpers: -d KiB of memory (not -v: they reserve more
   * addresses than they use), -f blocks of 512 bytes in a file (setrlimit(2)).
   */
  readonly limits?: Readonly<{ d?: number; f?: number }>
}

/** Runs git and returns its result, also where it fails. */
export function tryGit(
  repository: Repository,
  args: readonly string[],
  { limits = {}, env, ...others }: GitOptions = {},
): Promise<RunResult> {
  const { world, workTree } = repository
  const options = {
    cwd: workTree,
    timeoutMs: LOCAL_TIMEOUT_MS,
    ...others,
    env: { ...gitEnvironment(world.env), ...env },
  }
  const ulimits = Object.entries(limits).map(([option, value]) => `ulimit -${option} ${Math.floor(value)}`)
  const git = ['git', ...foldersOf(repository), ...CONFIG, ...(args[0] === 'lfs' ? [] : NO_LFS), ...args]
  if (ulimits.length === 0 || world.platform !== 'linux') return world.run('git', git.slice(1), options)
  return world.run('/bin/sh', ['-c', [...ulimits, 'exec "$@"'].join('; '), 'sh', ...git], options)
}

/** Whether the output of git begins with the first `size` bytes of a file. False where git fails. */
export async function printsBeginningOf(
  repository: Repository,
  args: readonly string[],
  file: string,
  size: number,
): Promise<boolean> {
  const { world, workTree } = repository
  const compare = 'file=$1 size=$2; shift 2; "$@" | cmp -s -n "$size" - "$file"'
  const git = ['git', ...foldersOf(repository), ...CONFIG, ...args]
  const options = { cwd: workTree, timeoutMs: LOCAL_TIMEOUT_MS, env: gitEnvironment(world.env) }
  return (await world.run('/bin/sh', ['-c', compare, 'sh', file, String(size), ...git], options)).code === 0
}

function foldersOf({ gitDir, workTree }: Repository): string[] {
  return [`--git-dir=${gitDir}`, `--work-tree=${workTree}`]
}

/** The command of `tryGit` for a shell: variables, a time limit, git and its arguments. */
export function gitInShell(repository: Repository, args: readonly string[], timeoutMs: number): string[] {
  const { PATH } = repository.world.env
  const variables = Object.entries(gitEnvironment({ PATH })).map(([name, value]) => `${name}=${value}`)
  // SIGKILL reaches git's helpers too: timeout(1) sends it to its whole process group.
  const limit = ['timeout', '-s', 'KILL', String(Math.ceil(timeoutMs / 1000))]
  const folders = ['-C', repository.workTree, ...foldersOf(repository)]
  return [...variables, ...limit, 'git', ...folders, ...CONFIG, ...args]
}

/** Runs git and returns its standard output. Throws where it fails, see `gitError`. */
export async function git(
  repository: Repository,
  args: readonly string[],
  { effect, ...options }: GitOptions & { readonly effect?: Effect } = {},
): Promise<string> {
  const result = await tryGit(repository, args, options)
  if (result.code === 0) return result.stdout
  throw gitError(repository, args, result, effect)
}

/** The lines that git prints; with `-z` the texts between NULs. Throws as `git` does. */
export async function gitLines(repository: Repository, args: readonly string[], env = {}): Promise<string[]> {
  const output = await git(repository, args, { env })
  return output.split(args.includes('-z') ? '\0' : '\n').filter(Boolean)
}

/** Runs git for a yes or no, exit code 0 or 1. Throws on any other end. */
export async function askGit(
  repository: Repository,
  args: readonly string[],
  options: GitOptions = {},
): Promise<RunResult> {
  const result = await tryGit(repository, args, options)
  if (result.code === 0 || result.code === 1) return result
  throw gitError(repository, args, result)
}

/** The output of git; null where it fails. Throws where it was killed. */
export async function answerOf(repository: Repository, args: readonly string[]): Promise<string | null> {
  const result = await tryGit(repository, args)
  if (result.code === null) throw gitError(repository, args, result)
  return result.code === 0 ? result.stdout : null
}

/** The kind of the error for a failed git; `interrupted`: git left something half-done. */
type Effect = 'halted' | 'later' | 'interrupted'

/** The error for a failed git, by its cause. */
export function gitError(
  repository: Repository,
  args: readonly string[],
  result: RunResult,
  effect: Effect = 'halted',
): TelecError {
  const cause = localCause(repository, result, effect === 'interrupted')
  if (cause) return cause
  const passes = effect !== 'halted' || result.code === null
  return new TelecError(passes ? 'later' : 'halted', `git ${args[0]} failed in ${repository.workTree}`, {
    because: explain(result),
    hint: `check the repository: ${gitAt(repository.workTree)} status`,
    interrupted: effect === 'interrupted' || result.code === null, // a killed git may leave locks
  })
}

/** Runs a git that asks a remote. Throws `later` where the remote or the network failed, else by the cause. */
export async function gitRemote(
  repository: Repository,
  remote: string,
  args: readonly string[],
  options: GitOptions,
): Promise<string> {
  // Only with -v ssh says, for example, that a key has a passphrase; a second try would count as another failed login.
  const ssh = { GIT_SSH_COMMAND: `${repository.world.env.GIT_SSH_COMMAND ?? SSH_COMMAND} -v` }
  const ended = await tryGit(repository, args, { ...options, env: { ...options.env, ...ssh } })
  if (ended.code === 0) return ended.stdout
  const result = { ...ended, stderr: withoutDebugLines(ended.stderr) }
  // First: ssh and credential helpers say "Permission denied" and "Read-only file system" too.
  const refused = result.code === null ? null : await accessRefused(repository, remote, args, ended)
  const cause = refused ?? localCause(repository, result)
  if (cause) throw cause
  await verifyRemoteIsKnown(repository, remote)
  // Ask again, since git has many words for a broken repository: if the remote answers, it is not the cause.
  if (args[0] !== 'ls-remote' && !NETWORK.test(result.stderr) && result.code !== null) {
    const ask = ['ls-remote', '--heads', '--', remote]
    const asked = await tryGit(repository, ask, { timeoutMs: ASK_TIMEOUT_MS })
    if (asked.code === 0) throw gitError(repository, args, result)
  }
  throw new TelecError('later', `the remote ${remote} is out of reach`, {
    because: explain(result),
    hint: `try it by hand: ${gitAt(repository.workTree)} ls-remote ${shellWord(remote)}`,
    interrupted: result.code === null,
  })
}

const ASK_TIMEOUT_MS = 45_000

/** The error where a remote refuses the login, by its words and those of `ssh -v`; null for another fault. An update retries. */
async function accessRefused(
  repository: Repository,
  remote: string,
  [command]: readonly string[],
  result: RunResult,
): Promise<TelecError | null> {
  const { workTree, world } = repository
  const url = await answerOf(repository, ['ls-remote', '--get-url', '--', remote])
  if (url === null) return null
  const fault = accessFault({ remote, url: url.trim(), workTree, user: world.user() }, result.stderr)
  if (!fault) return null
  const isPassing = fault.passes || command !== 'ls-remote'
  return new TelecError(isPassing ? 'later' : 'config', fault.message, {
    because: explain({ ...result, stderr: withoutDebugLines(result.stderr) }),
    hint: fault.hint,
    isRefused: !fault.passes,
  })
}

/** Throws `config` where the checkout has no remote of this name: a retry would not help. */
async function verifyRemoteIsKnown(repository: Repository, remote: string): Promise<void> {
  if (/[:/]/.test(remote)) return
  const known = await gitLines(repository, ['remote'])
  if (known.includes(remote)) return
  throw new TelecError('config', `the checkout has no remote named ${remote} (deployment.remote)`, {
    because: `git remote in ${repository.workTree} lists: ${known.join(', ') || 'none'}`,
    hint: `add it (${gitAt(repository.workTree)} remote add ${shellWord(remote)} URL), or set deployment.remote`,
  })
}

/** The URL of a remote, or the URL itself, after the user's replacements (url.BASE.insteadOf). */
export async function remoteUrl(repository: Repository, remote: string): Promise<string> {
  return (await git(repository, ['ls-remote', '--get-url', '--', remote])).trim()
}

/** The environment of every git. */
function gitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // GIT_DIR and the like would point git elsewhere; SSH_ASKPASS opens a window.
  const { PATH = '/bin:/usr/bin' } = env
  const inherited = Object.entries(env).filter(([name]) => !/^(GIT_|SSH_ASKPASS)/.test(name))
  return {
    ...Object.fromEntries(inherited),
    // In a relative or empty folder git would find programs of the checkout (execvp(3)).
    PATH: PATH.split(':')
      .filter((folder) => folder.startsWith('/'))
      .join(':'),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false', // `true` would be an empty login
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: 'file:git:http:https:ssh',
    GIT_SSH_COMMAND: env.GIT_SSH_COMMAND ?? SSH_COMMAND,
    GIT_SSH_VARIANT: 'ssh',
  }
}

/** The version of git on the PATH. Throws `config` where git is missing or too old. */
export async function verifyGit(world: World): Promise<string> {
  const options = { cwd: '/', env: gitEnvironment(world.env), timeoutMs: 10_000 }
  const result = await world.run('git', ['--version'], options)
  if (result.code !== 0) throw versionFault(result)
  const [, version = 'of an unknown version', major, minor] = /((\d+)\.(\d+)\S*)/.exec(result.stdout) ?? []
  const [leastMajor = 0, leastMinor = 0] = LEAST_GIT.split('.').map(Number)
  const [foundMajor, foundMinor] = [Number(major), Number(minor)]
  if (foundMajor > leastMajor || (foundMajor === leastMajor && foundMinor >= leastMinor)) return version
  throw new TelecError('config', `git ${version} is too old`, {
    because: `telec needs git ${LEAST_GIT} or newer`,
    hint: `install git ${LEAST_GIT} or newer`,
  })
}
