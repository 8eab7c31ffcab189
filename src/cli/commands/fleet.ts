import { Command, Option } from 'commander'
import { parseRedisUrl, REDIS_URL_FORMS } from '../../config/redis-url.ts'
import type { RedisConfig } from '../../config/schema.ts'
import { loadConfig } from '../../config/service.ts'
import { locate, locateAll } from '../../config/services.ts'
import { announce } from '../../fleet/announcements.ts'
import { redisFault, redisOf, withRedis } from '../../fleet/client.ts'
import { computersIn, type Forgotten, forget } from '../../fleet/forget.ts'
import { shellWord, TelecError } from '../../system/errors.ts'
import { similarTo } from '../../system/similar.ts'
import type { World } from '../../system/world.ts'
import { isSilent } from '../../view/fleet.ts'
import { ago } from '../../view/text.ts'
import { JSON_OPTION } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

// Commands that write to Redis.

const FORGET_TIMEOUT_MS = 10_000
const NOTIFY_TIMEOUT_MS = 5_000

export const fleetCommand: DefineCommand = (world, exitWith) =>
  new Command('fleet')
    .description('manage the computers that report to Redis')
    .addCommand(forgetCommand(world, exitWith))

const forgetCommand: DefineCommand = (world) =>
  new Command('forget')
    .description('remove a retired computer from Redis')
    .argument('<computer>', 'COMPUTER, or COMPUTER/NAME of a named service')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
A computer that still reports appears again: run telec uninstall there first.

Examples:
  telec fleet forget attic
  telec fleet forget attic/worker`,
    )
    .action(async (computer: string, { json }: { json: boolean }) => {
      const redis = await redisOf(world, locateAll(world))
      const forgotten = await withRedis(redis, FORGET_TIMEOUT_MS, async (client) => {
        const found = await forget(client, computer)
        if (found === null) throw unknown(computer, await computersIn(client))
        return found
      }).catch(redisFault('Redis is out of reach', `try again: telec fleet forget ${shellWord(computer)}`))
      const { heard_at } = forgotten
      const reports = heard_at !== null && !isSilent({ ...forgotten, heard_at, status: null }, world.now())
      if (json) return world.out({ ...forgotten, reports })
      const warning = reports
        ? `it still reports (${ago(heard_at, world.now())}), and appears again within minutes; to end that, run there: telec uninstall\n`
        : ''
      world.out(`forgot ${computer}: ${describe(forgotten)}\n${warning}`)
    })

function unknown(computer: string, known: readonly string[]): TelecError {
  const [meant] = similarTo(computer, known)
  const what = `Redis knows no computer ${JSON.stringify(computer)}`
  return new TelecError('usage', meant === undefined ? what : `${what}; did you mean ${meant}?`, {
    hint: 'list all: telec status --fleet',
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

interface Announced {
  readonly channel: string
  readonly release?: string
  readonly from?: string
  readonly json: boolean
}

export const notifyCommand: DefineCommand = (world) =>
  new Command('notify')
    .description('announce a new version over Redis to listening computers')
    .addOption(
      new Option('--channel <name>', 'the channel of the version')
        .choices(['alpha', 'beta', 'stable'])
        .default('alpha'),
    )
    .option('--release <version>', 'the version, shown in the announcement')
    .option('--from <version>', 'the version before')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
An announcement is a hint: each computer asks its git remote, and finds the version also without Redis. The address is redis.url
of the configuration, or TELEC_REDIS_URL (in CI).

Examples:
  telec notify
  TELEC_REDIS_URL=rediss://:PASSWORD@redis.example.org telec notify --channel beta --release 1.4.2`,
    )
    .action(async ({ channel, release, from, json }: Announced) => {
      const announcement = {
        channel,
        version: release ?? null,
        from_version: from ?? null,
        daemon_id: 'telec-notify', // no computer's name: every computer polls, this one too
        timestamp: Math.floor(world.now() / 1000),
      }
      const redis = await redisToNotify(world)
      const id = await withRedis(redis, NOTIFY_TIMEOUT_MS, (client) => announce(client, announcement)).catch(
        redisFault(
          'Redis did not take the announcement',
          'try again, or wait: each computer finds the version at its next poll',
        ),
      )
      world.out(json ? { id, announcement } : `announced on ${channel}: ${id}\n`)
    })

async function redisToNotify(world: World): Promise<RedisConfig> {
  const url = world.env.TELEC_REDIS_URL
  if (url !== undefined) {
    if (parseRedisUrl(url) !== null) return { url }
    throw new TelecError('usage', 'TELEC_REDIS_URL is no URL of a Redis', {
      hint: `set it to ${REDIS_URL_FORMS}`,
    })
  }
  const paths = locate(world)
  const { redis } = await loadConfig(world, paths)
  if (redis) return redis
  throw new TelecError('config', 'no Redis is configured', {
    hint: `set redis.url in ${paths.config}, or TELEC_REDIS_URL`,
  })
}
