import type { Service } from '../config/service.ts'
import { systemErrorCode, TelecError } from '../system/errors.ts'

/** Each returns what it found, or throws a TelecError with a hint. */
export type Checks = Readonly<Record<string, (service: Service) => Promise<string>>>

/** `--json` prints it as it is. */
export interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly message: string
  readonly because: string | null
  readonly hint: string | null
}

export async function examine(check: string, run: () => Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, message: await run(), because: null, hint: null }
  } catch (error) {
    // A missing folder, for example: the check that needs it most has a hint.
    if (!systemErrorCode(error) && !(error instanceof TelecError)) throw error
    const { message, because = null, hint = null } = error as TelecError
    return { check, ok: false, message, because, hint }
  }
}
