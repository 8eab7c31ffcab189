/** SHA-256, in hex. Loads node:crypto only when it is called, which most programs never do. */
export function sha256(data: string | Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto')
  return createHash('sha256').update(data).digest('hex')
}
