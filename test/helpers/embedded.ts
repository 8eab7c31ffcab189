import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'
import type { Plugin } from 'vitest/config'

const SOURCES = join(import.meta.dirname, '../../src')

/** What scripts/build puts into the bundles, for tests that import from src/: see src/embedded.d.ts. */
export const embedded: Plugin = {
  name: 'embedded',
  enforce: 'pre',
  resolveId(id) {
    return id.startsWith('packed:') ? `\0${id}` : null
  },
  async load(id) {
    if (id.startsWith('\0packed:')) {
      const path = id.slice('\0packed:'.length)
      const { outputFiles } = await build({
        entryPoints: [join(SOURCES, path)],
        bundle: true,
        write: false,
        platform: 'node',
        format: path.endsWith('-loader.ts') ? 'esm' : path.endsWith('-library.ts') ? 'cjs' : 'iife', // as scripts/build does
      })
      const text = outputFiles[0]?.text ?? ''
      const packed = brotliCompressSync(text).toString('base64')
      return `export const packed = '${packed}'\nexport const source = () => ${JSON.stringify(text)}`
    }
    if (/\/units\/.*\.(service|timer|path|conf|plist)$|\.py$/.test(id)) {
      return `export default ${JSON.stringify(await readFile(id, 'utf8'))}`
    }
    return null
  },
}
