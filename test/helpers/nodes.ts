import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The versions of Node.js on which telec runs. */
export const NODE_MAJORS = [20, 22, 24, 26] as const

/** The binary of a major version that scripts/test has fetched; throws where it has not. */
export function nodeBinary(major: (typeof NODE_MAJORS)[number]): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const folder = process.env.TELEC_TEST_NODES || join(cache, 'telec/node')
  const binary = join(folder, String(major), 'bin/node')
  if (existsSync(binary)) return binary
  throw new Error(`this test needs Node.js ${major} as ${binary}: scripts/test fetches it`)
}
