// What scripts/build puts into the bundles. Unit templates come as text.
declare module '*.service' {
  const text: string
  export default text
}
declare module '*.timer' {
  const text: string
  export default text
}
declare module '*.path' {
  const text: string
  export default text
}
declare module '*.conf' {
  const text: string
  export default text
}
declare module '*.plist' {
  const text: string
  export default text
}

declare module '*.py' {
  const text: string
  export default text
}

// Programs that run in a process or a thread of their own; scripts/build packs them into the bundles.
declare module 'packed:*' {
  /** The program's text, compressed by Brotli, in base64. */
  export const packed: string
  /** The program's text. */
  export function source(): string
}

// Filled in by scripts/build.
declare const TELEC_VERSION: string
declare const TELEC_COMMIT: string
