import type { RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import { tryCommand } from '../commands.ts'
import { type ServiceState, UNKNOWN } from '../manager.ts'

// What launchctl(1) prints is "not API in any sense": of all its lines only these are relied on.

/** `print`: there is no such job. It is the one exit code that says so. */
export const NOT_LOADED = 113
/** `print`: there is no such domain now, such as that of a desktop where nobody is logged in. */
export const NO_DOMAIN = [112, 125]
/** launchctl answers at once, or hangs. */
export const ANSWERS_WITHIN_MS = 30_000

/** `launchctl print` of a job or a domain, or another verb that only asks. */
export function printed(world: World, target: string, verb = 'print'): Promise<RunResult> {
  return tryCommand(world, ['launchctl', verb, target], ANSWERS_WITHIN_MS)
}

/** A job's ThrottleInterval, where it has none of its own. */
const THROTTLE_S = 10

/** Whether a label is told never to start, as `launchctl print-disabled` lists them: `"LABEL" => disabled`, or `true`. */
export function isDisabled(text: string, label: string): boolean {
  return text.split('\n').some((line) => {
    const [, name, state = ''] = /^\s*"(.+)" => (\w+)/.exec(line) ?? []
    return name === label && ['disabled', 'true'].includes(state)
  })
}

/** States in which launchd is about to start a job, or does: xpcproxy is what becomes the program. */
const STARTING = ['spawn scheduled', 'spawning', 'xpcproxy']

/** The job's own lines, which are indented once: `NAME = VALUE`. */
export function linesOf(text: string): ReadonlyMap<string, string> {
  const own = [...text.matchAll(/^(?:\t| {4}| {8})(\w[\w ]*) = (.*)$/gm)]
  return new Map(own.toReversed().map(([, name = '', value = '']) => [name, value]))
}

/** How a job is. `shortestRunMs` is its throttle: launchd starts it no sooner after its last start. */
export function stateOf(text: string): ServiceState {
  const said = linesOf(text)
  const pid = Number(said.get('pid') ?? 0)
  const runs = said.get('runs') ?? '0'
  const exit = /^\d+/.exec(said.get('last exit code') ?? '')?.[0]
  const signal = said.get('last terminating signal') // in the place of the exit code
  const hasFailed = signal !== undefined || (exit !== undefined && exit !== '0')
  const isStarting = STARTING.includes(said.get('state') ?? '')
  const lastExit = signal !== undefined ? `signal ${signal}` : exit !== undefined ? `exit code ${exit}` : null
  return {
    ...UNKNOWN,
    known: 'yes',
    activity: isStarting ? 'starting' : pid > 0 ? 'running' : hasFailed ? 'failed' : 'stopped',
    // launchd does not say when it started a job: the count of its runs tells one run from the next.
    main: pid > 0 ? { pid, identity: `${pid}@${runs}`, uptimeMs: THROTTLE_S * 1000 } : null,
    lastExit: pid > 0 ? null : lastExit,
    shortestRunMs: runs === '0' ? 0 : Number(said.get('minimum runtime') ?? THROTTLE_S) * 1000,
  }
}
