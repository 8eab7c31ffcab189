import { TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'
import type { RunResult } from '../system/process.ts'
import { diskFull, freeSpace } from '../system/space.ts'
import type { Repository } from './repository.ts'

/** git ends with it whatever went wrong: what ssh said, or which lock is in the way, is what helps. */
const PLEASANTRIES =
  /^(Please make sure you have the correct access rights|and the repository exists\.|Another git process seems to be running.*|an editor opened by .*|are terminated then try again.*|may have crashed in this repository earlier:|remove the file manually to continue\.)$/

export function explain(result: RunResult): string {
  if (result.endedBy === 'timeout') return 'git did not end in time and was stopped'
  if (result.endedBy === 'output') return 'git printed more than telec is willing to read and was stopped'
  const said = result.stderr.split('\n').filter((line) => line.trim() !== '' && !PLEASANTRIES.test(line))
  return (
    withoutLogins(said.slice(-5).join('\n')) ||
    `git ended with ${result.signal ?? `exit code ${result.code}`}`
  )
}

/** What a server or the way to it is to blame for, also where the repository is well. */
export const NETWORK =
  /early EOF|expected flush after|hung up unexpectedly|unexpected disconnect|RPC failed|Could not resolve host|Connection (refused|reset|timed out|closed)|Operation timed out|unable to access '|Could not read from remote repository/

/** The first that git has to have for what telec asks of it: fetch --no-write-fetch-head is of 2.29, its siblings of 2.30. */
export const LEAST_GIT = '2.30'

interface Cause {
  readonly words: RegExp
  /** `later`: it passes by itself. */
  readonly kind: 'halted' | 'later' | 'config'
  readonly message: (where: string) => string
  readonly hint: (repository: Repository) => string
  readonly lacksObjects?: boolean
  /** Asking again soon helps nobody. */
  readonly isRefused?: boolean
}

export const REPAIR_HINT = 'repair it: telec repair (it shows what it does first, and says what it cannot do)'

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
    const user = world.user()
    return `give all of it to one user: sudo chown -R ${user} ${workTree}; what is not theirs: find ${workTree} ! -user ${user}`
  },
}
/** macOS has a stand-in for git, which works once Apple's tools are there; an upgrade of macOS removes them. */
const standIn: Cause = {
  words: /xcrun: error|invalid active developer path|xcode-select: (error|note)/,
  kind: 'config',
  message: () => 'git is not there: macOS has only a stand-in for it',
  hint: () => INSTALL_TOOLS,
  isRefused: true,
}
const INSTALL_TOOLS = 'install the tools that it is part of: xcode-select --install'

/** What a git that does not say its version is. */
export function versionFault(result: RunResult): TelecError {
  const because = explain(result)
  if (standIn.words.test(result.stderr))
    return new TelecError(standIn.kind, standIn.message(''), { because, hint: INSTALL_TOOLS })
  const hint = 'try it by hand: git --version'
  return new TelecError('later', 'git does not say which version it is', { because, hint })
}

/** With less, git's own words need not say why it could not write a file. */
const LEAST_FREE_BYTES = 2 ** 20

/** What is wrong on this computer, by the words in which git and the C library say so (LC_ALL=C); the first that fits. */
const CAUSES: readonly Cause[] = [
  {
    words: /Too many open files|Cannot allocate memory|Resource temporarily unavailable/,
    kind: 'later',
    message: () => 'the system has too little left for git',
    hint: () => 'look at its limits: ulimit -a; free -h',
  },
  {
    words: /died of signal/,
    kind: 'later',
    message: (where) => `a program that git started in ${where} was killed`,
    hint: () => 'it is tried again; where that goes on, look at what kills it: free -h; journalctl -k',
  },
  standIn,
  {
    words: /unknown option `|unknown switch `|is not a git command/,
    kind: 'config',
    message: () => 'this git is too old for telec',
    hint: () => `install git ${LEAST_GIT} or newer; which one it is: git --version`,
  },
  {
    words: /unknown repository extension|Expected git repo version|requires a newer version of git/,
    kind: 'config',
    message: (where) => `this git is too old for the repository of ${where}`,
    hint: () => 'install a git as new as the one that made it; which one it is: git --version',
  },
  {
    words: /detected dubious ownership in repository/,
    kind: 'halted',
    message: () => 'git does not trust the owner of a repository',
    hint: ({ world }) => `give it to ${world.user()} (chown -R), or trust it with the command that git names`,
  },
  {
    words: /\.lock': File exists/,
    kind: 'later',
    message: (where) => `another git is at work in ${where}, or left a lock`,
    hint: ({ workTree }) =>
      `wait for it to end; where no git runs in ${workTree}, remove the lock that is named`,
  },
  denied,
  {
    words:
      /cannot lock ref '.*(exists; cannot create|Not a directory)|there are still refs under|refusing to create/,
    kind: 'halted',
    message: (where) => `one ref is in the way of another in ${where}`,
    hint: ({ workTree }) =>
      `remove the one that is gone at the remote: git -C ${workTree} remote prune origin`,
  },
  {
    words:
      /unable to (read|unpack)|object file .* is empty|loose object .* is corrupt|bad (\w+ )?object|broken link|missing (blob|tree|commit|object)|invalid object|did not send all necessary objects|unresolved deltas|packfile .* (index|cannot|claims)|inflate|does not match index|Could not read [0-9a-f]{40}|object [0-9a-f]{40,64} (cannot be read|is missing)/,
    ...damaged,
    lacksObjects: true,
  },
  {
    words:
      /not a git repository|bad config|bad signature|index file (corrupt|smaller)|unable to parse|invalid sha1 pointer|unexpected line in|unterminated line in|cannot lock ref|unable to resolve reference/,
    ...damaged,
  },
]

/** A commit that is known to have been here, or what belongs to it, is not. */
export function lacking(repository: Repository, commit: string): TelecError {
  return new TelecError('halted', damaged.message(repository.workTree), {
    because: `${commit.slice(0, 12)} is not there, or not all that belongs to it`,
    hint: damaged.hint(repository),
    lacksObjects: true,
  })
}

/** What halts where telec, or git, may not read or write these files. */
export function notAllowed(repository: Repository, paths: readonly string[]): TelecError {
  const details = {
    because: paths.map((path) => `${path}: Permission denied`).join('\n'),
    hint: denied.hint(repository),
  }
  return new TelecError('halted', denied.message(repository.workTree), details)
}

/** What of this computer made git fail; null where its words name nothing. `isHalfDone`: it had begun to change something. */
export function localCause(repository: Repository, result: RunResult, isHalfDone = false): TelecError | null {
  if (result.code === null) return null
  const saysFull = FULL.test(result.stderr)
  const cause = saysFull ? undefined : CAUSES.find(({ words }) => words.test(result.stderr))
  if (!cause) {
    const isFull = saysFull || freeSpace(repository.workTree).bytes < LEAST_FREE_BYTES
    return isFull ? diskFull(repository.workTree, { said: explain(result), interrupted: true }) : null
  }
  return new TelecError(cause.kind, cause.message(repository.workTree), {
    because: explain(result),
    hint: cause.hint(repository),
    interrupted: isHalfDone || cause.kind === 'later',
    lacksObjects: cause.lacksObjects ?? false,
    isRefused: cause.isRefused ?? false,
  })
}
