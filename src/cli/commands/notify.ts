import { Command, Option } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { parseRedisUrl, REDIS_URL_FORMS } from '../../config/redis-url.ts'
import type { Config } from '../../config/schema.ts'
import { announce } from '../../fleet/announcements.ts'
import { describeFault, openRedis } from '../../fleet/client.ts'
import { TelecError } from '../../system/errors.ts'
import { within } from '../../system/limit.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly channel: string
  readonly release?: string
  readonly from?: string
}

const TIMEOUT_MS = 5_000

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
    .addHelpText(
      'after',
      `
It is a hint: each computer asks its git remote, and without Redis all of them find it by themselves. The Redis is that
of the configuration or, where there is none (in CI), that of TELEC_REDIS_URL.

Examples:
  telec notify
  TELEC_REDIS_URL=rediss://:PASSWORD@redis.example.org telec notify --channel beta --release 1.4.2`,
    )
    .action(async ({ channel, release, from }: Options) => {
      const { computer, redis } = await destination(world)
      const client = openRedis(redis, TIMEOUT_MS)
      try {
        const sending = client.ready().then(() =>
          announce(client, {
            channel,
            version: release ?? null,
            from_version: from ?? null,
            daemon_id: computer,
            timestamp: Math.floor(world.now() / 1000),
          }),
        )
        world.out(`announced on ${channel}: ${await within(sending, TIMEOUT_MS)}\n`)
      } catch (error) {
        throw new TelecError('later', 'Redis did not take the announcement', {
          because: describeFault(error),
          hint: 'nothing is lost: every computer finds the version at its next poll',
        })
      } finally {
        client.close()
      }
    })

/** An announcement of a person or of CI is for every computer, this one included: it bears the name of none. */
async function destination(world: World): Promise<{ computer: string; redis: NonNullable<Config['redis']> }> {
  const url = world.env.TELEC_REDIS_URL
  if (url !== undefined) {
    if (parseRedisUrl(url) === null)
      throw new TelecError('usage', 'TELEC_REDIS_URL is no URL of a Redis', {
        hint: REDIS_URL_FORMS,
      })
    return { computer: NOBODY, redis: { url } }
  }
  const paths = locate(world)
  const { redis } = await loadConfig(world, paths)
  if (redis) return { computer: NOBODY, redis }
  throw new TelecError('config', 'there is no Redis to announce it over', {
    hint: `set redis.url in ${paths.config}, or TELEC_REDIS_URL`,
  })
}

const NOBODY = 'telec-notify'
