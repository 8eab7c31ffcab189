import type { Decision } from '../channel/decide.ts'
import type { Service } from '../config/service.ts'
import { windowOpensAt } from '../config/weekly-hours.ts'
import { readPause } from '../state/pause.ts'
import { readRedisState } from '../state/redis.ts'
import { readSignal } from '../state/signal.ts'
import { isUnderWayTo, readUpdateState, rollbackUnderWay } from '../state/update-state.ts'
import { isDue } from '../update/retry.ts'

/** Whether a signal waits that telec-update would act on: one whose target is halted is let lie until it is due. */
export function isUpdateDue({ world, config, paths }: Service): boolean {
  const pending = readSignal(paths)
  if (pending?.channel !== config.deployment.channel) return false // another channel's is replaced by a poll
  const state = readUpdateState(paths)
  const { halted = null, update = null } = state ?? {}
  const isHeldBack = !state || !rollbackUnderWay(state)
  if (isHeldBack && readPause(paths, world.now()) !== null) return false
  if (!isUnderWayTo(update, pending.target.commit) && windowOpensAt(config, world.now()) !== null)
    return false
  return halted?.target.commit !== pending.target.commit || isDue(halted, world.now(), config.computer)
}

/** Even where nothing seems to change. */
const LONGEST_MS = 60 * 60_000
/** While something waits for a person, or for its time. */
const WAITING_MS = 15 * 60_000
/** Where others read that this computer is alive. */
const CONTACT_MS = 5 * 60_000

/** When to poll although the remote says the same, in milliseconds since 1970; now, where something is to be woken. */
export function nextPollDue(service: Service, decision: Decision): number {
  const { world, config, paths } = service
  const now = world.now()
  if (isUpdateDue(service) || (config.redis && readRedisState(paths).failures > 0)) return now
  const { halted } = readUpdateState(paths) ?? {}
  const times = [
    halted?.next_try_at,
    readPause(paths, now)?.until,
    windowOpensAt(config, now)?.toISOString(),
    ...decision.considered.map(({ until }) => until),
  ].flatMap((time) => (time ? [Date.parse(time)] : []))
  return Math.min(
    now + (decision.kind === 'current' ? LONGEST_MS : WAITING_MS),
    ...(config.redis || config.metrics ? [now + CONTACT_MS] : []),
    ...times.filter((time) => time > now),
  )
}
