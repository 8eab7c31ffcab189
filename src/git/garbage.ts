import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode, TelecError } from '../system/errors.ts'
import { explain } from './causes.ts'
import { git, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/** What people and stashes make here takes a whole block of the disk each; git's own gc.auto is 6,700. */
const MOST_LOOSE = 256
/** As git's gc.autoPackLimit. */
const MOST_PACKS = 50
/** Below it, packs that could share more are not worth the work. */
const LEAST_EXCESS_BYTES = 2 ** 19
/** A larger pack is not written anew. */
const BIG_PACK_BYTES = 256 * 2 ** 20
/** The next update waits no longer than that. */
const TIMEOUT_MS = 2 * 60_000

const BOUNDS = [
  'gc.auto=1', // whether it is due is known
  'gc.autoPackLimit=1',
  'gc.autoDetach=false', // it would outlive telec's lock
  'gc.cruftPacks=true', // else what is unreachable becomes loose files
  `gc.bigPackThreshold=${BIG_PACK_BYTES}`,
  'pack.threads=1', // the service goes on meanwhile
  'pack.windowMemory=100m',
].flatMap((setting) => ['-c', setting])

/**
 * Collects git's garbage where there is enough of it, by git's own rules of what is kept, unless a person turned that off.
 * Killed at any point it leaves nothing but temporary files.
 *
 * @returns whether it was done.
 */
export async function collectGarbage(repository: Repository): Promise<boolean> {
  if (!isCollectionDue(repository) || (await isTurnedOff(repository))) return false
  const timeoutMs = TIMEOUT_MS / 2
  const collect = async (command: readonly string[]) => {
    const result = await tryGit(repository, [...BOUNDS, ...command, '--quiet'], { timeoutMs })
    if (result.code === 0) return
    throw new TelecError('later', explain(result), { hint: `by hand: git -C ${repository.workTree} gc` })
  }
  // As git gc --auto does where there are many loose objects, of which it looks at one folder alone.
  if (countLoose(repository) > MOST_LOOSE) await collect(['repack', '-d', '-l'])
  if (isCollectionDue(repository)) await collect(['gc', '--auto'])
  return true
}

/** Without a git, since most updates find nothing to collect. */
export function isCollectionDue(repository: Repository): boolean {
  return countLoose(repository) > MOST_LOOSE || arePacksDue(repository)
}

/** By a sixteenth of them, which their names spread evenly. */
function countLoose({ commonDir }: Repository): number {
  const folders = Array.from({ length: 16 }, (_, index) => index.toString(16).padStart(2, '0'))
  const counts = folders.map((name) => namesIn(join(commonDir, 'objects', name)).length)
  return counts.reduce((sum, count) => sum + count, 0) * 16
}

/** Packs share no deltas: together those beside the largest may take half of what it takes. */
function arePacksDue({ commonDir }: Repository): boolean {
  const folder = join(commonDir, 'objects/pack')
  const names = new Set(namesIn(folder))
  const isMarked = (name: string, ...marks: readonly string[]) =>
    marks.some((mark) => names.has(name.replace(/pack$/, mark)))
  const packs = [...names].filter((name) => name.endsWith('.pack') && !isMarked(name, 'keep'))
  if (packs.length > MOST_PACKS) return true
  // Those of what is unreachable, or only promised, are never joined with the others.
  const joined = packs.filter((name) => !isMarked(name, 'mtimes', 'promisor'))
  const sizes = joined.map((name) => lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0)
  const [largest = 0, ...others] = sizes.sort((one, other) => other - one)
  const excess = others.filter((size) => size < BIG_PACK_BYTES).reduce((sum, size) => sum + size, 0)
  return excess > Math.max(largest / 2, LEAST_EXCESS_BYTES)
}

/** None where it is not there, or a git just took it away. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** By the checkout, the user or the computer: our own settings, which come last, do not count. */
async function isTurnedOff(repository: Repository): Promise<boolean> {
  const lines = (await git(repository, ['config', '--get-regexp', '^(gc|maintenance)\\.auto$'])).split('\n')
  const settingOf = (name: string) => lines.filter((line) => line.startsWith(`${name} `)).at(-2)
  const isOff = (line: string | undefined) => /^\S+ (0|false|no|off)$/i.test(line ?? '')
  return isOff(settingOf('gc.auto')) || isOff(settingOf('maintenance.auto'))
}
