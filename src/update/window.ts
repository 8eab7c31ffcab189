import type { Service } from '../config/service.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { TelecError } from '../system/errors.ts'

/** Throws `later` outside the window. */
export function verifyWindow({ world, config }: Service, what: string): void {
  const opens = windowOpensAt(config, world.now())
  if (opens === null) return
  throw new TelecError('later', `${what} waits for its window`, {
    because: `${config.deployment.window.join(', ')} opens at ${opens.toISOString()}`,
    hint: 'it is applied then by itself; now: telec-update --now',
  })
}
