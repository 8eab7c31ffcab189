import { type Stats, statSync } from 'node:fs'
import { TelecError } from './errors.ts'
import { readText } from './files.ts'
import type { World } from './world.ts'

/** Less than for the places that count: no other disk holds up an update for longer. */
const ALL_TIMEOUT_MS = 60_000
const PLACES_TIMEOUT_MS = 5 * 60_000

/**
 * Makes the function that writes to the disks what programs have written (syncfs(2)): to those of `places`, and to every
 * other disk of this computer. A network disk is only asked where a place is on it, as a dead one never answers. Where
 * another disk fails, or takes longer than a minute, a warning says so once, and only `places` count from then on.
 *
 * The function throws `later` where the disks of `places` fail.
 */
export function createSync(world: World, places: readonly string[]): () => Promise<void> {
  const named = places.join(', ')
  let isNarrow = false
  return async () => {
    const needed = onePerDisk(world, places)
    const all = isNarrow ? needed : onePerDisk(world, [...places, '/', ...localMounts()])
    if (all.length > needed.length) {
      const fault = await sync(world, all, ALL_TIMEOUT_MS)
      if (fault === null) return
      isNarrow = true
      world.log.warning(`not every disk was written, and telec goes on with that of ${named}: ${fault}`)
    }
    await syncPlaces(world, places, needed)
  }
}

/** Writes the disks of these places (syncfs(2)), of which `paths` are one each. Throws `later` where they fail. */
export async function syncPlaces(world: World, places: readonly string[], paths = places): Promise<void> {
  const fault = await sync(world, paths, PLACES_TIMEOUT_MS)
  if (fault === null) return
  throw new TelecError('later', `the disk of ${places.join(', ')} was not written`, {
    because: fault,
    hint: `look for errors of the disk: dmesg; df -h ${places.join(' ')}`,
    interrupted: true,
  })
}

/** @returns what went wrong, if anything did. */
async function sync(world: World, paths: readonly string[], timeoutMs: number): Promise<string | null> {
  const args = world.platform === 'linux' ? ['-f', '--', ...paths] : [] // elsewhere sync(1) takes none, and writes all
  const options = { cwd: '/', env: { ...world.env, LC_ALL: 'C' }, timeoutMs }
  const result = await world.run('sync', args, options)
  if (result.code === 0) return null
  if (result.endedBy === 'timeout') return `sync did not end within ${timeoutMs / 1000} s`
  return result.stderr.trim() || `sync ended with ${result.signal ?? `exit code ${result.code}`}`
}

/** The first path on each disk; none of those that this user cannot open, and so cannot have written to. */
function onePerDisk({ uid }: World, paths: readonly string[]): string[] {
  const byDisk = new Map<number, string>()
  for (const path of paths) {
    const stat = statOf(path)
    if (stat === null) continue
    const isOpen = uid === 0 || stat.uid === uid || stat.mode & 0o004
    if (isOpen && !byDisk.has(stat.dev)) byDisk.set(stat.dev, path)
  }
  return [...byDisk.values()]
}

/** Null where it is out of reach, on a disk that is broken as well. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

/** Where the disks of this computer that can be written are mounted (proc_pid_mountinfo(5)). */
function localMounts(): string[] {
  const lines = readText('/proc/self/mountinfo')?.split('\n') ?? []
  return lines.flatMap((line) => {
    const [, path = '', type = '', source = '', options = ''] =
      /^\S+ \S+ \S+ \S+ (\S+) .* - (\S+) (\S+) (\S+)$/.exec(line) ?? []
    const isDisk = (source.startsWith('/dev/') && !/^fuse(\.|$)/.test(type)) || type === 'zfs'
    const isWritable = options.split(',').includes('rw')
    const octal = /\\(\d{3})/g // of a blank and its kind
    const unescaped = path.replace(octal, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
    return isDisk && isWritable ? [unescaped] : []
  })
}
