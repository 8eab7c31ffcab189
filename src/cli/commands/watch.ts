import { Command } from 'commander'
import type { Decision } from '../../channel/decide.ts'
import { nameOf } from '../../channel/target.ts'
import { asAsked, locate } from '../../config/services.ts'
import { listen } from '../../watch/listen.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { runPoll, titleOf, verifyFollowed } from './run-poll.ts'

type Options = Record<'dryRun' | 'explain' | 'json' | 'scheduled' | 'listen', boolean>

export const watchCommand: DefineCommand = (world, leave) =>
  new Command('watch')
    .addArgument(serviceArgument())
    .description('look once what the remote offers, and signal an update if this computer should have it')
    .option('--dry-run', 'signal nothing, remember nothing', false)
    .option('--explain', 'what was offered, what was chosen, and why the others were not', false)
    .option('--json', 'the same as JSON, for programs', false)
    .option('--listen', 'stay, and look whenever somebody announces a new version over Redis', false)
    .option(
      '--scheduled',
      'as the timer polls: less often while the remote is out of reach, saying so once',
      false,
    )
    .addHelpText(
      'after',
      `
Examples:
  telec-watch                       one poll, now; a terminal is told what it found
  telec-watch --explain --dry-run   what a poll would do, and why`,
    )
    .action(async (_, { dryRun, explain, json, scheduled, listen: isListener }: Options) => {
      if (isListener) return leave(await listen(world, locate(world)))
      const decision = await runPoll(world, { dryRun, scheduled, heard: null })
      if (json || explain) world.out(json ? decision : asAsked(world, explained(decision)))
      else if (process.stdout.isTTY === true && decision.kind !== 'missing')
        world.out(asAsked(world, `${titleOf(decision)}\n`))
      if (!scheduled) verifyFollowed(decision)
    })

/** The newest that were offered, a line each, and what came of them. */
function explained(decision: Decision): string {
  const chosen = decision.kind === 'update' ? decision.target.commit : null
  return [
    titleOf(decision),
    ...decision.considered.map(
      ({ target, rule }) =>
        `${target.commit === chosen ? '→' : ' '} ${nameOf(target)} at ${target.ref}${rule === null ? '' : ` ${rule}`}`,
    ),
    ...decision.malformed.map((tag) => `  ${tag} is no version as semver.org writes it`),
    '',
  ].join('\n')
}
