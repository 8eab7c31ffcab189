import type { Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { type FailedUnit, failedUnits } from '../service/failed-units.ts'
import { readMigrationRecord } from '../state/migrations.ts'
import { readPause } from '../state/pause.ts'
import type { StatusSink } from '../state/status.ts'
import { readStatus, STATUSES } from '../state/status.ts'
import { readUpdateState, type Update } from '../state/update-state.ts'
import { readWatchState, type WatchState } from '../state/watch-state.ts'
import { writeDurably } from '../system/files.ts'
import { COMMIT, VERSION } from '../system/version.ts'

type Labels = Readonly<Record<string, string>>
/** A number, or one for each set of labels; null: no sample. */
type Samples = number | boolean | readonly (readonly [Labels, number | boolean])[] | null | undefined

/** The metrics in the text format of Prometheus (exposition_formats). */
export function renderMetrics(service: Service, failed: readonly FailedUnit[]): string {
  const { name } = service.paths
  return families(service, failed)
    .map((family) => renderFamily(family, name === null ? {} : { name }))
    .join('')
}

/** Writes the file for node_exporter's textfile collector, which asks for a rename. */
export async function writeMetrics(service: Service): Promise<void> {
  const { config } = service
  if (!config.metrics) return
  const text = renderMetrics(service, await failedUnits(service))
  await writeDurably(config.metrics, text, { mode: 0o644 }) // node_exporter runs as another user
}

/** Writes the metrics at every status, and after the last record. */
export function metricsSink(service: Service): StatusSink {
  const { world } = service
  let writing = Promise.resolve()
  const write = () => {
    writing = writing
      .then(() => writeMetrics(service))
      .catch((error: unknown) => {
        world.log.warning(`the metrics were not written: ${error instanceof Error ? error.message : error}`)
      })
    return writing
  }
  return { publish: () => void write(), close: write }
}

function families(
  { world, config, paths }: Service,
  failed: readonly FailedUnit[],
): [name: string, help: string, Samples][] {
  const state = readUpdateState(paths)
  const watch = readWatchState(paths)
  const status = readStatus(paths)
  const { deployed = null, halted = null, update = null, last = null } = state ?? {}
  const { computer, deployment } = config
  const runs = deployed && {
    computer,
    channel: deployment.channel,
    version: deployed.version ?? '',
    commit: deployed.commit,
  }
  const at = halted && {
    step: halted.step,
    commit: halted.target.commit,
    migration: halted.migration ?? '',
  }
  const statuses = STATUSES.map((name) => [{ status: name }, status?.status === name] as const)
  return [
    ['build_info', 'Which telec this is.', [[{ version: VERSION, commit: COMMIT }, true]]],
    ['deployed_info', 'What this computer runs, and which channel it follows.', runs ? [[runs, true]] : null],
    ['last_update_timestamp_seconds', 'When the last update succeeded.', seconds(deployed?.at)],
    ['last_poll_timestamp_seconds', 'When a poll last reached the remote.', seconds(watch?.polled_at)],
    ['poll_failures', 'Polls in a row that did not reach the remote.', watch?.failures],
    [
      'nothing_to_follow',
      'Whether the remote lacks the branch, or any release, that this computer follows.',
      watch?.outcome ? watch.outcome === 'missing' : null,
    ],
    ['behind', 'Whether an available version is not deployed yet.', isBehind(watch, deployed)],
    ['units_failed', "telec's own units whose last run failed.", failed.length],
    [
      'unit_failed_info',
      'Each failed unit, with its result.',
      failed.map(({ unit, result }) => [{ unit, result }, true] as const),
    ],
    ['status', '1 for the last status, 0 for the others.', status && statuses],
    ['halted', 'Whether an update halted.', state && halted !== null],
    ['halted_info', 'Where the update halted.', at && [[at, true]]],
    ['update_in_progress', 'Whether an update is under way.', state && update !== null && halted === null],
    ['paused', 'Whether updates are paused.', readPause(paths, world.now()) !== null],
    ['update_step_duration_seconds', 'How long each step of the last update took.', last && durations(last)],
    [
      'migrations_applied',
      'How many migrations are recorded as applied.',
      readMigrationRecord(paths).applied.size,
    ],
  ]
}

/** A version younger than `min_age` does not count; null: unknown. */
function isBehind(watch: WatchState | null, deployed: Target | null): boolean | null {
  if (!watch?.outcome || !deployed || watch.outcome === 'missing') return null
  return watch.outcome !== 'held' && watch.target !== null && watch.target.commit !== deployed.commit
}

function seconds(iso: string | null | undefined): number | null {
  return iso ? Date.parse(iso) / 1000 : null
}

function durations({ steps }: Update): [Labels, number][] {
  return steps.flatMap(({ name, began_at, ended_at }) =>
    ended_at === null
      ? []
      : [[{ step: name }, Math.max(0, Date.parse(ended_at) - Date.parse(began_at)) / 1000]],
  )
}

function renderFamily([name, help, samples]: [name: string, help: string, Samples], common: Labels): string {
  const given = samples ?? []
  const all = typeof given === 'object' ? given : [[{}, given] as const]
  if (all.length === 0) return ''
  const lines = all.map(([labels, value]) => {
    const pairs = Object.entries({ ...common, ...labels }).map(
      ([label, text]) => `${label}="${escapeLabel(text)}"`,
    )
    return `telec_${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${Number(value)}\n`
  })
  return `# HELP telec_${name} ${help}\n# TYPE telec_${name} gauge\n${lines.join('')}`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
