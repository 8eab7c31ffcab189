import { Command } from 'commander'
import { loadConfig } from '../../config/load.ts'
import { locate, type Paths } from '../../config/paths.ts'
import { collectOverview } from '../../status/collect.ts'
import { showOverview } from '../../status/show.ts'
import { changes } from '../../status/watch.ts'
import { printable } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly json: boolean
  readonly watch: boolean
}

/** Home, and away with all that is below (ECMA-48). */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

export const statusCommand: DefineCommand = (world) =>
  new Command('status')
    .description('what is deployed, what the remote offers, what is under way or halted')
    .option('--watch', 'stay, and show it anew when it changes, until Ctrl-C', false)
    .option('--json', 'as JSON, for programs; with --watch a line each', false)
    .addHelpText(
      'after',
      '\nExamples:\n  telec status\n  telec status --watch\n  telec status --json | jq .deployed',
    )
    .action(async ({ json, watch }: Options) => {
      const paths = locate(world)
      if (watch) return follow(world, paths, json)
      const overview = await collectOverview(world, await loadConfig(world, paths), paths)
      world.out(
        json ? `${JSON.stringify(overview, null, 2)}\n` : printable(showOverview(overview, world.now())),
      )
    })

/** In a terminal the screen is drawn anew; elsewhere each state is appended. */
async function follow(world: World, paths: Paths, json: boolean): Promise<void> {
  const config = await loadConfig(world, paths)
  const isTerminal = process.stdout.isTTY === true
  let shown = ''
  for await (const _ of changes(world, paths.home, isTerminal)) {
    const overview = await collectOverview(world, config, paths)
    const { next_poll_at: _next, ...lasting } = overview
    const state = JSON.stringify(lasting)
    // Only a terminal shows times that pass.
    if (!isTerminal && state === shown) continue
    shown = state
    const text = printable(showOverview(overview, world.now()))
    if (json) world.out(`${JSON.stringify(overview)}\n`)
    else world.out(isTerminal ? `${CLEAR_SCREEN}${text}` : `${text}\n`)
  }
}
