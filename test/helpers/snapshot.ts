import * as fs from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import type { Files, Inode } from './crash-states.ts'

const KEPT = ['app', 'home']

/** Remembers a computer's checkout and telec home as they are, for `restore`. */
export function snapshot(computer: Computer): void {
  for (const name of KEPT)
    fs.cpSync(join(computer.folder, name), join(computer.folder, 'before', name), {
      recursive: true,
      preserveTimestamps: true,
    })
}

export function restore(computer: Computer): void {
  for (const name of KEPT) {
    fs.rmSync(join(computer.folder, name), { recursive: true })
    fs.cpSync(join(computer.folder, 'before', name), join(computer.folder, name), {
      recursive: true,
      preserveTimestamps: true,
    })
  }
}

/** The files of a computer's checkout and telec home, by name. */
export function readFiles({ folder }: Computer): Files {
  const names = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  const kept = names.filter((name) => KEPT.includes(name.split('/')[0] ?? ''))
  return new Map(kept.map((name) => [name, inodeAt(join(folder, name))]))
}

function inodeAt(path: string): Inode {
  const stat = fs.lstatSync(path)
  const of = (kind: Inode['kind'], text: string) => {
    return { kind, mode: stat.mode & 0o7777, time: stat.mtimeMs / 1000, text, synced: text }
  }
  if (stat.isSymbolicLink()) return of('link', fs.readlinkSync(path))
  return stat.isDirectory() ? of('folder', '') : of('file', fs.readFileSync(path, 'latin1'))
}

/** Replaces a computer's checkout and telec home by those of a state, as they are found after the boot that follows. */
export function writeFiles({ folder }: Computer, files: Files): void {
  for (const name of KEPT) fs.rmSync(join(folder, name), { recursive: true })
  for (const [name, { kind, mode, time, text }] of files) {
    const path = join(folder, name)
    if (kind === 'folder') fs.mkdirSync(path, { mode })
    else if (kind === 'link') fs.symlinkSync(text, path)
    else {
      fs.writeFileSync(path, text, { encoding: 'latin1', mode })
      // Later than any file that it lists, as that of a tree which takes its time: else git reads those files themselves.
      const asFound = name.endsWith('.git/index') ? time + 10 : time
      const isLock = name.endsWith('.lock') // older than the boot
      fs.utimesSync(path, isLock ? 0 : asFound, isLock ? 0 : asFound)
    }
  }
}
