import { Command } from 'commander'
import type { Considered, Decision } from '../../channel/decide.ts'
import { nameOf } from '../../channel/target.ts'
import { keepParsed, loadConfig } from '../../config/load.ts'
import { locate } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import { readSignal } from '../../update/signal.ts'
import { listen } from '../../watch/listen.ts'
import { passOn } from '../../watch/pass-on.ts'
import { poll } from '../../watch/poll.ts'
import type { DefineCommand } from '../main.ts'

interface Options {
  readonly dryRun: boolean
  readonly explain: boolean
  readonly json: boolean
  readonly scheduled: boolean
  readonly listen: boolean
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
    .addHelpText(
      'after',
      `
Examples:
  telec-watch                       one poll, now
  telec-watch --explain --dry-run   what a poll would do, and why`,
    )
    .action(async ({ dryRun, explain, json, scheduled, listen: isListener }: Options) => {
      const paths = locate(world)
      const config = await loadConfig(world, paths)
      if (isListener) return leave(await listen(world, config, paths, { poll: () => pollApart(world) }))
      const before = readSignal(paths)
      const polling = poll(world, config, paths, { dryRun, scheduled })
      const decision = await polling.finally(() =>
        dryRun ? undefined : passOn(world, config, paths, before),
      )
      if (!dryRun) await keepParsed(world, paths, config)
      if (json) world.out(`${JSON.stringify(decision, null, 2)}\n`)
      else if (explain) world.out(explained(decision))
    })

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
