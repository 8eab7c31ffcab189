import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { asAsked } from '../../config/services.ts'
import { parseDuration } from '../../config/values.ts'
import { endPause, readPause, writePause } from '../../state/pause.ts'
import { wakeUpdater } from '../../state/signal.ts'
import { isoTime } from '../../system/world.ts'
import { endOfPause } from '../../view/show.ts'
import { parser, serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

const parseTime = parser('a time such as 90s, 5m or 2h', (text) => parseDuration(text) || null)

export const pauseCommand: DefineCommand = (world) =>
  new Command('pause')
    .addArgument(serviceArgument())
    .description('no updates until telec resume; what is new is detected all the same')
    .option('--for <time>', 'end by itself after that: 90s, 5m or 2h', parseTime)
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec pause --for 2h\n  telec resume')
    .action(async (_, { for: ms, json }: { for?: number; json: boolean }) => {
      const until = ms === undefined ? null : new Date(world.now() + ms).toISOString()
      const { paths } = await openService(world)
      const pause = { since: isoTime(world), until }
      await writePause(paths, pause)
      world.out(json ? { paused: pause } : asAsked(world, `paused ${endOfPause(pause)}\n`))
    })

export const resumeCommand: DefineCommand = (world) =>
  new Command('resume')
    .addArgument(serviceArgument())
    .description('end a pause: what waits is done at once')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExample:\n  telec resume')
    .action(async (_, { json }: { json: boolean }) => {
      const service = await openService(world)
      const { paths } = service
      const pause = readPause(paths, world.now())
      await endPause(paths)
      await wakeUpdater(service)
      const text = pause === null ? 'updates were not paused\n' : 'updates go on\n'
      world.out(json ? { resumed: pause } : text)
    })
