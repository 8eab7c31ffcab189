import { fdatasyncSync, fstatSync, ftruncateSync, writeSync } from 'node:fs'
import type { Entry } from './record.ts'

/** Appends a line to the journal of what was applied; durable when it returns. Throws as fs does, with nothing added. */
export function appendEntry(fd: number, entry: Entry): void {
  const { size } = fstatSync(fd)
  const bytes = Buffer.from(`${JSON.stringify(entry)}\n`)
  try {
    // A write may be short, on a full disk for one; then the next one throws.
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
    fdatasyncSync(fd) // the content and the size, no more
  } catch (error) {
    ftruncateSync(fd, size) // else what is added next would continue half a line
    throw error
  }
}
