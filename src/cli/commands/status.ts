import { resolve } from 'node:path'
import { Command } from 'commander'
import { openService, type Service } from '../../config/service.ts'
import { redisFault, withRedis } from '../../fleet/client.ts'
import { type Fleet, readFleet } from '../../fleet/read.ts'
import { TelecError } from '../../system/errors.ts'
import { writeDurably } from '../../system/files.ts'
import { printable } from '../../system/log.ts'
import { collectOverview } from '../../view/collect.ts'
import { showFleet } from '../../view/fleet.ts'
import { fleetPage } from '../../view/fleet-page.ts'
import { changes } from '../../view/follow.ts'
import { showOverview } from '../../view/show.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly json: boolean
  readonly watch: boolean
  readonly fleet: boolean
  readonly html?: string
}

/** Home, and away with all that is below (ECMA-48). */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

export const statusCommand: DefineCommand = (world) =>
  new Command('status')
    .description('what is deployed, what the remote offers, what is under way or halted')
    .option('--fleet', 'of all computers that meet in Redis', false)
    .option('--html <file>', 'with --fleet: write the fleet as a page that needs nothing but itself')
    .option('--watch', 'stay, and show it anew when it changes, until Ctrl-C', false)
    .option('--json', 'as JSON, for programs; with --watch a line each', false)
    .addHelpText(
      'after',
      '\nExamples:\n  telec status\n  telec status --watch\n  telec status --fleet\n  telec status --fleet --html /var/www/fleet.html\n  telec status --json | jq .deployed',
    )
    .action(async ({ json, watch, fleet, html }: Options) => {
      const service = await openService(world)
      if (html !== undefined) return writePage(service, resolve(world.cwd, html), fleet)
      const view = fleet ? fleetView(service) : ownView(service)
      if (watch) return follow(service, view, json)
      const { data, text } = await view()
      world.out(json ? data : text)
    })

/** What is shown, as data and for people. */
interface View {
  readonly data: object
  readonly text: string
  /** What tells it from the one before; times that pass do not. */
  readonly lasting: string
}

function ownView(service: Service): () => Promise<View> {
  const { world } = service
  return async () => {
    const overview = await collectOverview(service)
    const { next_poll_at: _, ...lasting } = overview
    const text = printable(showOverview(overview, world.now()))
    return { data: overview, text, lasting: JSON.stringify(lasting) }
  }
}

async function writePage(service: Service, file: string, isFleet: boolean): Promise<void> {
  const { world } = service
  if (!isFleet)
    throw new TelecError('usage', '--html is for the fleet', { hint: `telec status --fleet --html ${file}` })
  const { data } = await fleetView(service)()
  await writeDurably(file, fleetPage(data as Fleet, world.now()), { mode: PAGE_MODE })
  world.out(`wrote ${file}\n`)
}

/** Web servers run as other users. */
const PAGE_MODE = 0o644

function fleetView({ world, paths, config: { redis } }: Service): () => Promise<View> {
  if (!redis)
    throw new TelecError('config', 'there is no Redis in which computers meet', {
      hint: `set redis.url in ${paths.config}`,
    })
  return async () => {
    const reading = withRedis(redis, REDIS_TIMEOUT_MS, (client) => readFleet(client, world.now()))
    const fleet = await reading.catch(
      redisFault('Redis is out of reach', 'what this computer knows of itself: telec status'),
    )
    const text = printable(showFleet(fleet, world.now()))
    return { data: fleet, text, lasting: JSON.stringify(fleet.computers.map(({ status }) => status)) }
  }
}

const REDIS_TIMEOUT_MS = 10_000

/** In a terminal the screen is drawn anew; elsewhere each state is appended. */
async function follow({ world, paths }: Service, view: () => Promise<View>, json: boolean): Promise<void> {
  const isTerminal = process.stdout.isTTY === true
  let shown = ''
  for await (const _ of changes(world, paths.home, isTerminal)) {
    const { data, text, lasting } = await view()
    // Only a terminal shows times that pass.
    if (!isTerminal && lasting === shown) continue
    shown = lasting
    if (json) world.out(`${JSON.stringify(data)}\n`)
    else world.out(isTerminal ? `${CLEAR_SCREEN}${text}` : `${text}\n`)
  }
}
