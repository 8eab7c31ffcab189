import { nameOf } from '../channel/target.ts'
import type { Paths } from '../config/paths.ts'
import { openService } from '../config/service.ts'
import { UNNAMED } from '../config/services.ts'
import { describeNewer } from '../state/newer.ts'
import { needsRepair, problemOf } from '../state/watch-state.ts'
import { type ErrorKind, foreseen } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { collectOverview, type Overview } from './collect.ts'
import { cut, relative, table } from './text.ts'

/** A service whose configuration is invalid, or with a broken state file. */
interface Unreadable {
  readonly name: string | null
  readonly error: Readonly<{ kind: ErrorKind; message: string; because: string | null; hint: string | null }>
}

/** An unreadable service does not hide the others. */
export async function collectServices(
  world: World,
  services: readonly Paths[],
): Promise<(Overview | Unreadable)[]> {
  return Promise.all(
    services.map(async (paths) => {
      try {
        return await collectOverview(await openService(world, paths))
      } catch (error) {
        const { kind, message, because = null, hint = null } = foreseen(error)
        return { name: paths.name, error: { kind, message, because, hint } }
      }
    }),
  )
}

/** `telec status` of several services for people: a row each, and a line for each problem. Pure. */
export function showServices(services: readonly (Overview | Unreadable)[], nowMs: number): string {
  const rows: string[][] = [['NAME', 'CHANNEL', 'DEPLOYED', 'STATE', 'SINCE']]
  const problems: string[] = []
  for (const one of services) {
    const name = one.name ?? UNNAMED
    const { channel = null, deployed = null } = 'error' in one ? {} : one
    const [state, since, problem] = 'error' in one ? unreadable(one) : stateOf(one)
    const ago = since && relative(Date.parse(since) - nowMs)
    rows.push([name, channel, deployed && nameOf(deployed), state, ago].map(cut))
    if (problem)
      problems.push(`${name}: ${problem.replace(/\s+/g, ' ').slice(0, 300)} (telec status ${name})\n`)
  }
  const newer = services.flatMap((one) => ('error' in one ? [] : (one.telec.newer ?? []))).at(0)
  if (newer) problems.push(`telec: ${describeNewer(newer)}\n`)
  return [table(rows), problems.length > 0 ? '\n' : '', ...problems].join('')
}

type State = readonly [state: string, since?: string | null | undefined, problem?: string | null | undefined]

function unreadable({ error: { message, because } }: Unreadable): State {
  return ['unknown', null, because ? `${message}: ${because}` : message]
}

/** The state that matters most. */
function stateOf(overview: Overview): State {
  const { deployed, halted, update, service, watch, pause, choices, signal, checkout } = overview
  if (halted) return ['halted', halted.at, `halted at ${halted.step}: ${halted.error}`]
  if (update && overview.at_work) return ['updating', update.started_at]
  if (update) return ['stopped', update.started_at, `the update to ${nameOf(update.target)} did not end`]
  if (checkout) return ['checkout', null, checkout.message]
  if (service && ['failed', 'stopped', 'unknown'].includes(service.activity))
    return [`service ${service.activity}`, null, `${service.name} is ${service.activity}`]
  if (overview.next_poll_at === null) return ['not polled', watch?.polled_at, 'no timer is active']
  const problem = problemOf(watch)
  if (watch && needsRepair(watch)) return ['polls fail', watch.polled_at, problem]
  if (watch && watch.failures > 0)
    return ['out of reach', watch.polled_at, `the remote is out of reach: ${watch.last_failure}`]
  if (watch?.outcome && problem !== null) return [watch.outcome, watch.polled_at, problem]
  if (pause) return ['paused', pause.since]
  if (signal) return ['pending', signal.detected_at, overview.held?.reason]
  if (choices.pin) return ['pinned', choices.pin.since]
  return deployed ? ['up to date', deployed.at] : ['new']
}
