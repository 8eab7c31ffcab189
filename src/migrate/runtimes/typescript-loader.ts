// A module loader for Node.js older than 22.18, which cannot strip types by itself (module.register, node:module).
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transform } from 'sucrase'

interface Loaded {
  readonly format: string
  readonly source: string
  readonly shortCircuit: true
}

export async function load(
  url: string,
  context: unknown,
  nextLoad: (url: string, context: unknown) => Promise<unknown>,
): Promise<Loaded | unknown> {
  if (!/^file:.*\.m?ts$/.test(url)) return nextLoad(url, context)
  const filePath = fileURLToPath(url)
  const text = await readFile(filePath, 'utf8')
  const { code } = transform(text, {
    transforms: ['typescript'],
    disableESTransforms: true,
    keepUnusedImports: false,
    filePath,
  })
  return { format: 'module', source: code, shortCircuit: true } satisfies Loaded
}
