import { readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { succeed } from './programs.ts'

/** Makes each object of the checkout's packs a file of its own, as a user's git does with small fetches. */
export async function unpackAll({ checkout, folder }: Computer): Promise<void> {
  const packs = join(checkout, '.git/objects/pack')
  for (const name of readdirSync(packs).filter((file) => file.endsWith('.pack'))) {
    const away = join(folder, name) // git does not unpack what it has
    renameSync(join(packs, name), away)
    for (const part of ['idx', 'rev']) rmSync(join(packs, name.replace(/pack$/, part)), { force: true })
    await succeed('sh', ['-c', 'git -C "$0" unpack-objects -q <"$1"', checkout, away])
  }
}
