import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import { TelecError } from '../../system/errors.ts'
import { COMMIT, VERSION } from '../../system/version.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

export const versionCommand: DefineCommand = (world) =>
  new Command('version')
    .description('which telec this is, and which channel this computer follows')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExample:\n  telec version --json   {"version": …, "commit": …, "channel": …}')
    .action(async ({ json }: { json: boolean }) => {
      const channel = await channelOf(world)
      const text = `telec ${VERSION} (${COMMIT})${channel === null ? '' : `, channel ${channel}`}\n`
      world.out(json ? { version: VERSION, commit: COMMIT, channel } : text)
    })

/** Null where there is no configuration, or none that can be understood: the version is asked for most then. */
async function channelOf(world: World): Promise<string | null> {
  try {
    return (await loadConfig(world, locate(world))).deployment.channel
  } catch (error) {
    if (error instanceof TelecError) return null
    throw error
  }
}
