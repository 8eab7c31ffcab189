import { join } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import type { Account } from '../system/account.ts'
import type { ManagerCommand } from './commands.ts'

/** Everything that an installation is, as data: printed by `--print`, carried out by `install`. */
export interface InstallPlan {
  readonly manager: 'systemd' | 'launchd'
  readonly scope: Scope
  /** As in `UnitValues`. */
  readonly owner: Account | null
  readonly files: readonly PlannedFile[]
  /** Made before the units are started, for the owner where there is one; systemd makes them by itself. */
  readonly folders: readonly string[]
  /** All of them succeed where it is installed and at work. */
  readonly probes: readonly ManagerCommand[]
  /** Run before files are written and `stale` ones removed. One that fails had nothing to undo. */
  before(stale: readonly string[]): readonly ManagerCommand[]
  /** Run after the files are in place. */
  readonly start: readonly ManagerCommand[]
}

/** How an installation is taken away: what is run before its files are removed, and after. */
export type RemovalPlan = Readonly<Record<'stop' | 'forget', readonly ManagerCommand[]>>

export type PlannedFile = Readonly<Record<'path' | 'text', string>>

/** What the units are made from; all paths are absolute. */
export interface UnitValues extends Service {
  readonly scope: Scope
  readonly node: string
  /** The folder that holds the bundles. */
  readonly bin: string
  readonly environment: Readonly<Record<string, string>>
  /** The owner of the checkout, as whom telec runs in system scope; null: the user whose manager it is. */
  readonly owner: Account | null
}

/** Units, by the names of their files in a folder. */
export type Units = Readonly<Record<string, string>>

export function inFolder(folder: string, units: Units): PlannedFile[] {
  return Object.entries(units).map(([name, text]) => ({ path: join(folder, name), text }))
}

/** Puts the values in the place of the template's `@NAME@`s; one that has no value is a bug. */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`a unit template asks for @${name}@, which has no value`)
    return value
  })
}
