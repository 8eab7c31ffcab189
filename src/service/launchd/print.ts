import type { RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'
import { type ServiceState, UNKNOWN } from '../manager.ts'

// The output of launchctl(1) is "not API in any sense": telec reads only these lines.

/** `print`: there is no such job. No other exit code says so. */
export const NOT_LOADED = 113
/** `print`: there is no such domain now, for example without a login at the desktop. */
export const NO_DOMAIN = [112, 125]
/** Else it hangs. */
export const ANSWERS_WITHIN_MS = 30_000

export function printed(world: World, target: string, verb = 'print'): Promise<RunResult> {
  return tryCommand(world, ['launchctl', verb, target], ANSWERS_WITHIN_MS)
}

/** The default of ThrottleInterval. */
const THROTTLE_S = 10

/** `launchctl print-disabled` prints `"LABEL" => disabled`, or `true`. */
export function isDisabled(text: string, label: string): boolean {
  return text.split('\n').some((line) => {
    const [, name, state = ''] = /^\s*"(.+)" => (\w+)/.exec(line) ?? []
    return name === label && ['disabled', 'true'].includes(state)
  })
}

/** States before a job runs: xpcproxy becomes its program. */
const STARTING = ['spawn scheduled', 'spawning', 'xpcproxy']

/** The job's own lines have one indent: `NAME = VALUE`. */
export function linesOf(text: string): ReadonlyMap<string, string> {
  const own = [...text.matchAll(/^(?:\t| {4}| {8})(\w[\w ]*) = (.*)$/gm)]
  return new Map(own.toReversed().map(([, name = '', value = '']) => [name, value]))
}

/** `shortestRunMs` is the throttle: the least time between two starts. */
export function stateOf(text: string): ServiceState {
  const lines = linesOf(text)
  const pid = Number(lines.get('pid') ?? 0)
  const runs = lines.get('runs') ?? '0'
  const exit = /^\d+/.exec(lines.get('last exit code') ?? '')?.[0]
  const signal = lines.get('last terminating signal') // instead of the exit code
  const hasFailed = signal !== undefined || (exit !== undefined && exit !== '0')
  const isStarting = STARTING.includes(lines.get('state') ?? '')
  const lastExit = signal !== undefined ? `signal ${signal}` : exit !== undefined ? `exit code ${exit}` : null
  return {
    ...UNKNOWN,
    known: 'yes',
    activity: isStarting ? 'starting' : pid > 0 ? 'running' : hasFailed ? 'failed' : 'stopped',
    // launchd does not say when it started a job, but counts its runs.
    main: pid > 0 ? { pid, identity: `${pid}@${runs}`, uptimeMs: THROTTLE_S * 1000 } : null,
    lastExit: pid > 0 ? null : lastExit,
    shortestRunMs: runs === '0' ? 0 : Number(lines.get('minimum runtime') ?? THROTTLE_S) * 1000,
  }
}
