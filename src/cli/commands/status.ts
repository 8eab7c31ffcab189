import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Paths } from '../../config/paths.ts'
import { openService } from '../../config/service.ts'
import { asAsked, locateAll } from '../../config/services.ts'
import { redisFault, redisOf, withRedis } from '../../fleet/client.ts'
import { type Fleet, readFleet } from '../../fleet/read.ts'
import { EXIT, TelecError } from '../../system/errors.ts'
import { writeDurably } from '../../system/files.ts'
import { printableDocument } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import { collectOverview } from '../../view/collect.ts'
import { showFleet } from '../../view/fleet.ts'
import { fleetPage } from '../../view/fleet-page.ts'
import { changes } from '../../view/follow.ts'
import { collectServices, showServices } from '../../view/services.ts'
import { showOverview } from '../../view/show.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

interface Options extends Record<'json' | 'watch' | 'fleet', boolean> {
  readonly html?: string
}

/** Home, and away with all that is below (ECMA-48). */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

export const statusCommand: DefineCommand = (world, leave) =>
  new Command('status')
    .addArgument(serviceArgument())
    .description('what is deployed, what the remote offers, what is under way or halted')
    .option('--fleet', 'of all computers that meet in Redis', false)
    .option('--html <file>', 'with --fleet: write the fleet as a page that needs nothing but itself')
    .option('--watch', 'stay, and show it anew when it changes, until Ctrl-C', false)
    .option('--json', 'as JSON, for programs; with --watch a line each', false)
    .addHelpText(
      'after',
      '\nExamples:\n  telec status\n  telec status --watch\n  telec status --fleet\n  telec status --fleet --html /var/www/fleet.html\n  telec status --json | jq .deployed',
    )
    .action(async (_, { json, watch, fleet, html }: Options) => {
      const services = locateAll(world)
      if (html !== undefined) return writePage(world, services, resolve(world.cwd, html), fleet)
      const [only, ...others] = services
      const view = () =>
        fleet
          ? fleetView(world, services)
          : only && others.length === 0
            ? ownView(world, only)
            : allView(world, services)
      if (watch) return follow(world, services, view, json)
      const { data, text, code } = await view()
      world.out(json ? data : text)
      leave(code)
    })

/** What is shown, as data and for people. */
interface View {
  readonly data: object
  readonly text: string
  /** What tells it from the one before; times that pass do not. */
  readonly lasting: unknown
  readonly code: number
}

async function ownView(world: World, paths: Paths): Promise<View> {
  const data = await collectOverview(await openService(world, paths))
  const { next_poll_at: _, ...lasting } = data
  return { data, text: asAsked(world, showOverview(data, world.now())), lasting, code: EXIT.done }
}

async function allView(world: World, services: readonly Paths[]): Promise<View> {
  const data = await collectServices(world, services)
  const lasting = data.map((one) => ({ ...one, next_poll_at: null }))
  const [code = EXIT.done] = data.flatMap((one) => ('error' in one ? [EXIT[one.error.kind]] : []))
  return { data, text: showServices(data, world.now()), lasting, code }
}

async function fleetView(world: World, services: readonly Paths[]): Promise<View> {
  const data = await fleetOf(world, services)
  const lasting = data.computers.map(({ status }) => status)
  return { data, text: showFleet(data, world.now()), lasting, code: EXIT.done }
}

async function writePage(
  world: World,
  services: readonly Paths[],
  file: string,
  isFleet: boolean,
): Promise<void> {
  if (!isFleet)
    throw new TelecError('usage', '--html is for the fleet', { hint: `telec status --fleet --html ${file}` })
  await writeDurably(file, fleetPage(await fleetOf(world, services), world.now()), { mode: PAGE_MODE })
  world.out(`wrote ${file}\n`)
}

/** Web servers run as other users. */
const PAGE_MODE = 0o644
const REDIS_TIMEOUT_MS = 10_000

/** The fleet of the first service that has a Redis. */
async function fleetOf(world: World, services: readonly Paths[]): Promise<Fleet> {
  const redis = await redisOf(world, services)
  return withRedis(redis, REDIS_TIMEOUT_MS, (client) => readFleet(client, world.now())).catch(
    redisFault('Redis is out of reach', 'what this computer knows of itself: telec status'),
  )
}

/** In a terminal the screen is drawn anew; elsewhere each state is appended. */
async function follow(
  world: World,
  services: readonly Paths[],
  view: () => Promise<View>,
  json: boolean,
): Promise<void> {
  const isTerminal = process.stdout.isTTY === true
  let shown = ''
  for await (const _ of changes(
    world,
    services.map(({ home }) => home),
    isTerminal,
  )) {
    const { data, text, ...now } = await view()
    const lasting = JSON.stringify(now)
    // Only a terminal shows times that pass.
    if (!isTerminal && lasting === shown) continue
    shown = lasting
    if (json) world.out(`${printableDocument(data)}\n`)
    else world.out(isTerminal ? text : `${text}\n`, isTerminal ? CLEAR_SCREEN : '')
  }
}
