import { withoutLogins } from './logins.ts'

/**
 * What went wrong, as far as an exit code is concerned. `later`: the same work may succeed without anybody doing
 * anything (network, lock, full disk), and is tried again by itself. `restart`: no fault, but newer code has to go on.
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

/** Goes on with an update that halted. */
export const RETRY = 'telec-update --retry'

/** Every failure that telec foresees. Anything else that is thrown is a bug in telec. */
export class TelecError extends Error {
  override readonly name = 'TelecError'
  /** Why, in full: the last lines of a command's output, a parser's message. */
  readonly because?: string
  /** What to do next; commands are written so that they can be pasted. */
  readonly hint?: string
  /** The command of telec that goes on, once the cause is fixed. */
  readonly goOn: string = RETRY
  /** Something was left half-done: the step goes on as it would after a kill. */
  readonly interrupted: boolean = false
  /** Objects of the repository are missing or broken, which can be fetched anew. */
  readonly lacksObjects: boolean = false
  /** The remote is in reach and does not let this computer in: it does not pass by itself. */
  readonly isRefused: boolean = false
  /** The migration that failed, `VERSION/FILE`. */
  readonly migration?: string
  /** Another telec is at work. */
  readonly isBusy: boolean = false
  /** It was said before: for those who debug. */
  readonly quiet: boolean = false

  constructor(
    readonly kind: ErrorKind,
    message: string,
    details: Partial<Omit<TelecError, 'kind' | keyof Error>> & { readonly cause?: unknown } = {},
  ) {
    super(withoutLogins(message))
    Object.assign(this, details)
    // Whoever's words these are: git's and an install command's have URLs in them, too, and status.json and Redis get them.
    for (const part of ['because', 'hint'] as const)
      if (this[part] !== undefined) Object.assign(this, { [part]: withoutLogins(this[part]) })
  }
}

/** What `read` gives; null where it fails as telec foresees: whoever needs it says why. */
export async function orNull<Value>(read: () => Value | Promise<Value>): Promise<Value | null> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof TelecError) return null
    throw error
  }
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, …), or undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

/** What passes by itself: a full disk, too many open files or processes, no memory, a signal in between. */
const TRANSIENT = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'EINTR'])

/** What a failed system call is to telec. */
export function kindOf(error: unknown): 'later' | 'halted' {
  return TRANSIENT.has(systemErrorCode(error) ?? '') ? 'later' : 'halted'
}

/** A disk or a limit in the way, where nobody had words for it: it is no bug. Null for anything else. */
export function systemFault(error: unknown): TelecError | null {
  const code = systemErrorCode(error) ?? ''
  if (!TRANSIENT.has(code) && code !== 'EIO' && code !== 'EROFS') return null
  return new TelecError(kindOf(error), 'the system refused what telec needs', {
    because: (error as Error).message,
    hint: 'look for errors and limits: df -h; dmesg; ulimit -n',
    interrupted: true,
    cause: error,
  })
}
