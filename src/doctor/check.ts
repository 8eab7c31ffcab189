import type { Service } from '../config/service.ts'
import { systemErrorCode, TelecError } from '../system/errors.ts'

/** By a word for what is looked at; each returns what was found, or throws a TelecError that says what to do. */
export type Checks = Readonly<Record<string, (service: Service) => Promise<string>>>

/** What came of a check; `--json` prints it as it is. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly message: string
  readonly because: string | null
  readonly hint: string | null
}

/** Runs a check to its finding. */
export async function examine(check: string, run: () => Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, message: await run(), because: null, hint: null }
  } catch (error) {
    // A folder that is gone, say: what it is for is said by the check that needs it most.
    if (!systemErrorCode(error) && !(error instanceof TelecError)) throw error
    const { message, because = null, hint = null } = error as TelecError
    return { check, ok: false, message, because, hint }
  }
}
