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

// Programs that run in a process of their own, as text.
declare module 'program:*' {
  const text: string
  export default text
}

// Filled in by scripts/build.
declare const TELEC_VERSION: string
declare const TELEC_COMMIT: string
