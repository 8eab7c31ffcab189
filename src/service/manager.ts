/** What a service manager says of the service. */
export interface ServiceState {
  readonly known: 'yes' | 'no' | 'masked' // masked: told never to start
  /** `stopped`: on purpose, or it ended by itself with a clean exit. `starting`: between two main processes, too. */
  readonly activity: 'running' | 'starting' | 'stopped' | 'failed'
  /** It is stopped although the manager would have started it again: somebody told it to stop. */
  readonly isStoppedOnPurpose: boolean
  readonly main: {
    /** Null where it is a unit that is active without a process: a target, a oneshot that remains. */
    readonly pid: number | null
    /** Tells this run from every other, also from a later one with the same pid. */
    readonly identity: string
    readonly uptimeMs: number
  } | null
  /** How the main process before this one ended, where the manager still says so. */
  readonly lastExit: string | null
  /** How long a main process has to run so that ending it now does not count towards the manager's start limit. */
  readonly shortestRunMs: number
}

/** Of a manager that says nothing more. */
export const UNKNOWN: ServiceState = {
  known: 'no',
  activity: 'stopped',
  isStoppedOnPurpose: false,
  main: null,
  lastExit: null,
  shortestRunMs: 0,
}

/** What telec needs of a service manager: systemd, launchd, or `telec run`. */
export interface ServiceManager {
  readonly name: 'systemd' | 'launchd' | 'telec run'
  readonly service: string
  inspect(): Promise<ServiceState>
  /** The services that it pulls in: of a target, which does nothing itself. */
  members(): Promise<readonly ServiceManager[]>
  /** Sends SIGTERM to the main process alone: how it exits is its own decision. */
  askToLeave(): Promise<void>
  start(): Promise<void>
  /** Stops and starts it, by force if need be. */
  restart(): Promise<void>
}

/** A unit or job of telec's own whose last run failed, as the manager says it. */
export interface FailedUnit {
  readonly unit: string
  /** `exit code 127`, or what else ended it. */
  readonly result: string
  /** The end of its log; empty where that cannot be read. */
  readonly lines: readonly string[]
}

export function describeFailure({ unit, result }: FailedUnit): string {
  return `${unit} fails: ${result}`
}
