import { Command, Option } from 'commander'
import { parseRedisUrl, REDIS_URL_FORMS } from '../../config/redis-url.ts'
import type { RedisConfig } from '../../config/schema.ts'
import { loadConfig } from '../../config/service.ts'
import { locate } from '../../config/services.ts'
import { announce } from '../../fleet/announcements.ts'
import { redisFault, withRedis } from '../../fleet/client.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly channel: string
  readonly release?: string
  readonly from?: string
  readonly json: boolean
}

const TIMEOUT_MS = 5_000
/** An announcement of a person or of CI is for every computer, this one included: it bears the name of none. */
const NOBODY = 'telec-notify'

export const notifyCommand: DefineCommand = (world) =>
  new Command('notify')
    .description('announce over Redis that there is a new version: computers that listen look at once')
    .addOption(
      new Option('--channel <name>', 'whom it concerns')
        .choices(['alpha', 'beta', 'stable'])
        .default('alpha'),
    )
    .option('--release <version>', 'which version it is, for people who look at the stream')
    .option('--from <version>', 'which one came before')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText(
      'after',
      `
It is a hint: each computer asks its git remote, and without Redis all of them find it by themselves. The Redis is that
of the configuration or, where there is none (in CI), that of TELEC_REDIS_URL.

Examples:
  telec notify
  TELEC_REDIS_URL=rediss://:PASSWORD@redis.example.org telec notify --channel beta --release 1.4.2`,
    )
    .action(async ({ channel, release, from, json }: Options) => {
      const announcement = {
        channel,
        version: release ?? null,
        from_version: from ?? null,
        daemon_id: NOBODY,
        timestamp: Math.floor(world.now() / 1000),
      }
      const id = await withRedis(await destination(world), TIMEOUT_MS, (client) =>
        announce(client, announcement),
      ).catch(
        redisFault(
          'Redis did not take the announcement',
          'nothing is lost: every computer finds the version at its next poll',
        ),
      )
      world.out(json ? { id, announcement } : `announced on ${channel}: ${id}\n`)
    })

async function destination(world: World): Promise<RedisConfig> {
  const url = world.env.TELEC_REDIS_URL
  if (url !== undefined) {
    if (parseRedisUrl(url) !== null) return { url }
    throw new TelecError('usage', 'TELEC_REDIS_URL is no URL of a Redis', { hint: REDIS_URL_FORMS })
  }
  const paths = locate(world)
  const { redis } = await loadConfig(world, paths)
  if (redis) return redis
  throw new TelecError('config', 'there is no Redis to announce it over', {
    hint: `set redis.url in ${paths.config}, or TELEC_REDIS_URL`,
  })
}
