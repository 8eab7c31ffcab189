import type { Service } from '../config/service.ts'
import { readMigrationRecord } from '../state/migrations.ts'
import { readPause } from '../state/pause.ts'
import type { StatusSink } from '../state/status.ts'
import { readStatus, STATUSES } from '../state/status.ts'
import { readUpdateState, type Update } from '../state/update-state.ts'
import { readLastLook } from '../state/watch-state.ts'
import { writeDurably } from '../system/files.ts'
import { COMMIT, VERSION } from '../system/version.ts'

/** node_exporter runs as another user. */
const FILE_MODE = 0o644

interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

interface Family {
  readonly name: string
  readonly help: string
  readonly samples: readonly Sample[]
}

/** What this computer knows of itself, in the text format of Prometheus (exposition_formats). */
export function renderMetrics(service: Service): string {
  return families(service)
    .filter(({ samples }) => samples.length > 0)
    .map(renderFamily)
    .join('')
}

/** Writes them where node_exporter's textfile collector looks; in place by rename, as that one asks for. */
export async function writeMetrics(service: Service): Promise<void> {
  const { config } = service
  if (config.metrics) await writeDurably(config.metrics, renderMetrics(service), { mode: FILE_MODE })
}

/** Writes the metrics at every status, and once more when all is recorded. */
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

function families({ world, config, paths }: Service): Family[] {
  const state = readUpdateState(paths)
  const watch = readLastLook(paths, world.now())
  const status = readStatus(paths)
  const { deployed, halted = null, update = null, last = null } = state ?? {}
  const flag = (is: boolean) => [{ value: is ? 1 : 0 }]
  return [
    {
      name: 'telec_build_info',
      help: 'Which telec this is.',
      samples: [{ labels: { version: VERSION, commit: COMMIT }, value: 1 }],
    },
    {
      name: 'telec_deployed_info',
      help: 'What this computer runs, and which channel it follows.',
      samples: deployed
        ? [
            {
              labels: {
                computer: config.computer,
                channel: config.deployment.channel,
                version: deployed.version ?? '',
                commit: deployed.commit,
              },
              value: 1,
            },
          ]
        : [],
    },
    {
      name: 'telec_last_update_timestamp_seconds',
      help: 'When the last update ended well.',
      samples: deployed ? [time(deployed.at)] : [],
    },
    {
      name: 'telec_last_poll_timestamp_seconds',
      help: 'When a poll last reached the remote.',
      samples: watch?.polled_at ? [time(watch.polled_at)] : [],
    },
    {
      name: 'telec_poll_failures',
      help: 'Polls in a row that did not reach the remote.',
      samples: watch ? [{ value: watch.failures }] : [],
    },
    {
      name: 'telec_status',
      help: 'The last status: 1 for the one that it is.',
      samples: status
        ? STATUSES.map((name) => ({ labels: { status: name }, value: status.status === name ? 1 : 0 }))
        : [],
    },
    {
      name: 'telec_halted',
      help: 'Whether an update has halted.',
      samples: state ? flag(halted !== null) : [],
    },
    {
      name: 'telec_halted_info',
      help: 'Where it halted, while it is.',
      samples: halted
        ? [
            {
              labels: { step: halted.step, commit: halted.target.commit, migration: halted.migration ?? '' },
              value: 1,
            },
          ]
        : [],
    },
    {
      name: 'telec_update_in_progress',
      help: 'Whether an update is under way.',
      samples: state ? flag(update !== null && halted === null) : [],
    },
    {
      name: 'telec_paused',
      help: 'Whether updates are paused.',
      samples: flag(readPause(paths, world.now()) !== null),
    },
    {
      name: 'telec_update_step_duration_seconds',
      help: 'How long each step of the last update took.',
      samples: last ? durations(last) : [],
    },
    {
      name: 'telec_migrations_applied',
      help: 'How many migrations are recorded as applied.',
      samples: [{ value: readMigrationRecord(paths).applied.size }],
    },
  ]
}

function time(iso: string): Sample {
  return { value: Date.parse(iso) / 1000 }
}

function durations({ steps }: Update): Sample[] {
  return steps.flatMap(({ name, began_at, ended_at }) =>
    ended_at === null
      ? []
      : [{ labels: { step: name }, value: Math.max(0, Date.parse(ended_at) - Date.parse(began_at)) / 1000 }],
  )
}

function renderFamily({ name, help, samples }: Family): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`)
    return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
