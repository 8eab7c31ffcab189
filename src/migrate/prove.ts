import * as fs from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { withoutTokens } from '../service/environment.ts'
import { foreseen, shellWord, TelecError } from '../system/errors.ts'
import { isWithin } from '../system/places.ts'
import { inTemporaryFolder } from '../system/temporary.ts'
import type { World } from '../system/world.ts'
import type { Migration } from './discover.ts'
import { hashOf, variablesOf, withMigration } from './run.ts'

export interface Verdict {
  readonly id: string
  /** Null: it is idempotent. */
  readonly fault: string | null
  /** The paths that the second `migrate()` changed, added or removed. */
  readonly differences: readonly string[]
}

/**
 * Proves that migrations are idempotent, on a temporary copy of `home` (as TELEC_HOME) and of the checkout: check, migrate,
 * check is true, migrate again, check is true and not a byte differs.
 */
export async function verifyMigrations(
  world: World,
  home: string,
  checkout: string,
  migrations: readonly Migration[],
): Promise<Verdict[]> {
  return inTemporaryFolder('verify', async (folder) => {
    const copies = { home: join(folder, 'home'), checkout: join(folder, 'checkout') }
    copyFolderTo(home, copies.home, folder)
    copyFolderTo(checkout, copies.checkout, folder)
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
  const { home, checkout } = copies
  const variables = variablesOf(home, checkout, { from: null, to: migration.version })
  const env = { ...withoutTokens(world.env), ...variables }
  const surroundings = { world, checkout, code: checkout, env, python: 'python3' }
  try {
    hashOf(migration) // where the file is unreadable, its error is clearer than the runtime's
    return await withMigration(surroundings, migration, async (call) => {
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
    const { message, because } = foreseen(error)
    return verdict([message, because].filter(Boolean).join('\n'))
  }
}

interface Entry {
  readonly kind: string
  /** The content of a file, or the target of a link. */
  readonly text: string
}

/** The entries of the copies by their paths (`home/…`, `checkout/…`). */
function contents(copies: Readonly<Record<string, string>>): Map<string, Entry> {
  const found = new Map<string, Entry>()
  for (const [name, folder] of Object.entries(copies))
    for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const mode = (fs.lstatSync(path).mode & 0o777).toString(8)
      found.set(join(name, path.slice(folder.length)), {
        kind: `${entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other'} ${mode}`,
        text: entry.isFile()
          ? fs.readFileSync(path, 'latin1')
          : entry.isSymbolicLink()
            ? fs.readlinkSync(path)
            : '',
      })
    }
  return found
}

/** For each path that differs: its name, a changed kind or mode, and the first line that differs. */
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

/**
 * Copies a folder so that no change to the copy reaches the original: a link out of it becomes a copy of its target, one
 * within it leads to the copy. Skips repositories (large, and not for migrations), sockets, pipes, dead links out of it,
 * and `except`.
 */
function copyFolderTo(from: string, to: string, except: string): void {
  try {
    if (!fs.statSync(from, { throwIfNoEntry: false })?.isDirectory())
      throw new TelecError('usage', `there is no folder ${from}`, {
        hint: `check the path: ls -l ${shellWord(dirname(from))}`,
      })
    const root = fs.realpathSync(from)
    copyFolder({ root, to, except: fs.realpathSync(except) }, root, to, [])
  } catch (error) {
    if (error instanceof TelecError) throw error
    throw new TelecError('halted', `cannot copy ${from}`, {
      because: (error as Error).message,
      hint: `check who may read it, and the free space: ls -l ${shellWord(from)}; df -h ${shellWord(dirname(to))}`,
      cause: error,
    })
  }
}

interface Copying {
  readonly root: string
  readonly to: string
  readonly except: string
}

/** @param above the folders outside the root through which links have led here. */
function copyFolder(copying: Copying, from: string, to: string, above: readonly string[]): void {
  fs.mkdirSync(to)
  fs.chmodSync(to, fs.lstatSync(from).mode | 0o700) // telec writes into the copy, and removes it
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const path = join(from, entry.name)
    if (entry.name !== '.git' && path !== copying.except)
      copyEntry(copying, entry, path, join(to, entry.name), above)
  }
}

function copyEntry(
  copying: Copying,
  entry: Pick<fs.Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>,
  path: string,
  to: string,
  above: readonly string[],
): void {
  if (entry.isFile()) fs.copyFileSync(path, to)
  else if (entry.isDirectory()) copyFolder(copying, path, to, above)
  else if (entry.isSymbolicLink()) copyLink(copying, path, to, above)
}

function copyLink(copying: Copying, path: string, to: string, above: readonly string[]): void {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  const target = stat ? fs.realpathSync(path) : resolve(dirname(path), fs.readlinkSync(path))
  if (isWithin(target, copying.root)) {
    const inCopy = join(copying.to, relative(copying.root, target))
    fs.symlinkSync(relative(dirname(to), inCopy) || '.', to)
    return
  }
  if (!stat) return
  if ([copying.root, ...above].some((folder) => isWithin(folder, target)))
    throw new TelecError('halted', `${path} links to a folder that contains it`, {
      because: target,
      hint: 'remove the link: verify copies the targets of links',
    })
  copyEntry(copying, stat, target, to, stat.isDirectory() ? [...above, target] : above)
}
