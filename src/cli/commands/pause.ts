import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { parseDuration } from '../../config/values.ts'
import { endPause, readPause, writePause } from '../../state/pause.ts'
import { touch } from '../../system/files.ts'
import { isoTime } from '../../system/world.ts'
import { parser, serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

const parseTime = parser('a time such as 90s, 5m or 2h', (text) => parseDuration(text) || null)

export const pauseCommand: DefineCommand = (world) =>
  new Command('pause')
    .addArgument(serviceArgument())
    .description('no updates until telec resume; what is new is detected all the same')
    .option('--for <time>', 'end by itself after that: 90s, 5m or 2h', parseTime)
    .addHelpText('after', '\nExamples:\n  telec pause --for 2h\n  telec resume')
    .action(async (_, { for: ms }: { for?: number }) => {
      const until = ms === undefined ? null : new Date(world.now() + ms).toISOString()
      const { paths } = await openService(world)
      await writePause(paths, { since: isoTime(world), until })
      world.out(`paused ${until === null ? 'until: telec resume' : `until ${until}; sooner: telec resume`}\n`)
    })

export const resumeCommand: DefineCommand = (world) =>
  new Command('resume')
    .addArgument(serviceArgument())
    .description('end a pause: what waits is done at once')
    .addHelpText('after', '\nExample:\n  telec resume')
    .action(async () => {
      const { paths } = await openService(world)
      const pause = readPause(paths, world.now())
      await endPause(paths)
      await touch(paths.signal, world.now()) // whoever watches its path looks again
      world.out(pause === null ? 'updates were not paused\n' : 'updates go on\n')
    })
