import { createRequire } from 'node:module'
import { compileFunction } from 'node:vm'

/** Runs a packed program in this process, as if it were the bundle at `path`. */
export function runPacked(text: string, path: string): void {
  compileFunction(text, ['require'], { filename: path })(createRequire(path))
}

/** Loads a packed library, a CommonJS module, as if it stood in the bundle at `path`; its exports. */
export function loadPacked(text: string, path: string): unknown {
  const module = { exports: {} }
  const load = compileFunction(text, ['require', 'module', 'exports'], { filename: path })
  load(createRequire(path), module, module.exports)
  return module.exports
}
