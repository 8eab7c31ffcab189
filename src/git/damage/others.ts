import { lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { printableName } from '../../system/log.ts'
import { openOperation } from '../checkout.ts'
import { git } from '../git.ts'
import { filesBelow } from '../leftovers.ts'
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
  if (open)
    return [
      {
        what: `${open.what} is half-way in ${workTree}`,
        hint: `finish it, or: git -C ${workTree} ${open.leave}`,
      },
    ]
  const unmerged = (await git(repository, ['ls-files', '--unmerged', '-z'])).split('\0').filter(Boolean)
  const paths = [...new Set(unmerged.map((line) => line.replace(/^[^\t]*\t/, '')))]
  if (paths.length === 0) return []
  return [
    {
      what: `${paths.length} file(s) are unmerged: ${paths.slice(0, NAMED).map(printableName).join(', ')}`,
      hint: `resolve and commit them, or take what is committed: git -C ${workTree} checkout HEAD -- PATH`,
    },
  ]
}

/** So many are named. */
const NAMED = 5

/** What the owner of the checkout cannot replace: somebody ran git, or an install, with sudo. */
export async function lookAtOwners({ repository }: Patient): Promise<Damage[]> {
  const { workTree, commonDir, gitDir, world, owner } = repository
  const uid = owner?.uid ?? world.uid
  if (uid === 0) return []
  const tracked = (await git(repository, ['ls-files', '-z'])).split('\0').filter(Boolean)
  const places = [
    ...[...new Set(tracked.flatMap(foldersOf))].map((folder) => join(workTree, folder)),
    ...[...new Set([gitDir, commonDir])].flatMap((folder) => [folder, ...foldersBelow(folder)]),
    ...filesBelow(join(gitDir, 'logs'), /./),
    ...['HEAD', 'index'].map((name) => join(gitDir, name)),
    join(commonDir, 'config'),
  ]
  const foreign = places.filter((path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    return stat !== undefined && stat.uid !== uid && (stat.mode & 0o022) === 0 // others than that share it on purpose
  })
  if (foreign.length === 0) return []
  const names = foreign.slice(0, NAMED).map((path) => printableName(relative(workTree, path) || '.'))
  const more = foreign.length > names.length ? `, and ${foreign.length - names.length} more` : ''
  const name = owner?.name ?? world.user()
  return [
    {
      what: `${foreign.length} folder(s) and file(s) of ${workTree} belong to others than ${name}`,
      because: `${names.join(', ')}${more}`,
      hint: `sudo chown -R ${name} ${workTree}`,
    },
  ]
}

function foldersBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
}
