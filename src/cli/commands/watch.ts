import { Command, Option } from 'commander'
import type { Considered, Decision } from '../../channel/decide.ts'
import { nameOf } from '../../channel/target.ts'
import { keepParsed, loadConfig } from '../../config/load.ts'
import { LOOKOUT, locate, type Paths } from '../../config/paths.ts'
import { accessTo } from '../../redis/client.ts'
import { TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { readSignal } from '../../update/signal.ts'
import { readBrief } from '../../watch/brief.ts'
import { type Listener, listen } from '../../watch/listen.ts'
import { lookOut, nudge } from '../../watch/lookout.ts'
import { passOn } from '../../watch/pass-on.ts'
import { poll } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly dryRun: boolean
  readonly explain: boolean
  readonly json: boolean
  readonly scheduled: boolean
  readonly listen: boolean
  readonly brief: boolean
  readonly lookout: boolean
}

export const watchCommand: DefineCommand = (world, leave) =>
  new Command('watch')
    .description('look once what the remote offers, and signal an update if this computer should have it')
    .option('--dry-run', 'signal nothing, remember nothing', false)
    .option('--explain', 'what was offered, what was chosen, and why the others were not', false)
    .option('--json', 'the same as JSON, for programs', false)
    .option('--listen', 'stay, and look whenever somebody announces a new version over Redis', false)
    .option(
      '--scheduled',
      'as the timer polls: less often while the remote is out of reach, saying so once',
      false,
    )
    .addOption(
      new Option('--brief', 'as telec-poll.service polls: tell the lookout what was found').hideHelp(),
    )
    .addOption(
      new Option('--lookout', 'as telec-watch.service looks in system scope: without rights').hideHelp(),
    )
    .addHelpText(
      'after',
      `
Examples:
  telec-watch                       one poll, now
  telec-watch --explain --dry-run   what a poll would do, and why`,
    )
    .action(
      async ({ dryRun, explain, json, scheduled, brief = false, listen: isListener, lookout }: Options) => {
        if (lookout) return isListener ? leave(await listenAsLookout(world)) : lookOut(world)
        const paths = locate(world)
        if (isListener) return leave(await listen(world, ownListener(world, paths)))
        const config = await loadConfig(world, paths)
        const before = readSignal(paths)
        const polling = poll(world, config, paths, { dryRun, scheduled, brief })
        const decision = await polling.finally(() =>
          dryRun ? undefined : passOn(world, config, paths, before),
        )
        if (!dryRun) await keepParsed(world, paths, config)
        if (json) world.out(`${JSON.stringify(decision, null, 2)}\n`)
        else if (explain) world.out(explained(decision))
      },
    )

function ownListener(world: World, paths: Paths): Listener {
  return {
    async settings() {
      const { computer, deployment, redis } = await loadConfig(world, paths)
      return { computer, channel: deployment.channel, redis: redis ? accessTo(redis) : null }
    },
    position: paths.listen,
    poll: () => pollApart(world),
  }
}

/** It cannot read the configuration, and has root poll: so it comes to know what to listen to, too. */
async function listenAsLookout(world: World): Promise<number> {
  if (readBrief() === null) nudge(world)
  const deadline = world.monotonic() + POLL_TIMEOUT_MS
  while (readBrief() === null && world.monotonic() < deadline) await world.sleep(ASK_EVERY_MS)
  return listen(world, {
    async settings() {
      const brief = readBrief()
      if (brief) return brief.listen
      throw new TelecError('later', `${LOOKOUT.brief} does not say what to listen to`, {
        hint: 'polls write it; why they do not: systemctl status telec-poll.service',
      })
    },
    position: LOOKOUT.listen,
    poll: async () => nudge(world),
  })
}

const ASK_EVERY_MS = 500

/** In a program of its own, as the timer does: the listener stays small, and no fault of a poll ends it. */
async function pollApart(world: World): Promise<void> {
  const { node, path } = world.program
  const args = path.endsWith('telec-watch') ? [path] : [path, 'watch']
  const { stderr } = await world.run(node, args, { cwd: '/', env: world.env, timeoutMs: POLL_TIMEOUT_MS })
  for (const line of stderr.split('\n').filter(Boolean)) {
    const [, priority = '', text = line] = /^<(\d)>(.*)$/.exec(line) ?? []
    world.log[LEVELS[priority] ?? 'info'](text)
  }
}

/** Priorities of sd-daemon(3), by which a program under systemd marks its lines. */
const LEVELS: Readonly<Record<string, 'error' | 'warning' | 'notice' | 'debug'>> = {
  3: 'error',
  4: 'warning',
  5: 'notice',
  7: 'debug',
}

/** As the unit of the timer's polls has it. */
const POLL_TIMEOUT_MS = 6 * 60_000

const TITLES: Record<Decision['kind'], string> = {
  update: 'an update',
  current: 'nothing new',
  held: 'not yet',
  refused: 'refused',
}

/** The newest that were offered, a line each, and what came of them. */
function explained(decision: Decision): string {
  const chosen = decision.kind === 'update' ? decision.target.commit : null
  const line = ({ target, rule }: Considered) => {
    const mark = target.commit === chosen ? '→' : ' '
    return `${mark} ${nameOf(target)} at ${target.ref}${rule === null ? '' : ` ${rule}`}\n`
  }
  const malformed = decision.malformed.map((tag) => `  ${tag} is no version as semver.org writes it\n`)
  return [
    `${TITLES[decision.kind]}: ${decision.reason}\n`,
    ...decision.considered.map(line),
    ...malformed,
  ].join('')
}
