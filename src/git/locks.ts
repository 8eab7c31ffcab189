import { realpathSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { processesAtWork } from '../system/at-work.ts'
import { lstat } from '../system/files.ts'
import { filesBelow, removeFiles } from './checkout-files.ts'
import type { Repository } from './repository.ts'

/** Some file systems round times to two seconds. */
const COARSE_MS = 2_000

/** Removes stale locks, unless a git runs that may hold them. Returns whether none is left. The caller must hold telec's lock. */
export async function removeStaleLocks(repository: Repository, sinceMs: number | null): Promise<boolean> {
  const stale = staleLocks(repository, sinceMs)
  if (stale.length === 0) return true
  if ((await gitsAtWork(repository)).length > 0) return false
  removeFiles(repository, stale)
  const names = stale.map((path) => relative(repository.commonDir, path))
  repository.world.log.notice(`removed stale locks: ${names.join(', ')}`)
  return true
}

/**
 * Locks from before the boot, or from after the start of a telec that was killed (`sinceMs`). A clock that is set at boot can
 * make the lock of a running git look older than the boot.
 */
function staleLocks(repository: Repository, sinceMs: number | null): string[] {
  const bootMs = repository.world.bootedAt()
  return locksOf(repository).filter((path) => {
    const madeMs = lstat(path)?.mtimeMs
    if (madeMs === undefined) return false
    return madeMs < bootMs - COARSE_MS || (sinceMs !== null && madeMs >= sinceMs - COARSE_MS)
  })
}

/** The locks that an update needs itself. */
export function locksInTheWay({ gitDir }: Repository): string[] {
  return filesBelow(gitDir, /^(index|HEAD)\.lock$/, false)
}

/** Descriptions of the running gits that may hold a lock. Some that only read run for days. */
export async function gitsAtWork({ world, workTree, gitDir, commonDir }: Repository): Promise<string[]> {
  const folders = [...new Set([workTree, gitDir, commonDir].flatMap((path) => [path, realpathSync(path)]))]
  const mayLock = (name: string, args: readonly string[]) =>
    /^git(-(?!remote).*)?$/.test(basename(name)) && !args.some((arg) => READS.test(arg))
  const found = await processesAtWork(world, mayLock, folders)
  return found.map(({ pid, name, user }) => `${name}, pid ${pid}, of ${user}`)
}

const READS = /^(cat-file|fsmonitor--daemon|log|ls-remote)$/

/** Every lock that a killed git may leave (gitrepository-layout(5)), and packed-refs.new, which stops other gits too. */
export function locksOf({ gitDir, commonDir }: Repository): string[] {
  const below = (...folders: readonly string[]) =>
    folders.flatMap((folder) => filesBelow(join(commonDir, folder), /\.lock$/))
  return [
    ...filesBelow(gitDir, /^(index|telec-stash-index|[A-Z_]*HEAD|config\.worktree)\.lock$/, false),
    ...filesBelow(join(gitDir, 'info'), /\.lock$/, false),
    ...filesBelow(commonDir, /^((config|packed-refs|shallow|gc\.pid)\.lock|packed-refs\.new)$/, false),
    ...filesBelow(join(commonDir, 'objects'), /\.lock$/, false),
    ...below('refs', 'logs', 'modules', 'objects/info', 'objects/pack'),
  ]
}
