import type { Scope } from '../config/paths.ts'

/** How an installation is taken away; it takes no configuration to know that. */
export interface RemovalPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  /** Run in this order before the files are removed. */
  readonly stop: readonly PlannedCommand[]
  /** Run after the files were removed. */
  readonly forget: readonly PlannedCommand[]
}

/** Everything that an installation is, as data: printed by `--print`, carried out by `install`. */
export interface InstallPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  readonly files: readonly PlannedFile[]
  /** All of them succeed where it is installed and at work. */
  readonly probes: readonly PlannedCommand[]
  /** Run in this order before; one that fails had nothing to undo. */
  readonly before: readonly PlannedCommand[]
  /** Run in this order after the files are in place. */
  readonly start: readonly PlannedCommand[]
}

export interface PlannedCommand {
  readonly argv: readonly string[]
  /** It fails where there is nothing to do. */
  readonly mayFail?: boolean
  /** After these exit codes it is run again for some seconds. */
  readonly againAfter?: readonly number[]
}

export interface PlannedFile {
  readonly path: string
  readonly text: string
}

/** What the units say about this computer; all paths are absolute. */
export interface UnitValues {
  /** The supervised service's name; null where telec only keeps a checkout up to date. */
  readonly service: string | null
  readonly node: string
  /** The folder that holds the bundles. */
  readonly bin: string
  /** telec's home. */
  readonly home: string
  /** The configuration's file. */
  readonly config: string
  /** The signal file, which starts an update when it changes. */
  readonly signal: string
  /** The computer's name, by which its polls differ from those of others. */
  readonly computer: string
  readonly environment: Readonly<Record<string, string>>
  readonly pollMs: number
  /** Whether git is run as another user, whose checkout it is. */
  readonly actsForOwner: boolean
  /** Whether there is a Redis to listen to. */
  readonly listens: boolean
}
