import { openService } from '../../config/service.ts'
import { type RepairReport, repair } from '../../doctor/repair.ts'
import type { Damage } from '../../git/damage/damage.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { EXIT, orNull } from '../../system/errors.ts'
import { guardGroups } from '../../system/groups.ts'
import { acquireLock } from '../../system/lock.ts'
import { confirm } from '../ask.ts'
import { JSON_OPTION, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

export const repairCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('repair', "repair the checkout's git repository without losing anything")
    .option('--yes', 'repair without asking', false)
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
It lists the damage and its plan; with --yes, or after you confirm in a terminal, it repairs. It removes stale locks of git,
rebuilds a broken index, fetches missing objects from the remote, points HEAD and its branch at the deployed commit, and moves
other broken files away. It keeps all that it replaces below .git/telec-aside/. It reads each object, which takes minutes in a
large repository. Exit code 1: damage remains.

Examples:
  telec repair         show the damage and the plan
  telec repair --yes   repair`,
    )
    .action(async (_, { yes, json }: Record<'yes' | 'json', boolean>) => {
      const service = await openService(world)
      acquireLock(world, service.paths.lock) // until this program ends
      const unguard = guardGroups()
      const report = await repair(service, async (found) => {
        if (!json) world.out(found.map(describe).join(''))
        return yes || (!json && found.some((damage) => damage.repair) && confirm('Repair?'))
      })
      unguard()
      const halted = (await orNull(() => readUpdateState(service.paths)))?.halted
      world.out(json ? report : summary(report, halted?.go_on ?? null))
      if (report.left.length > 0) exitWith(EXIT.halted)
    })

function describe({ what, because, repair: planned, hint }: Damage): string {
  const lines = [
    what,
    ...(because?.split('\n') ?? []).map((line) => `    ${line}`),
    ...(planned ? [`  telec repair ${planned.plan}`] : []),
    ...(hint && !planned ? [`  what to do: ${hint}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

function summary({ repaired, left, aside }: RepairReport, goOn: string | null): string {
  if (aside === null && left.length === 0) return 'nothing to repair\n'
  const lines = [
    aside === null
      ? 'nothing was repaired'
      : `repaired: ${repaired.length}; replaced files are kept in ${aside}`,
    ...(left.some(({ repair: plan }) => plan !== null) ? ['to repair: telec repair --yes'] : []),
    ...(left.length === 0 && goOn !== null ? [`then run: ${goOn}`] : []),
  ]
  return `${lines.join('\n')}\n`
}
