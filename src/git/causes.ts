import { gitAt, shellWord, TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'
import type { RunResult } from '../system/process.ts'
import { diskFull, freeSpace } from '../system/space.ts'
import type { Repository } from './repository.ts'

/** Closing words of git that hide the lines above them, which name the cause. */
const NOISE =
  /^(Please make sure you have the correct access rights|and the repository exists\.|Another git process seems to be running.*|an editor opened by .*|are terminated then try again.*|may have crashed in this repository earlier:|remove the file manually to continue\.)$/

export function explain(result: RunResult): string {
  if (result.endedBy === 'timeout') return 'git timed out and was stopped'
  if (result.endedBy === 'output') return 'git printed more than telec reads and was stopped'
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '' && !NOISE.test(line))
  const end = result.signal ? `was killed by ${result.signal}` : `failed with exit code ${result.code}`
  return withoutLogins(lines.slice(-5).join('\n')) || `git ${end}`
}

/** Failures of a server or of the network, with nothing wrong in the repository. */
export const NETWORK =
  /early EOF|expected flush after|hung up unexpectedly|unexpected disconnect|RPC failed|Could not resolve host|Connection (refused|reset|timed out|closed)|Operation timed out|unable to access '|Could not read from remote repository/

/** The oldest git that telec supports: fetch --no-write-fetch-head came with 2.29, related options with 2.30. */
export const LEAST_GIT = '2.30'

interface Cause {
  readonly words: RegExp
  readonly kind: 'halted' | 'later' | 'config'
  readonly message: (where: string) => string
  readonly hint: (repository: Repository) => string
  readonly lacksObjects?: boolean
  /** A retry soon does not help. */
  readonly isRefused?: boolean
}

export const REPAIR_HINT = 'run telec repair (it shows its plan first, and names what it cannot repair)'

const damaged: Omit<Cause, 'words'> = {
  kind: 'halted',
  message: (where) => `the git repository of ${where} is damaged`,
  hint: () => REPAIR_HINT,
}

const FULL = /No space left on device|Disk quota exceeded/
const denied: Cause = {
  words:
    /insufficient permission for adding|Permission denied(?! \()|Operation not permitted|Read-only file system/,
  kind: 'halted',
  message: (where) => `git is not allowed to write in ${where}`,
  hint: ({ workTree, world }) => {
    const [user, tree] = [world.user(), workTree].map(shellWord)
    return `give it to one user: sudo chown -R ${user} ${tree}; to list files of other users: find ${tree} ! -user ${user}`
  },
}
/** The git of macOS is a stub until Apple's tools are installed; an upgrade of macOS removes them. */
const macStub = {
  words: /xcrun: error|invalid active developer path|xcode-select: (error|note)/,
  kind: 'config' as const,
  message: () => 'git is missing: macOS has only a stub for it',
  hint: () => "install Apple's command line tools: xcode-select --install",
  isRefused: true,
}

/** Why git --version failed. */
export function versionFault(result: RunResult): TelecError {
  const because = explain(result)
  if (macStub.words.test(result.stderr))
    return new TelecError(macStub.kind, macStub.message(), { because, hint: macStub.hint() })
  return new TelecError('later', 'git --version failed', { because, hint: 'run it by hand: git --version' })
}

/** With less free space git does not always say that the disk is full. */
const LEAST_FREE_BYTES = 2 ** 20

/** Causes on this computer, by the words of git and of the C library (LC_ALL=C); the first match counts. */
const CAUSES: readonly Cause[] = [
  {
    words: /Too many open files|Cannot allocate memory|Resource temporarily unavailable/,
    kind: 'later',
    message: () => 'a limit of memory, processes or open files stops git',
    hint: () => 'check its limits: ulimit -a; free -h',
  },
  {
    words: /died of signal/,
    kind: 'later',
    message: (where) => `a program that git started in ${where} was killed`,
    hint: () => 'wait for the retry; if it fails again, find what kills git: free -h; journalctl -k',
  },
  macStub,
  {
    words: /unknown option `|unknown switch `|is not a git command/,
    kind: 'config',
    message: () => 'this git is too old for telec',
    hint: () => `install git ${LEAST_GIT} or newer; to see the version: git --version`,
  },
  {
    words: /unknown repository extension|Expected git repo version|requires a newer version of git/,
    kind: 'config',
    message: (where) => `this git is too old for the repository of ${where}`,
    hint: () =>
      'install the version of git that created it, or a newer one; to see the version: git --version',
  },
  {
    words: /detected dubious ownership in repository/,
    kind: 'halted',
    message: () => 'git does not trust the owner of a repository',
    hint: ({ world }) =>
      `give it to ${world.user()} (chown -R), or trust it with the command from git's output`,
  },
  {
    words: /\.lock': File exists/,
    kind: 'later',
    message: (where) => `another git runs in ${where}, or left a lock`,
    hint: ({ workTree }) => `wait for it to exit; if no git runs in ${workTree}, remove the lock`,
  },
  denied,
  {
    words:
      /cannot lock ref '.*(exists; cannot create|Not a directory)|there are still refs under|refusing to create/,
    kind: 'halted',
    message: (where) => `two refs conflict in ${where}`,
    hint: ({ workTree }) =>
      `remove refs that the remote no longer has: ${gitAt(workTree)} remote prune origin`,
  },
  {
    words:
      /unable to (read|unpack)|object file .* is empty|loose object .* is corrupt|bad (\w+ )?object|broken link|(?<!remote )missing (blob|tree|commit|object)|invalid object|did not send all necessary objects|unresolved deltas|packfile .* (index|cannot|claims)|inflate|does not match index|Could not read [0-9a-f]{40}|object [0-9a-f]{40,64} (cannot be read|is missing)/,
    ...damaged,
    lacksObjects: true,
  },
  {
    words:
      /not a git repository|bad config|bad signature|index file (corrupt|smaller)|unable to parse|invalid sha1 pointer|unexpected line in|unterminated line in|cannot lock ref|unable to resolve reference/,
    ...damaged,
  },
]

/** The repository had a commit, and now lacks it or some of its objects. */
export function missingCommit(repository: Repository, commit: string): TelecError {
  return new TelecError('halted', damaged.message(repository.workTree), {
    because: `the commit ${commit.slice(0, 12)}, or one of its objects, is missing`,
    hint: damaged.hint(repository),
    lacksObjects: true,
  })
}

/** telec, or git, may not read or write these files. */
export function notAllowed(repository: Repository, paths: readonly string[]): TelecError {
  return new TelecError('halted', denied.message(repository.workTree), {
    because: paths.map((path) => `${path}: Permission denied`).join('\n'),
    hint: denied.hint(repository),
  })
}

/** Why git failed, where the cause is on this computer; else null. `isHalfDone`: git may have changed something. */
export function localCause(repository: Repository, result: RunResult, isHalfDone = false): TelecError | null {
  if (result.code === null) return null
  const isFull = FULL.test(result.stderr)
  const cause = isFull ? undefined : CAUSES.find(({ words }) => words.test(result.stderr))
  if (!cause) {
    if (!isFull && freeSpace(repository.workTree).bytes >= LEAST_FREE_BYTES) return null
    return diskFull(repository.workTree, { said: explain(result), interrupted: true })
  }
  return new TelecError(cause.kind, cause.message(repository.workTree), {
    because: explain(result),
    hint: cause.hint(repository),
    interrupted: isHalfDone || cause.kind === 'later',
    lacksObjects: cause.lacksObjects ?? false,
    isRefused: cause.isRefused ?? false,
  })
}
