import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { withoutTokens } from '../service/environment.ts'
import { TelecError } from '../system/errors.ts'
import { inTemporaryFolder } from '../system/temporary.ts'
import type { World } from '../system/world.ts'
import { copyWhole } from './copy.ts'
import type { Migration } from './discover.ts'
import { hashOf, withMigration } from './run.ts'

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
  return inTemporaryFolder('verify', async (folder) => {
    const copies = { home: join(folder, 'home'), checkout: join(folder, 'checkout') }
    copyWhole(home, copies.home, folder)
    copyWhole(checkout, copies.checkout, folder)
    const verdicts: Verdict[] = []
    for (const migration of migrations) {
      const path = join(copies.checkout, relative(checkout, migration.path))
      verdicts.push(await verifyOne(world, copies, { ...migration, path }))
    }
    return verdicts
  })
}

async function verifyOne(
  world: World,
  copies: { readonly home: string; readonly checkout: string },
  migration: Migration,
): Promise<Verdict> {
  const { id } = migration
  const verdict = (fault: string | null, differences: readonly string[] = []) => ({ id, fault, differences })
  const surroundings = {
    ...copies,
    code: copies.checkout,
    env: withoutTokens(world.env),
    python: 'python3',
    from: null,
    to: migration.version,
  }
  try {
    hashOf(migration) // says it better than its runtime where the file cannot be read
    return await withMigration(world, surroundings, migration, async (call) => {
      await call('check')
      if (!(await call('migrate'))) return verdict('migrate() returned false')
      if (!(await call('check'))) return verdict('check() is false after migrate()')
      const before = contents(copies)
      if (!(await call('migrate'))) return verdict('migrate() returned false the second time')
      const differences = differing(before, contents(copies))
      if (!(await call('check'))) return verdict('check() is false after the second migrate()', differences)
      return verdict(differences.length > 0 ? 'the second migrate() changed something' : null, differences)
    })
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    return verdict([error.message, error.because].filter(Boolean).join('\n'))
  }
}

interface Entry {
  readonly kind: string
  /** The content of a file, where a link points. */
  readonly text: string
}

/** All that is below the copies, by its path there (`home/…`, `checkout/…`). */
function contents(copies: Readonly<Record<string, string>>): Map<string, Entry> {
  const found = new Map<string, Entry>()
  for (const [name, folder] of Object.entries(copies))
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const mode = (lstatSync(path).mode & 0o777).toString(8)
      found.set(join(name, path.slice(folder.length)), {
        kind: `${entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other'} ${mode}`,
        text: entry.isFile()
          ? readFileSync(path, 'latin1')
          : entry.isSymbolicLink()
            ? readlinkSync(path)
            : '',
      })
    }
  return found
}

/** One line per path, what it is now where that is something else, and the first line in which a text differs. */
function differing(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>): string[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort()
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)]
    if (old === undefined) return [`+ ${path}`]
    if (now === undefined) return [`- ${path}`]
    const kind = old.kind === now.kind ? [] : [`    ${old.kind}, then ${now.kind}`]
    const text = old.text === now.text ? [] : firstDifference(old.text.split('\n'), now.text.split('\n'))
    return kind.length + text.length > 0 ? [`~ ${path}`, ...kind, ...text] : []
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
