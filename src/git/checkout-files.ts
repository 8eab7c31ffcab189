import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { kindOf, shellWord, systemErrorCode, TelecError } from '../system/errors.ts'
import { lstat, writeDurably } from '../system/files.ts'
import { printableName } from '../system/log.ts'
import type { Repository } from './repository.ts'

/** Changes files of the checkout. Throws a TelecError where the system refuses, or the disk is full. */
export function changeFiles({ workTree }: Repository, change: () => void): void {
  try {
    change()
  } catch (error) {
    if (!systemErrorCode(error)) throw error
    throw new TelecError(kindOf(error), `files of ${workTree} cannot be moved or removed`, {
      because: (error as Error).message,
      hint: `check their owner: ls -l ${shellWord(workTree)}`,
      interrupted: true,
    })
  }
}

/** Removes files that may be missing. */
export function removeFiles(repository: Repository, paths: readonly string[]): void {
  changeFiles(repository, () => {
    for (const path of paths) rmSync(path, { force: true })
  })
}

/** Removes files and folders that may be missing, in this order. */
export function removeTree(repository: Repository, ...paths: readonly string[]): void {
  changeFiles(repository, () => {
    for (const path of paths) rmSync(path, { recursive: true, force: true })
  })
}

/** Copies a file that may be missing. */
export function copyFile(repository: Repository, path: string, to: string): void {
  if (lstat(path)) changeFiles(repository, () => copyFileSync(path, to))
}

/** telec moves files of the checkout here, into a folder per target, kind or repair: by one rename. */
export function backupFolder({ gitDir }: Repository, name: string): string {
  return join(gitDir, 'telec-aside', name)
}

/** Moves files and folders that may be missing into a backup folder. After a kill each is in one of both places, whole. */
export function moveToBackup(repository: Repository, paths: readonly string[], folder: string): void {
  const present = paths.filter(lstat)
  if (present.length === 0) return
  changeFiles(repository, () => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const path of present) move(path, backupPath(repository, path, folder))
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

/** The path from the checkout, as one name, with a number where that is taken. */
function backupPath({ workTree }: Repository, path: string, folder: string): string {
  const name = relative(workTree, path).replaceAll('%', '%25').replaceAll('/', '%2F')
  let to = join(folder, name)
  for (let number = 1; lstat(to); number++) to = join(folder, `${name}.${number}`)
  return to
}

/** Replaces a file in one step, and keeps a copy of the old one. */
export async function replaceFile(
  repository: Repository,
  path: string,
  text: string,
  folder: string,
): Promise<void> {
  changeFiles(repository, () => mkdirSync(folder, { recursive: true, mode: 0o700 }))
  copyFile(repository, path, backupPath(repository, path, folder))
  await writeDurably(path, text, { mode: lstat(path)?.mode ?? 0o644 })
}

/** Reports where a file or folder will be, and moves it there. */
export async function moveAway(
  repository: Repository,
  path: string,
  name: string,
  report: (moved: string) => Promise<void>,
): Promise<void> {
  const folder = backupFolder(repository, name)
  const to = printableName(backupPath(repository, path, folder))
  await report(`${to}, moved from ${printableName(path)}`)
  moveToBackup(repository, [path], folder)
}

/** The plain files below a folder with such names; no link is followed, and the folder may be missing. */
export function filesBelow(folder: string, name: RegExp, recursive = true): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
