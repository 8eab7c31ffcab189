import { type BuildOptions, build } from 'esbuild'

/** A program as the text that Node.js is given to run: a module loader as a CommonJS module, all else as a script. */
export async function programText(entry: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    ...options,
    bundle: true,
    platform: 'node',
    entryPoints: [entry],
    format: entry.endsWith('-loader.ts') ? 'cjs' : 'iife',
    write: false,
  })
  return outputFiles?.[0]?.text ?? ''
}
