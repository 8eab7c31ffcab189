import { dirname, join } from 'node:path'
import { Argument, Command } from 'commander'
import { nameOf } from '../../channel/target.ts'
import { loadConfig, openService } from '../../config/service.ts'
import { locate } from '../../config/services.ts'
import { type Subjects, subjectsBetween } from '../../git/checkout.ts'
import { locateRepository } from '../../git/repository.ts'
import { failedUnits } from '../../service/failed-units.ts'
import { type HistoryEntry, readHistory } from '../../state/history.ts'
import { orNull, TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import { localTime } from '../../system/local-time.ts'
import { COMMIT, VERSION } from '../../system/version.ts'
import type { World } from '../../system/world.ts'
import { describeCommits } from '../../view/commits.ts'
import { renderMetrics } from '../../view/metrics.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

// Commands that print what there is already, and look at nothing but files.

export const versionCommand: DefineCommand = (world) =>
  new Command('version')
    .addArgument(serviceArgument())
    .description('which telec this is, and which channel this computer follows')
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExample:\n  telec version --json | jq -r .telec.version')
    .action(async (_, { json }: { json: boolean }) => {
      // The version is asked for most where there is no configuration, or none that can be understood.
      const channel = (await orNull(() => loadConfig(world, locate(world))))?.deployment.channel ?? null
      const text = `telec ${VERSION} (${COMMIT})${channel === null ? '' : `, channel ${channel}`}\n`
      world.out(json ? { telec: { version: VERSION, commit: COMMIT }, channel } : text)
    })

export const historyCommand: DefineCommand = (world) =>
  new Command('history')
    .addArgument(serviceArgument())
    .description(
      'the last 50 updates of this computer: from, to, what came, when, how long each step took, how each ended',
    )
    .option('--json', 'as JSON, for programs', false)
    .addHelpText('after', '\nExamples:\n  telec history\n  telec history --json | jq ".[-1].seconds"')
    .action(async (_, { json }: { json: boolean }) => {
      const entries = await withCommits(world, readHistory(locate(world)))
      const text = entries.toReversed().map(lines).join('')
      world.out(json ? entries : text || 'no update yet\n')
    })

/** What each update brought; nothing where there is no configuration, or no checkout, that says it. */
async function withCommits(world: World, entries: readonly HistoryEntry[]): Promise<Told[]> {
  const repository = await orNull(async () => {
    const { deployment } = await loadConfig(world, locate(world))
    return locateRepository(world, deployment.checkout)
  })
  const told: Told[] = []
  for (const entry of entries) {
    const { from, target } = entry
    const commits =
      repository && (await orNull(() => subjectsBetween(repository, from.commit, target.commit)))
    told.push({ ...entry, commits })
  }
  return told
}

type Told = HistoryEntry & { readonly commits: Subjects | null }

/** An update, the newest of which comes first. */
function lines({
  from,
  target,
  ended_at,
  attempts,
  rollback,
  pinned,
  seconds,
  put_aside,
  halted,
  commits,
}: Told): string {
  const done = rollback ? 'rolled back' : pinned ? 'updated, as pinned' : 'updated'
  const end =
    halted === null
      ? done
      : `${rollback ? 'rollback ' : ''}halted at ${halted.step}: ${halted.error.split('\n', 1)[0]}`
  const tries = attempts > 1 ? `, attempt ${attempts}` : ''
  const steps = Object.entries(seconds).map(([step, amount]) => `${step} ${amount.toFixed(1)} s`)
  const durations = steps.length > 0 ? `    ${steps.join(', ')}\n` : ''
  const aside = put_aside.map((what) => `    put aside: ${what}\n`).join('')
  const subjects = describeCommits(commits)
    .map((subject) => `    ${subject}\n`)
    .join('')
  return `${localTime(ended_at)}  ${nameOf(from)} → ${nameOf(target)}: ${end}${tries}\n${subjects}${durations}${aside}`
}

export const metricsCommand: DefineCommand = (world) =>
  new Command('metrics')
    .addArgument(serviceArgument())
    .description('what this computer knows of itself, for Prometheus')
    .addHelpText(
      'after',
      `
With metrics: /var/lib/node_exporter/telec.prom in the configuration it is written there at every poll and status, for the
textfile collector of node_exporter.

Example:
  telec metrics | promtool check metrics`,
    )
    .action(async () => {
      const service = await openService(world)
      world.out(renderMetrics(service, await failedUnits(service)))
    })

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']

/** A program's file in the package, under the name by which the shell looks for it. */
const FILES = { bash: 'PROGRAM.bash', zsh: '_PROGRAM', fish: 'PROGRAM.fish' }

export const completionCommand: DefineCommand = (world) =>
  new Command('completion')
    .description('print what makes a shell complete the commands and options of telec')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(FILES)))
    .addHelpText(
      'after',
      `
Examples, each for a shell's start-up file:
  source <(telec completion bash)
  source <(telec completion zsh)      # after compinit
  telec completion fish | source`,
    )
    .action((shell: keyof typeof FILES) => {
      const names = PROGRAMS.map((program) => FILES[shell].replace('PROGRAM', program))
      world.out(names.map((name) => completionFile(world, name)).join('\n'))
    })

function completionFile({ program }: World, name: string): string {
  const path = join(dirname(program.path), 'completions', name)
  const text = readText(path)
  if (text !== null) return text
  throw new TelecError('halted', `${path} is missing`, {
    because: 'completions are part of the npm package and of the archive of a release, beside the programs',
    hint: `install telec with npm, or copy completions from the archive to ${dirname(program.path)}`,
  })
}
