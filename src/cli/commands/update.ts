import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { findService } from '../../service/find.ts'
import { handOver, isInsideService } from '../../service/hand-over.ts'
import { rotateLog } from '../../system/rotate.ts'
import { stream } from '../../system/stream.ts'
import { isoTime } from '../../system/world.ts'
import { type UpdateOptions, update } from '../../update/execute.ts'
import { PERMITS, type Permit } from '../../update/journal.ts'
import { takeRequest, writeRequest } from '../../update/request.ts'
import { signalRefused } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

export const updateCommand: DefineCommand = (world, leave) =>
  new Command('update')
    .description('do what the signal asks for: fetch, migrate, install, restart, confirm')
    .option('--retry', 'try a target that halted again, now', false)
    .option('--now', 'also outside the window (deployment.window)', false)
    .option('--accept-rewrite', 'take a branch that was force-pushed, or a tag that moved', false)
    .option('--allow-downgrade', 'take a target that is older than what is deployed', false)
    .option('--stash', 'put local changes aside that are in the way, under a ref that is named', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-update                     do what is signalled, or go on with what was interrupted
  telec-update --retry             after the cause of a halt was mended
  telec-update --now               without waiting for the window
  telec-update --accept-rewrite    after a look at what was rewritten
  telec-update --allow-downgrade   after a release was withdrawn, or the pin lowered`,
    )
    .action(async (options: Options) => {
      const paths = locate(world)
      rotateLog(world, paths.home)
      const config = await loadConfig(world, paths)
      const asked = {
        retry: options.retry,
        now: options.now,
        permits: PERMITS.filter((permit) => options[OPTION_OF[permit]]),
      }
      await signalRefused(world, config, paths, asked.permits)
      const { service } = config
      if (service && isInsideService(world, service.name) && findService(world, config, paths) !== null) {
        await writeRequest(paths, { ...asked, at: isoTime(world) })
        return leave(await handOver(world, service.scope))
      }
      const request = await takeRequest(paths, world.now())
      leave(await update({ ...world, stream }, config, paths, merged(asked, request)))
    })

/** What was asked for here, and what was handed over. */
function merged(here: UpdateOptions, there: UpdateOptions | null): UpdateOptions {
  if (there === null) return here
  return {
    retry: here.retry || there.retry,
    now: here.now || there.now,
    permits: [...new Set([...here.permits, ...there.permits])],
  }
}

interface Options {
  readonly retry: boolean
  readonly now: boolean
  readonly acceptRewrite: boolean
  readonly allowDowngrade: boolean
  readonly stash: boolean
}

const OPTION_OF = {
  rewrite: 'acceptRewrite',
  downgrade: 'allowDowngrade',
  stash: 'stash',
} as const satisfies Record<Permit, keyof Options>
