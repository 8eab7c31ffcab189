import type { Target } from '../../src/channel/target.ts'

/** A commit id that is told from others at a glance: `commit('a')`, `commit(7)`. */
export function commit(seed: string | number): string {
  return Buffer.from(String(seed)).toString('hex').padStart(40, '0')
}

/** A release as telec records it: `release('1.2.0')` is at tag v1.2.0. */
export function release(version: string, seed: string | number = version): Target & { version: string } {
  return { version, ref: `refs/tags/v${version}`, commit: commit(seed) }
}

/** The head of main, whose version is known once it has been fetched. */
export function head(seed: string | number, version: string | null = null): Target {
  return { version, ref: 'refs/heads/main', commit: commit(seed) }
}
