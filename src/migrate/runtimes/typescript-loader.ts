// Loads TypeScript in a migration, as a hook of `module.registerHooks`, or of `module.register` before Node.js 22.15. The
// host gets this file as text, and compiles it only when needed.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { eraseTypes } from './erase-types.ts'

export interface Loaded {
  readonly format: 'module'
  readonly source: string
  readonly shortCircuit: true
}

/** A `.ts` is always an ES module, even if package.json has `"type": "commonjs"`, as npm init writes it. */
export function load<Result>(
  url: string,
  context: object,
  next: (url: string, context: object) => Result,
): Result | Loaded {
  if (!/^file:[^?#]*\.[mc]?ts(?:[?#]|$)/.test(url)) return next(url, context)
  return { format: 'module', source: readTypeScript(fileURLToPath(url)), shortCircuit: true }
}

/** The JavaScript of a TypeScript file, without its byte order mark. */
export function readTypeScript(file: string): string {
  if (file.endsWith('.cts'))
    throw new SyntaxError(`${file} would be CommonJS: name it .ts, and use import and export`)
  return eraseTypes(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), file)
}
