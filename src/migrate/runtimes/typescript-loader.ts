// How Node.js loads TypeScript in a migration: as a hook of `module.registerHooks`, or of `module.register` before 22.15.
// Either way it is this file's text, which the host makes a module of only where one is wanted.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { eraseTypes } from './erase-types.ts'

export interface Loaded {
  readonly format: 'module'
  readonly source: string
  readonly shortCircuit: true
}

/**
 * A `.ts` is an ES module here, also where package.json says `"type": "commonjs"`, as npm init writes it: one rule for
 * every Node.js, and what people write who never saw what tsc makes of it.
 */
export function load<Result>(
  url: string,
  context: object,
  next: (url: string, context: object) => Result,
): Result | Loaded {
  if (!/^file:[^?#]*\.[mc]?ts(?:[?#]|$)/.test(url)) return next(url, context)
  return { format: 'module', source: readTypeScript(fileURLToPath(url)), shortCircuit: true }
}

/** The JavaScript of a file in TypeScript, its byte order mark left out. */
export function readTypeScript(file: string): string {
  if (file.endsWith('.cts'))
    throw new SyntaxError(
      `${file} is CommonJS, which TypeScript is not here: name it .ts, and write import and export`,
    )
  return eraseTypes(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), file)
}
