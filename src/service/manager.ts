/** The service, as its manager sees it. */
export interface ServiceState {
  readonly known: 'yes' | 'no' | 'masked' // masked: disabled for good
  /** `stopped`: on purpose, or after a clean exit. `starting`: also between two main processes. */
  readonly activity: 'running' | 'starting' | 'stopped' | 'failed'
  /** It is stopped although the manager would have restarted it: a user stopped it. */
  readonly isStoppedOnPurpose: boolean
  readonly main: {
    /** Null: the unit is active without a process, as a target or a oneshot that remains. */
    readonly pid: number | null
    /** Differs from run to run, also where the pid is the same. */
    readonly identity: string
    readonly uptimeMs: number
  } | null
  /** How the main process before this one ended; null: the manager does not say. */
  readonly lastExit: string | null
  /** A main process that ran for this long does not count towards the manager's start limit. */
  readonly shortestRunMs: number
}

/** Where the manager says nothing more. */
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
  /** The services that a target pulls in. */
  members(): Promise<readonly ServiceManager[]>
  /** Sends SIGTERM to the main process alone, which decides how it exits. */
  terminate(): Promise<void>
  start(): Promise<void>
  /** Stops and starts it, with SIGKILL where it must. */
  restart(): Promise<void>
}
