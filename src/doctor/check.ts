import type { Service } from '../config/service.ts'
import { systemErrorCode, TelecError } from '../system/errors.ts'

/** One thing that has to be as it should. It changes nothing. */
export interface Check {
  /** A word for what it looks at. */
  readonly name: string
  /** @returns what was found, where all is well. Throws a TelecError that says what to do where it is not. */
  run(service: Service): Promise<string>
}

/** What came of a check; `--json` prints it as it is. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly message: string
  readonly because: string | null
  readonly hint: string | null
}

const WRONG = { ok: false, because: null, hint: null } as const

/** Runs a check to its finding. */
export async function examine(name: string, run: () => Promise<string>): Promise<Finding> {
  try {
    return { check: name, ok: true, message: await run(), because: null, hint: null }
  } catch (error) {
    // A folder that is gone, say: what it is for is said by the check that needs it most.
    if (systemErrorCode(error)) return { ...WRONG, check: name, message: (error as Error).message }
    if (!(error instanceof TelecError)) throw error
    const { message, because = null, hint = null } = error
    return { ...WRONG, check: name, message, because, hint }
  }
}
