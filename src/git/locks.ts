import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { processesAtWork } from '../system/at-work.ts'
import { filesBelow, removeFiles } from './leftovers.ts'
import type { Repository } from './repository.ts'

/** File systems note times in steps of up to two seconds. */
const COARSE_MS = 2_000

/**
 * Removes the locks that belong to nobody: see `staleLocks`. Only for the holder of telec's own lock.
 *
 * @returns whether none is left; a git at work may hold them.
 */
export async function removeStaleLocks(repository: Repository, sinceMs: number | null): Promise<boolean> {
  const stale = staleLocks(repository, sinceMs)
  if (stale.length === 0) return true
  if ((await gitsAtWork(repository)).length > 0) return false
  removeFiles(repository, stale)
  const names = stale.map((path) => relative(repository.commonDir, path))
  repository.world.log.notice(`removed ${names.join(', ')}: left by a git that is gone`)
  return true
}

/**
 * Locks that are older than the boot, or were made since a program of telec's began which was killed: where no git is at
 * work they belong to nobody. A clock that is set at boot can make one of a running git look older than the boot.
 */
function staleLocks(repository: Repository, sinceMs: number | null): string[] {
  const bootMs = repository.world.bootedAt()
  return locksOf(repository).filter((path) => {
    const madeMs = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs
    if (madeMs === undefined) return false
    return madeMs < bootMs - COARSE_MS || (sinceMs !== null && madeMs >= sinceMs - COARSE_MS)
  })
}

/** The locks of a git that is at work where an update moves HEAD and files. */
export function locksInTheWay({ gitDir }: Repository): string[] {
  return plainFiles(gitDir, /^(index|HEAD)\.lock$/)
}

/** The gits that could hold a lock; in words. Those that only read, some of them for days, do not. */
export async function gitsAtWork({ world, workTree, gitDir, commonDir }: Repository): Promise<string[]> {
  const folders = [...new Set([workTree, gitDir, commonDir].flatMap((path) => [path, realpathSync(path)]))]
  const isMeant = (name: string, args: readonly string[]) =>
    /^git(-(?!remote).*)?$/.test(basename(name)) && !args.some((arg) => READS.test(arg))
  const found = await processesAtWork(world, isMeant, folders)
  return found.map(({ pid, name, user }) => `${name}, pid ${pid}, of ${user}`)
}

const READS = /^(cat-file|fsmonitor--daemon|log|ls-remote)$/

/** Every lock that git leaves when it is killed (gitrepository-layout(5)), and packed-refs.new, which is as much in the way. */
export function locksOf({ gitDir, commonDir }: Repository): string[] {
  const below = (...folders: readonly string[]) =>
    folders.flatMap((folder) => filesBelow(join(commonDir, folder), /\.lock$/))
  return [
    ...plainFiles(gitDir, /^(index|telec-stash-index|[A-Z_]*HEAD|config\.worktree)\.lock$/),
    ...plainFiles(join(gitDir, 'info'), /\.lock$/),
    ...plainFiles(commonDir, /^((config|packed-refs|shallow|gc\.pid)\.lock|packed-refs\.new)$/),
    ...plainFiles(join(commonDir, 'objects'), /\.lock$/),
    ...below('refs', 'logs', 'modules', 'objects/info', 'objects/pack'),
  ]
}

function plainFiles(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(folder, entry.name))
}
