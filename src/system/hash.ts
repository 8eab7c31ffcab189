/** SHA-256, in hex. Loads node:crypto only when it is called, which most programs never do. */
export function sha256(data: string | Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(data).digest('hex')
}

/** A hash as git takes it, in hex; `digits`: of the repository's names, 40 of which are SHA-1's. */
export function gitHash(content: Iterable<string | Uint8Array>, digits: number): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const hash = createHash(digits === 40 ? 'sha1' : 'sha256')
  for (const chunk of content) hash.update(chunk)
  return hash.digest('hex')
}
