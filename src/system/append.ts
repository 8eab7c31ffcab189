import { fdatasyncSync, writeSync } from 'node:fs'

/** Adds a line of JSON to a file, where its descriptor stands; durable when it returns. Throws as fs does. */
export function appendEntry(fd: number, entry: object): void {
  const bytes = Buffer.from(`${JSON.stringify(entry)}\n`)
  // A write may be short, on a full disk for one; then the next one throws.
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written)
  fdatasyncSync(fd) // the content and, where it grew, the size; no more
}
