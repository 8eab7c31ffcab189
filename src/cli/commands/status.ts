import { resolve } from 'node:path'
import type { Paths } from '../../config/paths.ts'
import type { RedisConfig } from '../../config/schema.ts'
import { openService } from '../../config/service.ts'
import { asAsked, locateAll } from '../../config/services.ts'
import { type AskRedis, keepRedis, redisFault, redisOf, withRedis } from '../../fleet/client.ts'
import { type Fleet, readFleet } from '../../fleet/read.ts'
import { EXIT, shellWord, TelecError } from '../../system/errors.ts'
import { writeDurably } from '../../system/files.ts'
import { printableDocument } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import { collectOverview } from '../../view/collect.ts'
import { showFleet } from '../../view/fleet.ts'
import { fleetPage } from '../../view/fleet-page.ts'
import { collectServices, showServices } from '../../view/services.ts'
import { showOverview } from '../../view/show.ts'
import { serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

interface Options extends Record<'json' | 'watch' | 'fleet', boolean> {
  readonly html?: string
}

export const statusCommand: DefineCommand = (world, exitWith) =>
  serviceCommand('status', 'show the deployed and the available version, and the update under way or halted')
    .option('--fleet', 'show all computers that report to Redis', false)
    .option('--html <file>', 'with --fleet: write a self-contained page')
    .option('--watch', 'stay, and show each change, until Ctrl-C', false)
    .option('--json', 'print JSON; with --watch an object per line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  telec status\n  telec status --watch\n  telec status --fleet\n  telec status --fleet --html /var/www/fleet.html\n  telec status --json | jq .deployed',
    )
    .action(async (_, { json, watch, fleet, html }: Options) => {
      const services = locateAll(world)
      if (html !== undefined) return writePage(world, services, resolve(world.cwd, html), fleet)
      const view = fleet ? await fleetView(world, services, watch) : () => viewServices(world, services)
      if (watch) return follow(world, view, json)
      const { data, text, code = EXIT.done } = await view()
      world.out(json ? data : text)
      exitWith(code)
    })

interface View {
  readonly data: object
  readonly text: string
  readonly code?: number
}

async function viewServices(world: World, services: readonly Paths[]): Promise<View> {
  const [only, ...others] = services
  if (only && others.length === 0) {
    const data = await collectOverview(await openService(world, only))
    return { data, text: asAsked(world, showOverview(data, world.now())) }
  }
  const data = await collectServices(world, services)
  const [code = EXIT.done] = data.flatMap((one) => ('error' in one ? [EXIT[one.error.kind]] : []))
  return { data, text: showServices(data, world.now()), code }
}

/** @param isKept one connection for all its calls. */
async function fleetView(
  world: World,
  services: readonly Paths[],
  isKept: boolean,
): Promise<() => Promise<View>> {
  const redis = await redisOf(world, services)
  const ask = isKept ? keepRedis(redis, REDIS_TIMEOUT_MS).ask : askOnce(redis)
  return async () => {
    const data = await fleetOf(world, ask)
    return { data, text: showFleet(data, world.now()) }
  }
}

async function writePage(
  world: World,
  services: readonly Paths[],
  file: string,
  isFleet: boolean,
): Promise<void> {
  if (!isFleet)
    throw new TelecError('usage', '--html needs --fleet', {
      hint: `add it: telec status --fleet --html ${shellWord(file)}`,
    })
  const page = fleetPage(await fleetOf(world, askOnce(await redisOf(world, services))), world.now())
  await writeDurably(file, page, { mode: 0o644 }) // web servers run as other users
  world.out(`wrote ${file}\n`)
}

const REDIS_TIMEOUT_MS = 10_000

function askOnce(redis: RedisConfig): AskRedis {
  return (work) => withRedis(redis, REDIS_TIMEOUT_MS, work)
}

function fleetOf(world: World, ask: AskRedis): Promise<Fleet> {
  return ask((client) => readFleet(client, world.now())).catch(
    redisFault('Redis is out of reach', 'show this computer alone: telec status'),
  )
}

/** These differ each time, also where nothing changed. */
const PASSING = ['next_poll_at', 'heard_at', 'taken_at']

/** ECMA-48: to the first line, and erase all below. */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

/** Each look starts git and the service manager. */
const LOOK_MS = 1_000
const LOG_LOOK_MS = 2_000

/** Redraws the screen of a terminal, where times pass; elsewhere appends each state. It never ends. */
async function follow(world: World, view: () => Promise<View>, json: boolean): Promise<void> {
  const isTerminal = process.stdout.isTTY === true
  for (let shown = ''; ; await world.sleep(isTerminal ? LOOK_MS : LOG_LOOK_MS)) {
    const { data, text } = await view()
    const lasting = JSON.stringify(data, (key, value) => (PASSING.includes(key) ? null : value))
    if (!isTerminal && lasting === shown) continue
    shown = lasting
    if (json) world.out(`${printableDocument(data)}\n`)
    else world.out(isTerminal ? text : `${text}\n`, isTerminal ? CLEAR_SCREEN : '')
  }
}
