import { type Stats, statSync } from 'node:fs'
import { shellWord, TelecError } from './errors.ts'
import { readText } from './files.ts'
import type { World } from './world.ts'

/** Shorter than for the places that an update needs: no other disk delays it for longer. */
const ALL_TIMEOUT_MS = 60_000
const PLACES_TIMEOUT_MS = 5 * 60_000

/**
 * Makes the function that syncs (syncfs(2)) the disks of `places`, and every other local disk that is mounted writable. It
 * syncs a network disk only for `places`, as a dead one never answers. Where another disk fails, or takes longer than a
 * minute, it warns once, and syncs only `places` from then on. It throws `later` where the disks of `places` fail.
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
      world.log.warning(`cannot sync every disk, from now on only that of ${named}: ${fault}`)
    }
    await syncPlaces(world, places, needed)
  }
}

/** Syncs the disks of these places; `paths` has one path for each disk. Throws `later` where they fail. */
export async function syncPlaces(world: World, places: readonly string[], paths = places): Promise<void> {
  const fault = await sync(world, paths, PLACES_TIMEOUT_MS)
  if (fault === null) return
  throw new TelecError('later', `cannot sync the disk of ${places.join(', ')}`, {
    because: fault,
    hint: `check the disk for errors: dmesg; df -h ${places.map(shellWord).join(' ')}`,
    interrupted: true,
  })
}

/** @returns the error; null: it succeeded. */
async function sync(world: World, paths: readonly string[], timeoutMs: number): Promise<string | null> {
  const args = world.platform === 'linux' ? ['-f', '--', ...paths] : [] // elsewhere sync(1) takes no paths, and syncs every disk
  const options = { cwd: '/', env: { ...world.env, LC_ALL: 'C' }, timeoutMs }
  const result = await world.run('sync', args, options)
  if (result.code === 0) return null
  if (result.endedBy === 'timeout') return `sync did not exit within ${timeoutMs / 1000} s`
  return result.stderr.trim() || `sync exited with ${result.signal ?? `code ${result.code}`}`
}

/** The first path on each disk, without the paths that this user cannot open, and so did not write to. */
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

/** Null where the path is missing or its disk is broken. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

/** Where local disks are mounted writable (proc_pid_mountinfo(5)). */
function localMounts(): string[] {
  const lines = readText('/proc/self/mountinfo')?.split('\n') ?? []
  return lines.flatMap((line) => {
    const [, path = '', type = '', source = '', options = ''] =
      /^\S+ \S+ \S+ \S+ (\S+) .* - (\S+) (\S+) (\S+)$/.exec(line) ?? []
    const isDisk = (source.startsWith('/dev/') && !/^fuse(\.|$)/.test(type)) || type === 'zfs'
    const isWritable = options.split(',').includes('rw')
    const octal = /\\(\d{3})/g // blanks are escaped
    const unescaped = path.replace(octal, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
    return isDisk && isWritable ? [unescaped] : []
  })
}
