import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { basename, join, relative } from 'node:path'
import { kindOf, systemErrorCode, TelecError } from '../system/errors.ts'
import { writeDurably } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import type { Repository } from './repository.ts'

/** Changes files of the checkout. Throws a TelecError where it may not, or where the disk is full. */
function changeFiles({ workTree }: Repository, change: () => void): void {
  try {
    change()
  } catch (error) {
    if (!systemErrorCode(error)) throw error
    throw new TelecError(kindOf(error), `files of ${workTree} cannot be moved or removed`, {
      because: (error as Error).message,
      hint: `look whose it is: ls -l ${workTree}`,
      interrupted: true,
    })
  }
}

/** Removes files that may not be there. */
export function removeFiles(repository: Repository, paths: readonly string[]): void {
  changeFiles(repository, () => {
    for (const path of paths) rmSync(path, { force: true })
  })
}

/** Removes files and folders that may not be there, with all in them, in their order. */
export function removeTree(repository: Repository, ...paths: readonly string[]): void {
  changeFiles(repository, () => {
    for (const path of paths) rmSync(path, { recursive: true, force: true })
  })
}

/** Moves files into a folder, in their order. */
export function moveFiles(repository: Repository, paths: readonly string[], folder: string): void {
  changeFiles(repository, () => {
    for (const path of paths) renameSync(path, join(folder, basename(path)))
  })
}

/** Copies a file that may not be there. */
export function copyFile(repository: Repository, path: string, to: string): void {
  if (isThere(path)) changeFiles(repository, () => copyFileSync(path, to))
}

/** Where things are put aside, by what they were in the way of, or the time of a repair: on the same disk, a rename away. */
export function asideFolder({ gitDir }: Repository, name: string): string {
  return join(gitDir, 'telec-aside', name)
}

/** Moves files and folders aside, whole: a kill leaves each at its place or in the new one. Those that are gone are fine. */
export function moveAside(repository: Repository, paths: readonly string[], folder: string): void {
  const there = paths.filter(isThere)
  if (there.length === 0) return
  changeFiles(repository, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const path of there) move(path, asideOf(repository, path, folder))
  })
}

/** As mv(1) does, also to another disk: that of a linked work tree's folder in the repository. */
function move(path: string, to: string): void {
  try {
    renameSync(path, to)
  } catch (error) {
    if (systemErrorCode(error) !== 'EXDEV') throw error
    cpSync(path, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    rmSync(path, { recursive: true })
  }
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
  changeFiles(repository, () => mkdirSync(folder, { recursive: true, mode: 0o700 }))
  copyFile(repository, path, asideOf(repository, path, folder))
  await writeDurably(path, text, { mode: lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0o644 })
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
  moveAside(repository, [path], folder)
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
