import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'

/** Says a fault that ends nothing: what, why and what to do, in one line. */
export function warn({ log }: World): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof TelecError)) throw error
    const { message, because, hint } = error
    log.warning([message, because, hint].filter(Boolean).join('; '))
  }
}
