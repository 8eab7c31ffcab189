import { closeSync, existsSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join, relative } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { printableName } from '../system/log.ts'
import type { Repository } from './repository.ts'

const TIMEOUT_MS = 10 * 60_000
/** xargs(1): the command was killed by a signal. */
const KILLED_BELOW_XARGS = 125

/** Runs a file command as the checkout's owner: a link leads only where they could go themselves. */
export async function runAsOwner(
  repository: Repository,
  command: readonly string[],
  input = '',
): Promise<void> {
  const { world, workTree, owner } = repository
  const as = actAs(world, owner)
  const [program = '', ...args] = command
  const { code, signal, stderr } = await as.run(program, args, {
    cwd: '/',
    env: as.env,
    timeoutMs: TIMEOUT_MS,
    input,
  })
  if (code === 0) return
  const isKilled = code === null || (program === 'xargs' && code === KILLED_BELOW_XARGS)
  throw new TelecError(isKilled ? 'later' : 'halted', `files of ${workTree} cannot be moved or removed`, {
    because: stderr.trim() || `${program} ended with ${signal ?? `exit code ${code}`}`,
    hint: `look whose it is: ls -l ${workTree}`,
    interrupted: true,
  })
}

/** Runs a file command with these paths at its end, as many at a time as it takes. */
async function onPaths(
  repository: Repository,
  command: readonly string[],
  paths: readonly string[],
): Promise<void> {
  if (paths.length === 0) return
  const input = paths.map((path) => `${path}\0`).join('')
  await runAsOwner(repository, ['xargs', '-0', ...command], input)
}

/** Removes files that may not be there. */
export async function removeFiles(repository: Repository, paths: readonly string[]): Promise<void> {
  await onPaths(repository, ['rm', '-f', '--'], paths)
}

/** Removes files and folders that may not be there, with all in them, in their order. */
export async function removeTree(repository: Repository, ...paths: readonly string[]): Promise<void> {
  await onPaths(repository, ['rm', '-rf', '--'], paths.filter(isThere))
}

/** Moves files into a folder, in their order. */
export async function moveFiles(
  repository: Repository,
  paths: readonly string[],
  folder: string,
): Promise<void> {
  await onPaths(repository, ['/bin/sh', '-c', 'mv -f -- "$@" "$0/"', folder], paths)
}

/** Copies a file that may not be there. */
export async function copyFile(repository: Repository, path: string, to: string): Promise<void> {
  if (isThere(path)) await runAsOwner(repository, ['cp', '-p', '--', path, to])
}

/** Where things are put aside, by what they were in the way of, or the time of a repair: on the same disk, a rename away. */
export function asideFolder({ gitDir }: Repository, name: string): string {
  return join(gitDir, 'telec-aside', name)
}

/** Moves files and folders aside, whole: a kill leaves each at its place or in the new one. Those that are gone are fine. */
export async function moveAside(
  repository: Repository,
  paths: readonly string[],
  folder: string,
): Promise<void> {
  const there = paths.filter(isThere)
  if (there.length === 0) return
  await runAsOwner(repository, ['mkdir', '-p', '-m', '700', '--', folder])
  const pairs = there.flatMap((path) => [path, asideOf(repository, path, folder)])
  await onPaths(repository, ['-n', '2', 'mv', '--'], pairs)
}

/** Its path from the checkout, as one name; a number makes it one that is free. */
function asideOf({ workTree }: Repository, path: string, folder: string): string {
  const name = relative(workTree, path).replaceAll('%', '%25').replaceAll('/', '%2F')
  let to = join(folder, name)
  for (let number = 1; isThere(to); number++) to = join(folder, `${name}.${number}`)
  return to
}

/** Replaces a file in one step, and keeps a copy of it aside. */
export async function replaceFile(
  repository: Repository,
  path: string,
  text: string,
  folder: string,
): Promise<void> {
  await runAsOwner(repository, ['mkdir', '-p', '-m', '700', '--', folder])
  await copyFile(repository, path, asideOf(repository, path, folder))
  const write = 'cat >"$0.telec-new" && mv -f -- "$0.telec-new" "$0"'
  await runAsOwner(repository, ['/bin/sh', '-c', write, path], text)
}

/** Moves a file or folder out of the way; `tell` is told before where it will be. */
export async function putAside(
  repository: Repository,
  path: string,
  name: string,
  tell: (what: string) => Promise<void>,
): Promise<void> {
  const folder = asideFolder(repository, name)
  await tell(`${printableName(asideOf(repository, path, folder))}, which was ${printableName(path)}`)
  await moveAside(repository, [path], folder)
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/** The plain files below a folder whose names fit, through no link; none where it is not there. */
export function filesBelow(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** How a file begins, by bytes. */
export function startOf(path: string, bytes: number): Buffer {
  const start = Buffer.alloc(bytes)
  const fd = openSync(path, 'r')
  try {
    return start.subarray(0, readSync(fd, start))
  } finally {
    closeSync(fd)
  }
}
