import { join } from 'node:path'
import { gitAt, TelecError } from '../system/errors.ts'
import { listFolder, lstat } from '../system/files.ts'
import { explain } from './causes.ts'
import { gitLines, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/** Each loose object, of commits and stashes made here, takes a whole block of the disk; git's own gc.auto is 6,700. */
const MOST_LOOSE = 256
/** The default of git's gc.autoPackLimit. */
const MOST_PACKS = 50
/** A smaller gain is not worth a repack. */
const LEAST_EXCESS_BYTES = 2 ** 19
/** git does not rewrite larger packs. */
const BIG_PACK_BYTES = 256 * 2 ** 20
/** The next update may have to wait for it. */
const TIMEOUT_MS = 2 * 60_000

const BOUNDS = [
  'gc.auto=1', // telec has decided already
  'gc.autoPackLimit=1',
  'gc.autoDetach=false', // it would outlive telec's lock
  'gc.cruftPacks=true', // else unreachable objects become loose files
  `gc.bigPackThreshold=${BIG_PACK_BYTES}`,
  'pack.threads=1', // the service needs the other cores
  'pack.windowMemory=100m',
].flatMap((setting) => ['-c', setting])

/**
 * Collects git's garbage where there is enough of it, by git's own rules, unless a setting turns that off. A kill leaves
 * only temporary files. Returns whether it collected.
 */
export async function collectGarbage(repository: Repository): Promise<boolean> {
  if (!hasGarbage(repository) || (await isTurnedOff(repository))) return false
  const timeoutMs = TIMEOUT_MS / 2
  const collect = async (command: readonly string[]) => {
    const result = await tryGit(repository, [...BOUNDS, ...command, '--quiet'], { timeoutMs })
    if (result.code === 0) return
    throw new TelecError('later', explain(result), {
      hint: `run it by hand: ${gitAt(repository.workTree)} gc`,
    })
  }
  // git gc --auto does the same for many loose objects, but counts only those of one folder.
  if (countLoose(repository) > MOST_LOOSE) await collect(['repack', '-d', '-l'])
  if (hasGarbage(repository)) await collect(['gc', '--auto'])
  return true
}

/** Whether there is enough garbage to collect. Without a git: most updates find too little. */
export function hasGarbage(repository: Repository): boolean {
  return countLoose(repository) > MOST_LOOSE || haveExcess(repository)
}

/** An estimate by 16 of the 256 folders: hashes spread evenly. */
function countLoose({ commonDir }: Repository): number {
  const folders = Array.from({ length: 16 }, (_, index) => index.toString(16).padStart(2, '0'))
  const counts = folders.map((name) => listFolder(join(commonDir, 'objects', name)).length)
  return counts.reduce((sum, count) => sum + count, 0) * 16
}

/** Whether packs are too many, or all but the largest too large: packs share no deltas. */
function haveExcess({ commonDir }: Repository): boolean {
  const folder = join(commonDir, 'objects/pack')
  const names = new Set(listFolder(folder))
  const isMarked = (name: string, ...marks: readonly string[]) =>
    marks.some((mark) => names.has(name.replace(/pack$/, mark)))
  const packs = [...names].filter((name) => name.endsWith('.pack') && !isMarked(name, 'keep'))
  if (packs.length > MOST_PACKS) return true
  // git never joins the packs of unreachable or promised objects with others.
  const joined = packs.filter((name) => !isMarked(name, 'mtimes', 'promisor'))
  const sizes = joined.map((name) => lstat(join(folder, name))?.size ?? 0)
  const [largest = 0, ...others] = sizes.sort((one, other) => other - one)
  const excess = others.filter((size) => size < BIG_PACK_BYTES).reduce((sum, size) => sum + size, 0)
  return excess > Math.max(largest / 2, LEAST_EXCESS_BYTES)
}

/** By a setting of the checkout, the user or the computer; the last one is telec's own. */
async function isTurnedOff(repository: Repository): Promise<boolean> {
  const lines = await gitLines(repository, ['config', '--get-regexp', '^(gc|maintenance)\\.auto$'])
  const settingOf = (name: string) => lines.filter((line) => line.startsWith(`${name} `)).at(-2)
  const isOff = (line: string | undefined) => /^\S+ (0|false|no|off)$/i.test(line ?? '')
  return isOff(settingOf('gc.auto')) || isOff(settingOf('maintenance.auto'))
}
