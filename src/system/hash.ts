/** SHA-256, in hex. Loads node:crypto only when it is called, which most programs never do. */
export function sha256(data: string | Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(data).digest('hex')
}

/** What git names a blob by its content; `length` is that of the repository's names: those of SHA-1 have 40 digits. */
export function blobId(content: Uint8Array, length: number): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const hash = createHash(length === 40 ? 'sha1' : 'sha256')
  return hash.update(`blob ${content.length}\0`).update(content).digest('hex')
}

/** A longer text is told by its SHA-256. */
const LONGEST = 4_096

/** Tells a text from every other one. */
export function digest(text: string): string {
  return text.length <= LONGEST ? text : sha256(text)
}
