import { shortName } from '../channel/choices.ts'
import { nameOf } from '../channel/target.ts'
import { commandFor } from '../config/services.ts'
import { describeFailure } from '../service/failed-units.ts'
import { describeNewer } from '../state/newer.ts'
import type { Pause } from '../state/pause.ts'
import { CHANGED_HINT, describeChanged, isUnderWay, type Update } from '../state/update-state.ts'
import { needsRepair } from '../state/watch-state.ts'
import { localTime } from '../system/local-time.ts'
import { count } from '../system/plural.ts'
import type { AfterHalt } from './checkout.ts'
import type { Overview } from './collect.ts'
import { describeCommits, relative } from './text.ts'

const NEXT_LINE = `\n${' '.repeat(11)}`

type Ago = (time: string) => string

/** `telec status` for people. Pure. */
export function showOverview(overview: Overview, nowMs: number): string {
  const { deployed, last, changed, checkout, pause, window, halted, update } = overview
  const { pin } = overview.choices
  const ago: Ago = (time) => relative(Date.parse(time) - nowMs)
  const next = overview.next_poll_at
  const rows: [label: string, text: string | null | undefined][] = [
    ['computer', overview.computer],
    ['telec', describeTelec(overview.telec)],
    ['channel', `${overview.channel}: ${overview.follows}`],
    ['deployed', deployed ? `${nameOf(deployed)}, ${ago(deployed.at)}` : 'nothing is recorded yet'],
    ['updated', last && describeLast(last)],
    ['commits', describeCommits(overview.commits).join('\n') || null],
    ['stashed', (update ?? last)?.put_aside.join('\n') || null],
    [
      'checkout',
      checkout && [checkout.message, ...(checkout.hint ? [`what to do: ${checkout.hint}`] : [])].join('\n'),
    ],
    ['changed', changed.length > 0 ? `${describeChanged(changed)}\n${CHANGED_HINT}` : null],
    ['available', available(overview)],
    ['last poll', lastPoll(overview, ago)],
    ['next poll', next ? ago(next) : `never: no timer is active (${commandFor(overview, 'telec install')})`],
    ['failed', overview.failed_units.map(describeFailed).join('\n') || null],
    ['service', overview.units.map(describeUnit).join('\n') || null],
    ['pinned', pin && `to ${nameOf(pin)}, since ${ago(pin.since)}; to end it: telec unpin`],
    ['held', describeHeld(overview, ago)],
    ['paused', pause && `since ${ago(pause.since)}, ${endOfPause(pause)}`],
    ['window', window && describeWindow(window, ago)],
    halted
      ? ['halted', describeHalt(halted, update?.rollback ? 'rollback' : 'update', ago)]
      : update
        ? [overview.at_work ? 'updating' : 'stopped', describeUpdate(update, overview, ago)]
        : ['pending', describePending(overview, ago)],
  ]
  return rows
    .flatMap(([label, text]) => (text ? [`${label.padEnd(10)} ${text.replaceAll('\n', NEXT_LINE)}\n`] : []))
    .join('')
}

function describeTelec({ version, commit, newer }: Overview['telec']): string {
  return `${version} (${commit.slice(0, 12)})${newer ? `\n${describeNewer(newer)}` : ''}`
}

function available({ watch, deployed }: Overview): string {
  if (!watch?.outcome) return 'not known yet'
  if (watch.outcome === 'missing') return `nothing to follow: ${watch.reason}\nwhat to do: ${watch.hint}`
  // A rollback does not poll: the last poll compared with another deployed version.
  const isOld = deployed && watch.polled_at && deployed.at > watch.polled_at
  if (watch.outcome === 'current' && isOld) return 'not polled since the last update'
  if (watch.outcome === 'current' || !watch.target) return `nothing new: ${watch.reason}`
  if (watch.target.commit === deployed?.commit) return 'nothing new at the last poll'
  if (watch.outcome === 'held') return `not yet: ${watch.reason}`
  if (!watch.refusal) return nameOf(watch.target)
  const permit = { rewrite: '--accept-rewrite', downgrade: '--allow-downgrade' }[watch.refusal]
  return `${nameOf(watch.target)}, not taken: ${watch.reason}\nto take it: telec-update ${permit}`
}

function lastPoll({ watch, failed_units }: Overview, ago: Ago): string {
  const reached = watch?.polled_at ? ago(watch.polled_at) : 'never'
  if (watch && needsRepair(watch))
    return `${reached}; ${count(watch.failures, 'poll')} failed since then: ${watch.last_failure}\nwhat to do: ${watch.repair}`
  const [watcher] = failed_units.filter(({ unit }) => !unit.startsWith('telec-update'))
  if (watcher) return `${reached}; ${describeFailure(watcher)}`
  if (!watch || watch.failures === 0) return reached
  return `${reached}; ${count(watch.failures, 'poll')} since then did not reach the remote: ${watch.last_failure}`
}

