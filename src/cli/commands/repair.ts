import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { type RepairReport, repair } from '../../doctor/repair.ts'
import type { Damage } from '../../git/damage/damage.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { EXIT, orNull } from '../../system/errors.ts'
import { guardGroups } from '../../system/groups.ts'
import { acquireLock } from '../../system/lock.ts'
import { confirm } from '../ask.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

export const repairCommand: DefineCommand = (world, leave) =>
  new Command('repair')
    .addArgument(serviceArgument())
    .description("repair the checkout's git repository, as far as nothing is lost by it")
    .option('--yes', 'do it without asking', false)
    .option('--json', 'as JSON, for programs', false)
    .addHelpText(
      'after',
      `
It shows first what is wrong and what it would do, and does it with --yes, or where a person in a terminal says so: it moves
locks of a git that is gone away, makes a broken index anew, fetches missing objects from the remote, has HEAD and its branch
name what telec knows is deployed, and moves other broken files away. Whatever it replaces is kept below .git/telec-aside/.
It reads each object, which takes minutes in a large repository. Exit code 1: something is still wrong.

Examples:
  telec repair         what is wrong, and what it would do
  telec repair --yes   does it`,
    )
    .action(async (_, { yes, json }: Record<'yes' | 'json', boolean>) => {
      const service = await openService(world)
      acquireLock(world, service.paths.lock) // until this program ends
      const unguard = guardGroups()
      const report = await repair(service, async (found) => {
        if (!json) world.out(found.map(show).join(''))
        return yes || (!json && found.some((damage) => damage.repair) && confirm('Do that?'))
      })
      unguard()
      const halted = (await orNull(() => readUpdateState(service.paths)))?.halted
      world.out(json ? report : ending(report, halted?.go_on ?? null))
      if (report.left.length > 0) leave(EXIT.halted)
    })

function show({ what, because, repair: planned, hint }: Damage): string {
  const lines = [
    what,
    ...(because?.split('\n') ?? []).map((line) => `    ${line}`),
    ...(planned ? [`  telec repair ${planned.plan}`] : []),
    ...(hint && !planned ? [`  what to do: ${hint}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

function ending({ repaired, left, aside }: RepairReport, goOn: string | null): string {
  if (aside === null && left.length === 0) return 'nothing to repair\n'
  const isPlanned = left.some(({ repair: plan }) => plan !== null)
  const done =
    aside === null
      ? 'nothing was repaired'
      : `repaired: ${repaired.length}; replaced files are kept in ${aside}`
  const lines = [
    done,
    ...(isPlanned ? ['to do it: telec repair --yes'] : []),
    ...(left.length === 0 && goOn !== null ? [`to go on: ${goOn}`] : []),
  ]
  return `${lines.join('\n')}\n`
}
