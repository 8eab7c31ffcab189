import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import type { Account } from '../system/account.ts'
import type { ManagerCommand } from './commands.ts'

/** An installation as data: `--print` prints it, `install` does it. */
export interface InstallPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  /** As in `UnitValues`. */
  readonly owner: Account | null
  readonly files: readonly PlannedFile[]
  /** To make before the start, for the owner where there is one; systemd makes them itself. */
  readonly folders: readonly string[]
  /** All succeed where it is installed and started. */
  readonly probes: readonly ManagerCommand[]
  /** To run before files are written and `stale` ones removed. */
  before(stale: readonly string[]): readonly ManagerCommand[]
  /** To run after that. */
  readonly start: readonly ManagerCommand[]
}

/** What to run before the files of an installation are removed, and after. */
export type RemovalPlan = Readonly<Record<'stop' | 'forget', readonly ManagerCommand[]>>

export type PlannedFile = Readonly<Record<'path' | 'text', string>>

/** The content of the units; all paths are absolute. */
export interface UnitValues extends Service {
  readonly scope: Scope
  readonly node: string
  /** The folder that holds the bundles. */
  readonly bin: string
  readonly environment: Readonly<Record<string, string>>
  /** In system scope telec runs as the owner of the checkout; null: as the user of the manager. */
  readonly owner: Account | null
}

/** Replaces the `@NAME@`s of a template. */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`@${name}@ of a unit template has no value`)
    return value
  })
}
