// Each loads what it needs when it is called: most polls do not.

/** Runs a packed program in this process, as if it were the bundle at `path`. */
export function runPacked(text: string, path: string): void {
  compile(text, ['require'], path)(requireAt(path))
}

/** Loads a packed library, a CommonJS module, as if it stood in the bundle at `path`; its exports. */
export function loadPacked(text: string, path: string): unknown {
  const module = { exports: {} }
  const load = compile(text, ['require', 'module', 'exports'], path)
  load(requireAt(path), module, module.exports)
  return module.exports
}

function compile(text: string, parameters: string[], path: string) {
  return process.getBuiltinModule('node:vm').compileFunction(text, parameters, { filename: path })
}

function requireAt(path: string): NodeJS.Require {
  return process.getBuiltinModule('node:module').createRequire(path)
}
