import type { Decision } from '../../channel/decide.ts'
import { nameOf } from '../../channel/target.ts'
import { asAsked, locate } from '../../config/services.ts'
import { listen } from '../../watch/listen.ts'
import { serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { runPoll, titleOf, verifyFollowed } from './run-poll.ts'

type Options = Record<'dryRun' | 'explain' | 'json' | 'scheduled' | 'listen', boolean>

export const watchCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('watch', 'poll the remote once, and signal an update if there is one for this computer')
    .option('--dry-run', 'signal nothing, record nothing', false)
    .option('--explain', 'list the versions at the remote, and why others are excluded', false)
    .option('--json', 'print the same as JSON', false)
    .option('--listen', 'stay, and poll at each announcement over Redis', false)
    .option('--scheduled', 'poll like the timer: less often after failures, logged once', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-watch                       poll now; a terminal shows the result
  telec-watch --explain --dry-run   show the result of a poll, and why`,
    )
    .action(async (_, { dryRun, explain, json, scheduled, listen: isListener }: Options) => {
      if (isListener) return exitWith(await listen(world, locate(world)))
      const { decision } = await runPoll(world, { dryRun, scheduled, heard: null })
      if (json || explain) world.out(json ? decision : asAsked(world, explained(decision)))
      else if (process.stdout.isTTY === true && decision.kind !== 'missing')
        world.out(asAsked(world, `${titleOf(decision)}\n`))
      if (!scheduled) verifyFollowed(decision)
    })

/** The newest versions at the remote, a line each, with the rule that refuses it. */
function explained(decision: Decision): string {
  const chosen = decision.kind === 'update' ? decision.target.commit : null
  return [
    titleOf(decision),
    ...decision.considered.map(
      ({ target, rule }) =>
        `${target.commit === chosen ? '→' : ' '} ${nameOf(target)} at ${target.ref}${rule === null ? '' : ` ${rule}`}`,
    ),
    ...decision.malformed.map((tag) => `  ${tag} is no version as semver.org defines it`),
    '',
  ].join('\n')
}
