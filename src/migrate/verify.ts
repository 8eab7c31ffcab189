import { cpSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import type { Migration } from './discover.ts'
import { migrationCaller } from './run.ts'

export interface Verdict {
  readonly id: string
  /** Null: it is idempotent. */
  readonly fault: string | null
  /** Paths of the copy that the second `migrate()` changed, added or removed. */
  readonly differences: readonly string[]
}

/**
 * Proves that migrations are idempotent, on a throw-away copy of `home` (as TELEC_HOME) and of the checkout: check,
 * migrate, check is true, migrate again, check is true and not a byte differs.
 */
export async function verifyMigrations(
  world: World,
  home: string,
  checkout: string,
  migrations: readonly Migration[],
): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), 'telec-verify-'))
  try {
    const copies = { home: join(folder, 'home'), checkout: join(folder, 'checkout') }
    cpSync(home, copies.home, { recursive: true, verbatimSymlinks: true, filter: isCopied })
    cpSync(checkout, copies.checkout, { recursive: true, verbatimSymlinks: true, filter: isCopied })
    const verdicts: Verdict[] = []
    for (const migration of migrations) {
      const path = migration.path.replace(checkout, copies.checkout)
      verdicts.push(await verifyOne(world, copies, { ...migration, path }))
    }
    return verdicts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The repository itself is none of a migration's business, and large. */
function isCopied(path: string): boolean {
  return !/\/\.git$/.test(path)
}

async function verifyOne(
  world: World,
  copies: { readonly home: string; readonly checkout: string },
  migration: Migration,
): Promise<Verdict> {
  const caller = migrationCaller(world, { ...copies, from: null, to: migration.version })
  const verdict = (fault: string | null, differences: readonly string[] = []): Verdict => ({
    id: migration.id,
    fault,
    differences,
  })
  try {
    await caller.call(migration, 'check')
    if (!(await caller.call(migration, 'migrate'))) return verdict('migrate() returned false')
    if (!(await caller.call(migration, 'check'))) return verdict('check() is false after migrate()')
    const before = contents(copies)
    if (!(await caller.call(migration, 'migrate'))) return verdict('migrate() returned false the second time')
    const differences = differing(before, contents(copies))
    if (!(await caller.call(migration, 'check')))
      return verdict('check() is false after the second migrate()', differences)
    return verdict(differences.length > 0 ? 'the second migrate() changed something' : null, differences)
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    return verdict([error.message, error.because].filter(Boolean).join('\n'))
  } finally {
    await caller.close()
  }
}

/** Every file below the copies, by its path there (`home/…`, `checkout/…`), with its content. */
function contents(copies: Readonly<Record<string, string>>): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, folder] of Object.entries(copies))
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const shown = join(name, path.slice(folder.length))
      if (entry.isFile()) found.set(shown, readFileSync(path, 'latin1'))
      else if (entry.isSymbolicLink()) found.set(shown, readlinkSync(path))
    }
  return found
}

/** One line per path, and the first line in which a text differs. */
function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)]
    if (old === now) return []
    if (old === undefined) return [`+ ${path}`]
    if (now === undefined) return [`- ${path}`]
    return [`~ ${path}`, ...firstDifference(old.split('\n'), now.split('\n'))]
  })
}

function firstDifference(old: readonly string[], now: readonly string[]): string[] {
  const index = now.findIndex((line, at) => line !== old[at])
  const at = index === -1 ? now.length : index
  return [
    `    line ${at + 1}: - ${(old[at] ?? '').slice(0, 200)}`,
    `    line ${at + 1}: + ${(now[at] ?? '').slice(0, 200)}`,
  ]
}
