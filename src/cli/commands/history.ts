import { Command } from 'commander'
import { nameOf } from '../../channel/target.ts'
import { locate } from '../../config/paths.ts'
import { type HistoryEntry, readHistory } from '../../state/history.ts'
import { printable } from '../../system/log.ts'
import type { DefineCommand } from '../main.ts'

export const historyCommand: DefineCommand = (world) =>
  new Command('history')
    .description(
      'the last 50 updates of this computer: from, to, when, how long each step took, how each ended',
    )
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec history\n  telec history --json | jq ".[-1].seconds"')
    .action(({ json }: { json: boolean }) => {
      const entries = readHistory(locate(world))
      const text = printable(entries.toReversed().map(lines).join(''))
      world.out(json ? entries : text || 'no update yet\n')
    })

/** An update, the newest of which comes first. */
function lines({ from, target, ended_at, attempts, rollback, seconds, halted }: HistoryEntry): string {
  const done = rollback ? 'rolled back' : 'updated'
  const end =
    halted === null
      ? done
      : `${rollback ? 'rollback ' : ''}halted at ${halted.step}: ${halted.error.split('\n', 1)[0]}`
  const tries = attempts > 1 ? `, at the ${attempts}. attempt` : ''
  const steps = Object.entries(seconds).map(([step, amount]) => `${step} ${amount.toFixed(1)} s`)
  const durations = steps.length > 0 ? `    ${steps.join(', ')}\n` : ''
  return `${ended_at}  ${nameOf(from)} → ${nameOf(target)}: ${end}${tries}\n${durations}`
}
