import { cpSync, mkdirSync, renameSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'
import { execute, succeed } from './programs.ts'

/** Puts the checkout's .git on a disk of 160 MiB, until the test has ended; the folder. */
export async function putGitOnSmallDisk({ checkout }: Computer): Promise<string> {
  const git = join(checkout, '.git')
  renameSync(git, `${git}-away`)
  mkdirSync(git)
  await succeed('mount', ['-t', 'tmpfs', '-o', 'size=160m', 'tmpfs', git])
  onTestFinished(async () => void (await execute('umount', [git])))
  cpSync(`${git}-away`, git, { recursive: true })
  return git
}

/** Bytes that are free on the disk of a folder. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
