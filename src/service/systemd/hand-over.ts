import { existsSync } from 'node:fs'
import type { Scope } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { commandFor } from '../../config/services.ts'
import { TelecError } from '../../system/errors.ts'
import { readText, touch } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { areUnitsForeign } from '../others.ts'
import { canonicalName, journalReader, ownUnit, showUnit, systemctl } from './systemctl.ts'

const PROPERTIES = ['ActiveState', 'ExecMainStatus', 'Job', 'InvocationID'] as const
const LOOK_EVERY_MS = 200

type Handed = Pick<Service, 'world' | 'paths'>

/** Whether this program runs inside one of the service's own units, and would end with it when it is restarted. */
export async function isInsideService(
  world: World,
  scope: Scope,
  names: readonly string[],
): Promise<boolean> {
  if (world.platform !== 'linux') return false
  const cgroups = readText('/proc/self/cgroup') ?? ''
  for (const name of names) if (isInUnit(cgroups, await canonicalName(world, scope, name))) return true
  return false
}

/** @param cgroups /proc/PID/cgroup, `ID:CONTROLLERS:PATH` a line (cgroups(7)). */
export function isInUnit(cgroups: string, unit: string): boolean {
  return cgroups.split('\n').some((line) => line.split(':').slice(2).join(':').split('/').includes(unit))
}

/**
 * Has telec-update's own unit do what was to be done here, and shows its journal.
 *
 * @param why it is not done here, for people.
 * @returns the unit's exit code.
 */
export async function handOver(service: Handed, scope: Scope, why: string): Promise<number> {
  const { world, paths } = service
  const unit = ownUnit(paths, 'telec-update.service')
  const { LoadState, InvocationID: before } = await showUnit(world, scope, unit, [
    'LoadState',
    'InvocationID',
  ])
  if (LoadState !== 'loaded' || areUnitsForeign(service, scope))
    throw new TelecError('config', `${unit} is not installed`, {
      because: `it would have to do this, since ${why}`,
      hint: commandFor(paths, 'telec install'),
    })
  const news = journalReader(world, scope, unit)
  // Where the manager does not obey, telec-update.path sees the request.
  const isObeyed = scope === 'user' || world.uid === 0
  const ask = async () => {
    if (isObeyed) await systemctl(world, scope, ['start', '--no-block', unit])
    else {
      await verifyIsSeen(service, scope)
      await touch(paths.request, world.now())
    }
  }
  await ask()
  world.log.notice(`handed over to ${unit}, since ${why}; its journal:`)
  for (;;) {
    await world.sleep(LOOK_EVERY_MS)
    const { ActiveState, ExecMainStatus, Job, InvocationID } = await showUnit(world, scope, unit, PROPERTIES)
    world.out(await news())
    const hasEnded = ['inactive', 'failed'].includes(ActiveState) && Job === ''
    // A request that is gone was taken up, also by a run that had begun when `before` was read.
    const isTaken = InvocationID !== before || !(isObeyed || existsSync(paths.request))
    if (hasEnded && isTaken) return Number(ExecMainStatus)
    if (hasEnded) await ask() // what ran already has ended: it may have begun too early to see what is asked for
  }
}

/** Throws where what would see the request does not run: nobody else starts the unit. */
async function verifyIsSeen({ world, paths }: Handed, scope: Scope): Promise<void> {
  const path = ownUnit(paths, 'telec-update.path')
  const { ActiveState } = await showUnit(world, scope, path, ['ActiveState'])
  if (ActiveState === 'active') return
  throw new TelecError('halted', `${path} is ${ActiveState}: nobody sees what is asked for here`, {
    hint: `have it started: sudo systemctl restart ${path}`,
  })
}
