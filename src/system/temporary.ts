import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyPrivate } from './trust.ts'

const folders = new Set<string>()

/** Gives `use` an empty folder of mode 0700, and removes it afterwards. Throws `config` where others could replace it. */
export async function inTemporaryFolder<Result>(
  name: string,
  use: (folder: string) => Promise<Result>,
): Promise<Result> {
  const path = join(tmpdir(), `telec-${name}-`)
  verifyPrivate(path, true, undefined, 'TMPDIR') // sudo -E keeps TMPDIR, whose owner could replace the folder
  const folder = mkdtempSync(path)
  folders.add(folder)
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    folders.delete(folder)
  }
}

/** For a program that a signal ends. */
export function removeTemporaryFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
