/** SHA-256, in hex. Loads node:crypto only here, as most runs never need it. */
export function sha256(data: string | Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(data).digest('hex')
}

/** The hash that git uses, in hex: SHA-1 where the repository's object names have 40 digits, else SHA-256. */
export function gitHash(content: Iterable<string | Uint8Array>, digits: number): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const hash = createHash(digits === 40 ? 'sha1' : 'sha256')
  for (const chunk of content) hash.update(chunk)
  return hash.digest('hex')
}
