/** telec's own version, from package.json, and the commit it was built from. */
export const VERSION: string = TELEC_VERSION
export const COMMIT: string = TELEC_COMMIT
