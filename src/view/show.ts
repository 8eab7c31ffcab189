import { nameOf } from '../channel/target.ts'
import type { Pause } from '../state/pause.ts'
import type { Signal } from '../state/signal.ts'
import type { Update } from '../state/update-state.ts'
import type { WatchState } from '../state/watch-state.ts'
import type { AfterHalt } from './after-halt.ts'
import type { Overview, WindowOverview } from './collect.ts'

/** `telec status` for people. Pure. */
export function showOverview(overview: Overview, nowMs: number): string {
  const { deployed, watch, update, halted, signal, service } = overview
  const ago = (time: string) => relative(Date.parse(time) - nowMs)
  const rows: [string, string][] = [
    ['computer', overview.computer],
    ['telec', `${overview.telec.version} (${overview.telec.commit.slice(0, 12)})`],
    ['channel', `${overview.channel}: ${overview.follows}`],
    ['deployed', deployed ? `${nameOf(deployed)}, ${ago(deployed.at)}` : 'nothing is recorded yet'],
    ...(overview.last ? [['updated', describeLast(overview.last)] as [string, string]] : []),
    ['offered', offered(overview)],
    ['last poll', lastPoll(watch, ago)],
    [
      'next poll',
      overview.next_poll_at ? ago(overview.next_poll_at) : 'never: no timer is active (telec install)',
    ],
  ]
  if (service)
    rows.push([
      'service',
      `${service.name} is ${service.activity}${service.pid ? `, pid ${service.pid}` : ''} (${service.manager})`,
    ])
  if (overview.rolled_back) rows.push(['held', describeRolledBack(overview.rolled_back, ago)])
  if (overview.pause) rows.push(['paused', describePause(overview.pause, ago)])
  if (overview.window) rows.push(['window', describeWindow(overview.window, ago)])
  if (halted) rows.push(['halted', describeHalt(halted, ago)])
  else if (update) rows.push(['updating', describeUpdate(update, overview.step, ago)])
  else if (signal) rows.push(['waiting', describeWaiting(signal, overview.held, ago)])
  return rows
    .map(([label, text]) => `${label.padEnd(10)} ${text.replaceAll('\n', `\n${' '.repeat(11)}`)}\n`)
    .join('')
}

function offered({ watch, deployed }: Overview): string {
  if (!watch?.outcome) return 'not known yet'
  if (watch.outcome === 'current' || !watch.target) return `nothing new: ${watch.reason}`
  if (watch.target.commit === deployed?.commit) return 'nothing new since then'
  if (watch.outcome === 'held') return `not yet: ${watch.reason}`
  if (!watch.refusal) return nameOf(watch.target)
  const permit = { rewrite: '--accept-rewrite', downgrade: '--allow-downgrade' }[watch.refusal]
  return `${nameOf(watch.target)}, not taken: ${watch.reason}\nto take it: telec-update ${permit}`
}

function lastPoll(watch: WatchState | null, ago: (time: string) => string): string {
  const reached = watch?.polled_at ? ago(watch.polled_at) : 'never'
  if (!watch || watch.failures === 0) return reached
  return `${reached}; ${watch.failures} since then did not reach the remote: ${watch.last_failure}`
}

function describePause({ since, until }: Pause, ago: (time: string) => string): string {
  const end = until === null ? 'until: telec resume' : `until ${until}; sooner: telec resume`
  return `since ${ago(since)}, ${end}`
}

function describeWindow({ hours, opens_at }: WindowOverview, ago: (time: string) => string): string {
  const state = opens_at === null ? 'it is open' : `it opens ${ago(opens_at)}; sooner: telec-update --now`
  return `${hours.join(', ')}: ${state}`
}

function describeHalt(halt: NonNullable<Overview['halted']>, ago: (time: string) => string): string {
  return [
    `at ${halt.step}, ${ago(halt.at)}, on the way to ${nameOf(halt.target)}`,
    halt.error,
    ...(halt.because ? halt.because.split('\n').map((line) => `  ${line}`) : []),
    ...(halt.hint ? [`what to do: ${halt.hint}`] : []),
    ...describeLeft(halt.left),
    `to go on: ${halt.go_on}`,
    halt.next_try_at
      ? `it is tried again by itself ${ago(halt.next_try_at)}`
      : 'it is not tried again by itself before there is a new version',
  ].join('\n')
}

function describeRolledBack(
  { targets, at }: NonNullable<Overview['rolled_back']>,
  ago: (time: string) => string,
): string {
  return [
    `${targets.map(nameOf).join(', ')}: rolled back from, ${ago(at)}`,
    'it is not taken again before there is another target; to take it: telec-update --retry',
  ].join('\n')
}

function describeLeft({ checkout, service, migrations }: AfterHalt): string[] {
  const head = checkout.commit?.slice(0, 12) ?? 'unknown'
  const place = {
    deployed: `at ${head}, which is deployed`,
    target: `at ${head}, the new one`,
    'half-way': `half-way, from ${head}`,
    elsewhere: `at ${head}, which is neither deployed nor the new one`,
  }[checkout.at]
  const restart = {
    yes: 'restarted',
    no: 'not restarted',
    asked: 'asked to restart, and not seen to come up',
  }
  const ran = migrations?.length === 0 ? 'none ran' : (migrations?.join(', ') ?? 'not known')
  return [
    `checkout: ${place}`,
    `service: ${restart[service.restarted]}${service.note ? `: ${service.note}` : ''}`,
    `migrations: ${ran}`,
  ]
}

/** What people ask of the update that led here: what became of local changes, and of the service. */
function describeLast({ from, rollback, steps }: Update): string {
  const told = steps.filter(
    ({ name, note }) => note && ['verify', 'migrate', 'restart', 'confirm'].includes(name),
  )
  return [
    `${rollback ? 'rolled back ' : ''}from ${nameOf(from)}`,
    ...told.map(({ name, note }) => `${name}: ${note}`),
  ].join('\n')
}

function describeWaiting(signal: Signal, held: Overview['held'], ago: (time: string) => string): string {
  const what = `an update to ${nameOf(signal.target)}, detected ${ago(signal.detected_at)}`
  return held ? `${what}\n${held.reason}; now: telec-update --now` : what
}

function describeUpdate(update: Update, step: string | null, ago: (time: string) => string): string {
  const at = step === null ? '' : `, at ${step}`
  return `${update.rollback ? 'back ' : ''}to ${nameOf(update.target)} since ${ago(update.started_at)}${at}`
}

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
] as const

/** A stretch of time from now, in milliseconds (the past is negative): `3 min ago`, `in 40 s`. */
export function relative(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const [unit, size] = UNITS.find(([, least]) => seconds >= 2 * least) ?? ['s', 1]
  const amount = `${Math.round(seconds / size)} ${unit}`
  return ms < 0 ? `${amount} ago` : `in ${amount}`
}
