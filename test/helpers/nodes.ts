import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The versions of Node.js on which telec runs: the oldest, and the newest of each major. */
export const NODE_VERSIONS = ['20.19', '20', '22', '24', '26'] as const

/** One of each major, for long tests; the oldest for its major. */
export const NODE_MAJORS = NODE_VERSIONS.filter((version) => version !== '20')

/** The binary of a version that scripts/test has fetched; throws where it has not. */
export function nodeBinary(version: (typeof NODE_VERSIONS)[number]): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const folder = process.env.TELEC_TEST_NODES || join(cache, 'telec/node')
  const binary = join(folder, version, 'bin/node')
  if (existsSync(binary)) return binary
  throw new Error(`this test needs Node.js ${version} as ${binary}: scripts/test fetches it`)
}
