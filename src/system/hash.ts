/** SHA-256, in hex. Loads node:crypto only when it is called, which most programs never do. */
export function sha256(data: string | Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(data).digest('hex')
}

/**
 * FNV-1a: notices that a text is not what it was, for a thousandth of what loading node:crypto takes. No secret: whoever
 * can change the text can change this, too.
 */
export function checksum(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return (hash >>> 0).toString(16)
}
