import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { opensAt, parseWindow } from '../config/weekly-hours.ts'
import { TelecError } from '../system/errors.ts'

/** When the configured window opens; null while it is open, and where none is configured. */
export function windowOpensAt({ deployment }: Config, nowMs: number): Date | null {
  const windows = deployment.window.flatMap((text) => parseWindow(text) ?? [])
  if (windows.length === 0) return null
  const atMs = opensAt(windows, deployment.timezone, nowMs)
  return atMs > nowMs ? new Date(atMs) : null
}

/** Throws `later` outside the window. */
export function verifyWindow({ world, config }: Service, what: string): void {
  const opens = windowOpensAt(config, world.now())
  if (opens === null) return
  throw new TelecError('later', `${what} waits for its window`, {
    because: `${config.deployment.window.join(', ')} opens at ${opens.toISOString()}`,
    hint: 'it is applied then by itself; now: telec-update --now',
  })
}
