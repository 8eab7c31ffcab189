import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vitest/config'
import { programText } from '../../scripts/lib/program-text.ts'

const SOURCES = join(import.meta.dirname, '../../src')

/** What scripts/build puts into the bundles, for tests that import from src/: see src/embedded.d.ts. */
export const embedded: Plugin = {
  name: 'embedded',
  enforce: 'pre',
  resolveId(id) {
    return id.startsWith('program:') ? `\0${id}` : null
  },
  async load(id) {
    if (id.startsWith('\0program:'))
      return `export default ${JSON.stringify(await programText(join(SOURCES, id.slice('\0program:'.length)), {}))}`
    if (/\/units\/.*\.(service|timer|path|conf|plist)$|\.py$/.test(id)) {
      return `export default ${JSON.stringify(await readFile(id, 'utf8'))}`
    }
    return null
  },
}
