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
import { renderMetrics } from '../../view/metrics.ts'
import { describeCommits } from '../../view/text.ts'
import { JSON_OPTION, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

// Commands that only read files.

export const versionCommand: DefineCommand = (world) =>
  serviceCommand('version', 'print the version of telec, and the channel')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec version --json | jq -r .telec.version')
    .action(async (_, { json }: { json: boolean }) => {
      // Works without a configuration, or with an invalid one.
      const channel = (await orNull(() => loadConfig(world, locate(world))))?.deployment.channel ?? null
      const text = `telec ${VERSION} (${COMMIT})${channel === null ? '' : `, channel ${channel}`}\n`
      world.out(json ? { telec: { version: VERSION, commit: COMMIT }, channel } : text)
    })

export const historyCommand: DefineCommand = (world) =>
  serviceCommand('history', 'list the last 50 updates: versions, commits, seconds of each step, result')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExamples:\n  telec history\n  telec history --json | jq ".[-1].seconds"')
    .action(async (_, { json }: { json: boolean }) => {
      const entries = await withCommits(world, readHistory(locate(world)))
      const text = entries.toReversed().map(describe).join('')
      world.out(json ? entries : text || 'no update yet\n')
    })

/** Adds the commits of each update; null without a configuration or a checkout. */
async function withCommits(world: World, entries: readonly HistoryEntry[]): Promise<Described[]> {
  const repository = await orNull(async () => {
    const { deployment } = await loadConfig(world, locate(world))
    return locateRepository(world, deployment.checkout)
  })
  const described: Described[] = []
  for (const entry of entries) {
    const { from, target } = entry
    const commits =
      repository && (await orNull(() => subjectsBetween(repository, from.commit, target.commit)))
    described.push({ ...entry, commits })
  }
  return described
}

type Described = HistoryEntry & { readonly commits: Subjects | null }

function describe(entry: Described): string {
  const { from, target, attempts, rollback, pinned, halted } = entry
  const done = rollback ? 'rolled back' : pinned ? 'updated, as pinned' : 'updated'
  const end =
    halted === null
      ? done
      : `${rollback ? 'rollback ' : ''}halted at ${halted.step}: ${halted.error.split('\n', 1)[0]}`
  const tries = attempts > 1 ? `, attempt ${attempts}` : ''
  const steps = Object.entries(entry.seconds).map(([step, amount]) => `${step} ${amount.toFixed(1)} s`)
  const durations = steps.length > 0 ? `    ${steps.join(', ')}\n` : ''
  const stashed = entry.put_aside.map((what) => `    stashed: ${what}\n`).join('')
  const subjects = describeCommits(entry.commits).map((subject) => `    ${subject}\n`)
  return `${localTime(entry.ended_at)}  ${nameOf(from)} → ${nameOf(target)}: ${end}${tries}\n${subjects.join('')}${durations}${stashed}`
}

export const metricsCommand: DefineCommand = (world) =>
  serviceCommand('metrics', 'print metrics for Prometheus')
    .addHelpText(
      'after',
      `
For the textfile collector of node_exporter set metrics: /var/lib/node_exporter/telec.prom in the configuration: each poll and
each status writes the file.

Example:
  telec metrics | promtool check metrics`,
    )
    .action(async () => {
      const service = await openService(world)
      world.out(renderMetrics(service, await failedUnits(service)))
    })

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']

/** By the name that the shell looks for. */
const FILES = { bash: 'PROGRAM.bash', zsh: '_PROGRAM', fish: 'PROGRAM.fish' }

export const completionCommand: DefineCommand = (world) =>
  new Command('completion')
    .description('print the completion of commands and options for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(FILES)))
    .addHelpText(
      'after',
      `
Examples, for the shell's start-up file:
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
    because: 'the npm package and the archive of a release have completions beside the programs',
    hint: `install telec with npm, or copy completions from the archive to ${dirname(program.path)}`,
  })
}
