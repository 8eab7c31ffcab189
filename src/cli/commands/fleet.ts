import { Command } from 'commander'
import { locateAll } from '../../config/services.ts'
import { redisFault, redisOf, withRedis } from '../../fleet/client.ts'
import { computersIn, type Forgotten, forget } from '../../fleet/forget.ts'
import { TelecError } from '../../system/errors.ts'
import { similarTo } from '../../system/similar.ts'
import { isSilent } from '../../view/fleet.ts'
import { relative } from '../../view/show.ts'
import type { DefineCommand } from '../main.ts'

const TIMEOUT_MS = 10_000

export const fleetCommand: DefineCommand = (world, leave) =>
  new Command('fleet')
    .description('what computers that meet in Redis know of each other')
    .addCommand(forgetCommand(world, leave))

const forgetCommand: DefineCommand = (world) =>
  new Command('forget')
    .description('remove what Redis holds about a computer that is gone')
    .argument('<computer>', 'COMPUTER, or COMPUTER/NAME of a named service')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText(
      'after',
      `
A computer that still reports comes back by itself: telec uninstall on it ends that.

Examples:
  telec fleet forget attic
  telec fleet forget attic/worker`,
    )
    .action(async (computer: string, { json }: { json: boolean }) => {
      const redis = await redisOf(world, locateAll(world))
      const forgotten = await withRedis(redis, TIMEOUT_MS, async (client) => {
        const found = await forget(client, computer)
        if (found === null) throw unknown(computer, await computersIn(client))
        return found
      }).catch(redisFault('Redis is out of reach', 'try it again: what is left is removed then'))
      const { heard_at } = forgotten
      const reports = heard_at !== null && !isSilent({ ...forgotten, heard_at, status: null }, world.now())
      if (json) return world.out({ ...forgotten, reports })
      const back = reports
        ? `it still reports (heard of ${relative(Math.min(-1, Date.parse(heard_at) - world.now()))}) and comes back within minutes; to end that, on it: telec uninstall\n`
        : ''
      world.out(`forgot ${computer}: ${describe(forgotten)}\n${back}`)
    })

function unknown(computer: string, known: readonly string[]): TelecError {
  const [meant] = similarTo(computer, known)
  return new TelecError('usage', `Redis holds nothing about a computer ${JSON.stringify(computer)}`, {
    hint:
      meant === undefined
        ? 'see all: telec status --fleet'
        : `did you mean ${meant}? All: telec status --fleet`,
  })
}

function describe({ heard_at, status, turn, halted_at }: Forgotten): string {
  return [
    heard_at === null ? [] : ['its place in the list of computers'],
    status ? ['its last status'] : [],
    turn ? ['its turn to update'] : [],
    halted_at.map((commit) => `its halt at ${commit.slice(0, 12)}`),
  ]
    .flat()
    .join(', ')
}
