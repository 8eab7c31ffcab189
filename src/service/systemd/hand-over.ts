import { existsSync } from 'node:fs'
import type { Scope } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { commandFor } from '../../config/services.ts'
import { TelecError } from '../../system/errors.ts'
import { readText, touch } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import { takesCommands } from '../by-root.ts'
import { areUnitsForeign } from '../others.ts'
import { canonicalName, journalReader, ownUnit, showUnit, systemctl } from './systemctl.ts'

const PROPERTIES = ['LoadState', 'ActiveState', 'ExecMainStatus', 'Job', 'InvocationID'] as const
const ASK_EVERY_MS = 200

type Handed = Pick<Service, 'world' | 'paths'>

/** Whether this program runs inside one of the service's own units, and would end with a restart of it. */
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

/** Starts telec-update's own unit instead of this process, and shows its journal. @returns the unit's exit code. */
export async function handOver(service: Handed, scope: Scope, why: string): Promise<number> {
  const { world, paths } = service
  const unit = ownUnit(paths, 'telec-update.service')
  const { LoadState, InvocationID: before } = await showUnit(world, scope, unit, PROPERTIES)
  if (LoadState !== 'loaded' || areUnitsForeign(service, scope))
    throw new TelecError('config', `${unit} is not installed`, {
      because: `it has to do this, since ${why}`,
      hint: commandFor(paths, 'telec install'),
    })
  const newLines = journalReader(world, scope, unit)
  const mayStart = takesCommands(world, scope) // else telec-update.path does, which sees the request
  const ask = async () => {
    if (mayStart) await systemctl(world, scope, ['start', '--no-block', unit])
    else {
      await verifyIsSeen(service, scope)
      await touch(paths.request, world.now())
    }
  }
  await ask()
  world.log.notice(`handed over to ${unit}, since ${why}; its journal:`)
  for (;;) {
    await world.sleep(ASK_EVERY_MS)
    const { ActiveState, ExecMainStatus, Job, InvocationID } = await showUnit(world, scope, unit, PROPERTIES)
    world.out(await newLines())
    const hasEnded = ['inactive', 'failed'].includes(ActiveState) && Job === ''
    // A run that began before `before` was read removes the request, too.
    const isTaken = InvocationID !== before || !(mayStart || existsSync(paths.request))
    if (hasEnded && isTaken) return Number(ExecMainStatus)
    if (hasEnded) await ask() // an earlier run may have ended without a look at the request
  }
}

/** Without telec-update.path nothing starts the unit. */
async function verifyIsSeen({ world, paths }: Handed, scope: Scope): Promise<void> {
  const path = ownUnit(paths, 'telec-update.path')
  const { ActiveState } = await showUnit(world, scope, path, ['ActiveState'])
  if (ActiveState === 'active') return
  throw new TelecError('halted', `${path} is ${ActiveState}: it does not see this request`, {
    hint: `start it: sudo systemctl restart ${path}`,
  })
}
