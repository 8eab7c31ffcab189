import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'

const KEPT = ['app', 'home']

/** Remembers a computer's checkout and telec home as they are, for `restore`. */
export function snapshot(computer: Computer): void {
  for (const name of KEPT)
    cpSync(join(computer.folder, name), join(computer.folder, 'before', name), {
      recursive: true,
      preserveTimestamps: true,
    })
}

export function restore(computer: Computer): void {
  for (const name of KEPT) {
    rmSync(join(computer.folder, name), { recursive: true })
    cpSync(join(computer.folder, 'before', name), join(computer.folder, name), {
      recursive: true,
      preserveTimestamps: true,
    })
  }
}
