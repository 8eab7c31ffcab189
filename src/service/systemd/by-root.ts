import { type Paths, restartRequest, restartUnit } from '../../config/paths.ts'
import { TelecError } from '../../system/errors.ts'
import { mark } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { ownUnit, showUnits } from './systemctl.ts'

/** Units of root's that restart one of the service's units, and the file by which they are asked to. */
export type ByRoot = Readonly<Record<'request' | 'path' | 'unit', string>>

const PROPERTIES = ['ActiveState', 'Job', 'InvocationID', 'LoadState', 'Result'] as const
const LOOK_EVERY_MS = 40
/** Longer than systemd takes on the slowest computer; where nothing will come, its path unit mostly says so at once. */
const LONGEST_ANSWER_MS = 60_000

/** @param index the place of the service's unit in `service.name`. */
export function rootFor(paths: Paths, index: number): ByRoot {
  const name = restartUnit(index)
  return {
    request: restartRequest(paths, index),
    path: ownUnit(paths, `${name}.path`),
    unit: ownUnit(paths, `${name}.service`),
  }
}

/**
 * Has root restart the service, and returns when systemd has that order, as `systemctl` does: before, what the service
 * looks like says nothing. Throws `config` where root's units do not do it: `halted` is a service that does not start.
 */
export async function askRoot(world: World, service: string, { request, path, unit }: ByRoot): Promise<void> {
  const [, now] = await look()
  // An update that was killed has asked already: nobody sees a second request meanwhile, and one restart is enough.
  const isUnderWay = now.ActiveState === 'activating'
  const before = isUnderWay ? null : now.InvocationID
  if (!isUnderWay) mark(request, world.now())
  const deadline = world.monotonic() + LONGEST_ANSWER_MS
  for (;;) {
    const [asked, done] = await look()
    const hasRun = done.InvocationID !== before && done.Job === '' && done.ActiveState !== 'activating'
    if (hasRun && done.Result === 'success') return
    if (hasRun) throw fault(`${unit} fails: ${done.Result}`)
    if (done.LoadState !== 'loaded') throw fault(`${unit} is ${done.LoadState}`)
    if (asked.ActiveState !== 'active') throw fault(`${path} is ${asked.ActiveState}`)
    if (world.monotonic() > deadline) throw fault(`${path} did not start ${unit}`)
    await world.sleep(LOOK_EVERY_MS)
  }

  async function look() {
    const shown = await showUnits(world, 'system', [path, unit], PROPERTIES)
    return [path, unit].map((name) => shown.get(name) ?? NOTHING) as [Shown, Shown]
  }

  function fault(because: string): TelecError {
    return new TelecError('config', `root's units do not restart ${service}`, {
      because,
      hint: `systemctl status ${unit}, and have them started: sudo systemctl restart ${path}. Then: telec-update --retry`,
    })
  }
}

type Shown = Readonly<Record<(typeof PROPERTIES)[number], string>>
const NOTHING: Shown = { ActiveState: '', Job: '', InvocationID: '', LoadState: '', Result: '' }
