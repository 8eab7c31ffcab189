import type { World } from '../system/world.ts'
import { launchctl, tryLaunchctl } from './launchctl.ts'
import type { ServiceManager, ServiceState } from './manager.ts'

/** launchd starts a job at most once in its ThrottleInterval, 10 s by default, counted from the last start. */
const THROTTLE_MS = 10_000

export function launchdManager(world: World, label: string, scope: 'user' | 'system'): ServiceManager {
  const job = `${scope === 'system' ? 'system' : `gui/${world.uid}`}/${label}`
  return {
    name: 'launchd',
    service: label,
    async inspect() {
      const printed = await tryLaunchctl(world, ['print', job])
      return printed.code === 0 ? stateOf(printed.stdout) : { ...ABSENT }
    },
    async askToLeave() {
      await launchctl(world, ['kill', 'SIGTERM', job])
    },
    async start() {
      await launchctl(world, ['kickstart', job])
    },
    async restart() {
      await launchctl(world, ['kickstart', '-k', job])
    },
  }
}

const ABSENT: ServiceState = {
  known: 'no',
  activity: 'stopped',
  isStoppedOnPurpose: false,
  main: null,
  lastExit: null,
  shortestRunMs: 0,
}

/** Reads what `launchctl print` says. It is "not API in any sense": of all its lines only these are relied on. */
export function stateOf(printed: string): ServiceState {
  const pid = Number(/^\tpid = (\d+)$/m.exec(printed)?.[1] ?? 0)
  const runs = /^\truns = (\d+)$/m.exec(printed)?.[1] ?? '0'
  const exit = /^\tlast exit code = (\d+)/m.exec(printed)?.[1]
  return {
    known: 'yes',
    activity: pid > 0 ? 'running' : exit === undefined || exit === '0' ? 'stopped' : 'failed',
    isStoppedOnPurpose: false,
    // launchd does not say when it started a job: the count of its runs tells one run from the next.
    main: pid > 0 ? { pid, identity: `${pid}@${runs}`, uptimeMs: THROTTLE_MS } : null,
    lastExit: pid > 0 || exit === undefined ? null : `exit code ${exit}`,
    shortestRunMs: 0, // the throttle delays a start, it never refuses one
  }
}
