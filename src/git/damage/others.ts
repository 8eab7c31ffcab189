import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gitAt, shellWord } from '../../system/errors.ts'
import { lstat } from '../../system/files.ts'
import { printableName } from '../../system/log.ts'
import { count } from '../../system/plural.ts'
import { openOperation } from '../checkout.ts'
import { gitLines } from '../git.ts'
import { gitsAtWork, locksOf } from '../locks.ts'
import { foldersOf } from '../names.ts'
import { type CheckContext, type Damage, movesAway } from './damage.ts'

// Locks, unfinished operations and files of other users.

/** Locks, unless a git runs that may hold them. */
export async function checkLocks(context: CheckContext): Promise<Damage[]> {
  const locks = locksOf(context.repository)
  if (locks.length === 0 || (await gitsAtWork(context.repository)).length > 0) return []
  const plan = `moves ${locks.length === 1 ? 'it' : 'them'} away: no git runs there`
  return [{ what: `a killed git left ${locks.join(', ')}`, repair: movesAway(context, plan, locks) }]
}

/** A user has to finish what a user began. */
export async function checkOperations({ repository }: CheckContext): Promise<Damage[]> {
  const { workTree } = repository
  const open = openOperation(repository)
  const hint = `finish it, or: ${gitAt(workTree)} ${open?.abort}`
  if (open) return [{ what: `${open.name} is unfinished in ${workTree}`, hint }]
  const unmerged = await gitLines(repository, ['ls-files', '--unmerged', '-z'])
  const paths = [...new Set(unmerged.map((line) => line.replace(/^[^\t]*\t/, '')))]
  if (paths.length === 0) return []
  return [
    {
      what: `${count(paths.length, 'unmerged file')}: ${someOf(paths)}`,
      hint: `resolve and commit the conflicts, or restore the committed files: ${gitAt(workTree)} checkout HEAD -- PATH`,
    },
  ]
}

function someOf(paths: readonly string[]): string {
  const named = paths.slice(0, 5).map(printableName)
  const more = paths.length > named.length ? [`and ${paths.length - named.length} more`] : []
  return [...named, ...more].join(', ')
}

/** Files that the owner of the checkout cannot replace, most often after git or an install with sudo. */
export async function checkOwners({ repository }: CheckContext): Promise<Damage[]> {
  const { workTree, commonDir, gitDir, world } = repository
  const uid = world.uid
  if (uid === 0) return []
  const tracked = await gitLines(repository, ['ls-files', '-z'])
  // git replaces a file, which needs a writable folder; it appends to a log.
  const own = [gitDir, commonDir].flatMap((folder) => [
    folder,
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory() || /\/logs(\/|$)/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name)),
  ])
  const places = new Set([...tracked.flatMap(foldersOf).map((folder) => join(workTree, folder)), ...own])
  const foreign = [...places].filter((path) => {
    const stat = lstat(path)
    return stat !== undefined && stat.uid !== uid && (stat.mode & 0o022) === 0 // a writable one is shared on purpose
  })
  if (foreign.length === 0) return []
  const name = world.user()
  return [
    {
      what: `other users than ${name} own ${count(foreign.length, 'path')} of ${workTree}`,
      because: someOf(foreign.map((path) => relative(workTree, path) || '.')),
      hint: `sudo chown -R ${shellWord(name)} ${shellWord(workTree)}`,
    },
  ]
}