function describeFailed(failure: Overview['failed_units'][number]): string {
  return [describeFailure(failure), ...failure.lines.map((line) => `  ${line}`)].join('\n')
}

export function endOfPause({ until }: Pause): string {
  return until === null ? 'until you run telec resume' : `until ${localTime(until)}; sooner: telec resume`
}

function describeWindow({ hours, opens_at }: NonNullable<Overview['window']>, ago: Ago): string {
  const state = opens_at === null ? 'it is open' : `it opens ${ago(opens_at)}; sooner: telec-update --now`
  return `${hours.join(', ')}: ${state}`
}

function describeHalt(halt: NonNullable<Overview['halted']>, what: string, ago: Ago): string {
  return [
    `at ${halt.step}, ${ago(halt.at)}, in the ${what} to ${nameOf(halt.target)}`,
    halt.error,
    ...(halt.because ? halt.because.split('\n').map((line) => `  ${line}`) : []),
    ...(halt.hint ? [`what to do: ${halt.hint}`] : []),
    ...describeLeft(halt.left),
    `then run: ${halt.go_on}`,
    halt.next_try_at
      ? `telec retries it automatically ${ago(halt.next_try_at)}`
      : what === 'rollback'
        ? 'telec does not retry it: it waits for you, or for a version newer than those that you roll back from'
        : 'telec does not retry it: it waits for a newer version',
  ].join('\n')
}

function describeHeld({ choices, rolled_back, update }: Overview, ago: Ago): string {
  const byRollback = rolled_back && [
    `${rolled_back.targets.map(nameOf).join(', ')}: rolled back ${ago(rolled_back.at)}`,
    `telec does not take it again until there is a newer target${update?.rollback ? '' : '; to take it: telec-update --retry'}`,
  ]
  const byUser = choices.held.map(
    (one) =>
      `${nameOf(one)}: never taken, since ${ago(one.since)}; to take it: telec unhold ${shortName(one)}`,
  )
  return [...(byRollback ?? []), ...byUser].join('\n')
}

function describeLeft({ checkout, service, starts, migrations }: AfterHalt): string[] {
  const head = checkout.commit?.slice(0, 12) ?? 'unknown'
  const place = {
    deployed: `at ${head}, which is deployed`,
    target: `at ${head}, the target`,
    'half-way': `half-way, from ${head}`,
    elsewhere: `at ${head}, neither deployed nor the target`,
  }[checkout.at]
  const restart = { yes: 'restarted', no: 'not restarted', asked: 'restart not confirmed' }
  const ran = migrations?.length === 0 ? 'none ran' : (migrations?.join(', ') ?? 'unknown')
  return [
    `checkout: ${place}`,
    `service: ${restart[service.restarted]}${service.note ? `: ${service.note}` : ''}${starts ? `; ${starts}` : ''}`,
    `migrations: ${ran}`,
  ]
}

/** The notes of the last update that users ask about: local changes, migrations, the service. */
function describeLast({ from, rollback, steps }: Update): string {
  const notes = steps.flatMap(({ name, note }) =>
    note && /^(verify|migrate|restart|confirm)$/.test(name) ? [`${name}: ${note}`] : [],
  )
  return [`${rollback ? 'rolled back ' : ''}from ${nameOf(from)}`, ...notes].join('\n')
}

function describeUnit({ name, activity, pid, manager }: Overview['units'][number]): string {
  return `${name} is ${activity}${pid ? `, pid ${pid}` : ''} (${manager})`
}

function describePending({ signal, held }: Overview, ago: Ago): string | null {
  if (signal === null) return null
  const what = `an update to ${nameOf(signal.target)}, detected ${ago(signal.detected_at)}`
  return held ? `${what}\n${held.reason}; now: telec-update --now` : what
}

function describeUpdate(update: Update, overview: Overview, ago: Ago): string {
  const { step, half_way, at_work, starts, next_poll_at } = overview
  const at = step === null ? '' : `, at ${step}`
  const polls = next_poll_at === null ? '' : `the next poll resumes it, ${ago(next_poll_at)}; `
  const skip = isUnderWay(update) ? '' : `; to skip this version: telec hold ${shortName(update.target)}`
  return [
    `${update.rollback ? 'back ' : ''}to ${nameOf(update.target)} since ${ago(update.started_at)}${at}`,
    ...(half_way ? ['the checkout is half-way; telec-update completes it'] : []),
    ...(starts ? [starts] : []),
    ...(at_work ? [] : [`nothing works on it; ${polls}now: telec-update${skip}`]),
  ].join('\n')
}
