import { withoutLogins } from './logins.ts'

/**
 * Each kind is an exit code. `later`: a fault that may pass (network, lock, full disk), so telec retries automatically.
 * `restart`: no fault, but newer code has to continue.
 */
export type ErrorKind = 'halted' | 'usage' | 'later' | 'config' | 'restart'

/** The one table of exit codes; help texts print it, service units rely on it. */
export const EXIT = {
  done: 0,
  halted: 1,
  usage: 2,
  /** The code on disk is newer than the code running: start me again. */
  restart: 42,
  later: 75,
  config: 78,
} as const

export const EXIT_CODES_HELP = `
Exit codes:
   0  done, or nothing to do
   1  the work failed and halted
   2  wrong usage
  42  the code on disk is newer than the code running: start me again
  75  try again later (remote out of reach, another update holds the lock)
  78  the configuration is wrong`

/** Retries a halted update. */
export const RETRY = 'telec-update --retry'

/** Every failure that telec foresees. Anything else that is thrown is a bug in telec. */
export class TelecError extends Error {
  override readonly name = 'TelecError'
  /** Why, in full: the last lines of a command's output, a parser's message. */
  readonly because?: string
  /** What to do next, with commands to paste. */
  readonly hint?: string
  /** The command that continues the update, once the cause is fixed. */
  readonly retryCommand: string = RETRY
  /** The step is half-done, and resumes as after a kill. */
  readonly interrupted: boolean = false
  /** Objects of the repository are missing or broken; telec can fetch them again. */
  readonly lacksObjects: boolean = false
  /** The remote answers, and refuses this computer: a retry does not help. */
  readonly isRefused: boolean = false
  /** The migration that failed, `VERSION/FILE`. */
  readonly migration?: string
  /** Another telec is at work. */
  readonly isBusy: boolean = false
  /** Reported before, so shown only with TELEC_DEBUG. */
  readonly quiet: boolean = false

  constructor(
    readonly kind: ErrorKind,
    message: string,
    details: Partial<Omit<TelecError, 'kind' | keyof Error>> & { readonly cause?: unknown } = {},
  ) {
    super(withoutLogins(message))
    Object.assign(this, details)
    // The output of git and of install commands has URLs in it, and goes to status.json and Redis.
    for (const part of ['because', 'hint'] as const)
      if (this[part] !== undefined) Object.assign(this, { [part]: withoutLogins(this[part]) })
  }
}

/** The same error, where telec foresees it; throws any other, which is a bug. */
export function foreseen(error: unknown): TelecError {
  if (error instanceof TelecError) return error
  throw error
}

/** The result of `read`; null where it throws a TelecError. */
export async function orNull<Value>(read: () => Value | Promise<Value>): Promise<Value | null> {
  try {
    return await read()
  } catch (error) {
    foreseen(error)
    return null
  }
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, …), or undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** Faults that may pass: a full disk, too many open files or processes, no memory, a signal in between. */
const TRANSIENT = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'EINTR'])

/** Whether telec retries after a failed system call, or halts. */
export function kindOf(error: unknown): 'later' | 'halted' {
  return TRANSIENT.has(systemErrorCode(error) ?? '') ? 'later' : 'halted'
}

/** An error for a full or broken disk, or a limit, that no caller handled; null for anything else, which is a bug. */
export function systemFault(error: unknown): TelecError | null {
  const code = systemErrorCode(error) ?? ''
  if (!TRANSIENT.has(code) && code !== 'EIO' && code !== 'EROFS') return null
  return new TelecError(kindOf(error), 'a system call failed', {
    because: (error as Error).message,
    hint: 'check disks and limits: df -h; dmesg; ulimit -n',
    interrupted: true,
    cause: error,
  })
}

/** A text as one word of a POSIX shell (XCU 2.2, Quoting), for a command in a hint; a plain one stays as it is. Pure. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** The beginning of a git command in a hint. Pure. */
export function gitAt(folder: string): string {
  return `git -C ${shellWord(folder)}`
}
