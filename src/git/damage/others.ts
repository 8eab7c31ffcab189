import { lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { printableName } from '../../system/log.ts'
import { openOperation } from '../checkout.ts'
import { git } from '../git.ts'
import { gitsAtWork, locksOf } from '../locks.ts'
import { foldersOf } from '../names.ts'
import { type Damage, movesAway, type Patient } from './damage.ts'

// What others left: locks, a merge half-way, files that belong to them.

/** Locks; those of a git that is at work are its own. */
export async function lookAtLocks(patient: Patient): Promise<Damage[]> {
  const locks = locksOf(patient.repository)
  if (locks.length === 0 || (await gitsAtWork(patient.repository)).length > 0) return []
  const plan = `moves ${locks.length === 1 ? 'it' : 'them'} away: no git is at work there`
  return [{ what: `a git that is gone left ${locks.join(', ')}`, repair: movesAway(patient, plan, locks) }]
}

/** Work that a person began: it is theirs to finish. */
export async function lookAtStates({ repository }: Patient): Promise<Damage[]> {
  const { workTree } = repository
  const open = openOperation(repository)
  const hint = `finish it, or: git -C ${workTree} ${open?.leave}`
  if (open) return [{ what: `${open.what} is half-way in ${workTree}`, hint }]
  const unmerged = (await git(repository, ['ls-files', '--unmerged', '-z'])).split('\0').filter(Boolean)
  const paths = [...new Set(unmerged.map((line) => line.replace(/^[^\t]*\t/, '')))]
  if (paths.length === 0) return []
  return [
    {
      what: `${paths.length} file(s) are unmerged: ${someOf(paths)}`,
      hint: `resolve and commit them, or take what is committed: git -C ${workTree} checkout HEAD -- PATH`,
    },
  ]
}

function someOf(paths: readonly string[]): string {
  const named = paths.slice(0, 5).map(printableName)
  const more = paths.length > named.length ? [`and ${paths.length - named.length} more`] : []
  return [...named, ...more].join(', ')
}

/** What the owner of the checkout cannot replace: somebody ran git, or an install, with sudo. */
export async function lookAtOwners({ repository }: Patient): Promise<Damage[]> {
  const { workTree, commonDir, gitDir, world } = repository
  const uid = world.uid
  if (uid === 0) return []
  const tracked = (await git(repository, ['ls-files', '-z'])).split('\0').filter(Boolean)
  // Files are replaced where their folder is writable; a log is appended to.
  const own = [gitDir, commonDir].flatMap((folder) => [
    folder,
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory() || /\/logs(\/|$)/.test(entry.parentPath))
      .map((entry) => join(entry.parentPath, entry.name)),
  ])
  const places = new Set([...tracked.flatMap(foldersOf).map((folder) => join(workTree, folder)), ...own])
  const foreign = [...places].filter((path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    return stat !== undefined && stat.uid !== uid && (stat.mode & 0o022) === 0 // others than that share it on purpose
  })
  if (foreign.length === 0) return []
  const name = world.user()
  return [
    {
      what: `${foreign.length} folder(s) and file(s) of ${workTree} belong to others than ${name}`,
      because: someOf(foreign.map((path) => relative(workTree, path) || '.')),
      hint: `sudo chown -R ${name} ${workTree}`,
    },
  ]
}
