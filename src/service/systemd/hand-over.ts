import type { Scope } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { areUnitsForeign } from '../others.ts'
import { canonicalName, journalReader, ownUnit, showUnit, systemctl } from './systemctl.ts'

const PROPERTIES = ['ActiveState', 'ExecMainStatus', 'Job'] as const
const LOOK_EVERY_MS = 200

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

/** Has telec-update's own unit do what was to be done here, and shows its journal. @returns the unit's exit code. */
export async function handOver(service: Service, scope: Scope): Promise<number> {
  const { world, paths } = service
  const unit = ownUnit(paths, 'telec-update.service')
  const { LoadState } = await showUnit(world, scope, unit, ['LoadState'])
  if (LoadState !== 'loaded' || areUnitsForeign(service, scope))
    throw new TelecError('config', 'telec-update would end with the service that it restarts', {
      because: `it runs inside the service's own unit, and ${unit} is not installed`,
      hint: 'telec install, or run it from outside the service',
    })
  const news = journalReader(world, scope, unit)
  await systemctl(world, scope, ['start', '--no-block', unit])
  world.log.notice(`handed over to ${unit}, since this runs inside the service; its journal:`)
  for (;;) {
    await world.sleep(LOOK_EVERY_MS)
    const { ActiveState, ExecMainStatus, Job } = await showUnit(world, scope, unit, PROPERTIES)
    world.out(await news())
    if (['inactive', 'failed'].includes(ActiveState) && Job === '') return Number(ExecMainStatus)
  }
}
