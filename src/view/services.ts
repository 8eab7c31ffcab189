import { nameOf } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { openService } from '../config/service.ts'
import { UNNAMED } from '../config/services.ts'
import { describeNewer } from '../state/newer.ts'
import { needsRepair, problemOf } from '../state/watch-state.ts'
import { type ErrorKind, TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { collectOverview, type Overview } from './collect.ts'
import { relative } from './show.ts'
import { cut, table } from './table.ts'

/** A service of which nothing more can be said: its configuration is wrong, or a file cannot be understood. */
interface Unreadable {
  readonly name: string | null
  readonly error: Readonly<{ kind: ErrorKind; message: string; because: string | null; hint: string | null }>
}

/** What is known of each service; one that cannot be read is no reason not to see the others. */
export async function collectServices(
  world: World,
  services: readonly Paths[],
): Promise<(Overview | Unreadable)[]> {
  return Promise.all(
    services.map(async (paths) => {
      try {
        return await collectOverview(await openService(world, paths))
      } catch (error) {
        if (!(error instanceof TelecError)) throw error
        const { kind, message, because = null, hint = null } = error
        return { name: paths.name, error: { kind, message, because, hint } }
      }
    }),
  )
}

/** `telec status` of several services for people: a row each, and a line for each that is not well. Pure. */
export function showServices(services: readonly (Overview | Unreadable)[], nowMs: number): string {
  const rows = services.map((one) => ({ name: one.name ?? UNNAMED, ...summarise(one) }))
  const cells = rows.map(({ name, channel, deployed, state, since }) =>
    [name, channel, deployed, state, since && relative(Date.parse(since) - nowMs)].map((cell) =>
      cut(cell ?? '-'),
    ),
  )
  const newer = services.flatMap((one) => ('error' in one ? [] : (one.telec.newer ?? []))).at(0)
  const details = [
    ...rows.flatMap(({ name, detail }) =>
      detail ? [`${name}: ${detail.replace(/\s+/g, ' ').slice(0, 300)} (telec status ${name})\n`] : [],
    ),
    ...(newer ? [`telec: ${describeNewer(newer)}\n`] : []),
  ]
  return `${table([HEADINGS, ...cells])}${details.length > 0 ? '\n' : ''}${details.join('')}`
}

const HEADINGS = ['NAME', 'CHANNEL', 'DEPLOYED', 'STATE', 'SINCE']

interface Summary {
  readonly channel: string | null
  readonly deployed: string | null
  readonly state: string
  /** ISO 8601. */
  readonly since: string | null
  /** What is not well. */
  readonly detail: string | null
}

function summarise(one: Overview | Unreadable): Summary {
  if ('error' in one) {
    const { message, because } = one.error
    const detail = because ? `${message}: ${because}` : message
    return { channel: null, deployed: null, state: 'unknown', since: null, detail }
  }
  const { channel, deployed } = one
  return { channel, deployed: deployed && nameOf(deployed), ...stateOf(one) }
}

/** The state that matters most. */
function stateOf(overview: Overview): Pick<Summary, 'state' | 'since' | 'detail'> {
  const {
    deployed,
    halted,
    update,
    service,
    next_poll_at,
    watch,
    pause,
    choices,
    signal,
    held,
    at_work,
    checkout,
  } = overview
  const state = (name: string, since: string | null, detail: string | null = null) => ({
    state: name,
    since,
    detail,
  })
  if (halted) return state('halted', halted.at, `halted at ${halted.step}: ${halted.error}`)
  if (update && at_work) return state('updating', update.started_at)
  if (update) return state('stopped', update.started_at, `the update to ${nameOf(update.target)} did not end`)
  if (checkout) return state('checkout', null, checkout.message)
  if (service && ['failed', 'stopped', 'unknown'].includes(service.activity))
    return state(`service ${service.activity}`, null, `${service.name} is ${service.activity}`)
  if (next_poll_at === null) return state('not polled', watch?.polled_at ?? null, 'no timer is active')
  const problem = problemOf(watch)
  if (watch && needsRepair(watch)) return state('polls fail', watch.polled_at, problem)
  if (watch && watch.failures > 0)
    return state('out of reach', watch.polled_at, `the remote is out of reach: ${watch.last_failure}`)
  if (watch?.outcome && problem !== null) return state(watch.outcome, watch.polled_at, problem)
  if (pause) return state('paused', pause.since)
  if (signal) return state('waiting', signal.detected_at, held?.reason ?? null)
  if (choices.pin) return state('pinned', choices.pin.since)
  return deployed ? state('up to date', deployed.at) : state('new', null)
}
