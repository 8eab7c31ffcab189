import nodeHost from 'program:migrate/runtimes/node-host.ts'
import loader from 'program:migrate/runtimes/typescript-loader.ts'
import { hostRuntime } from './host-process.ts'
import pythonHost from './python-host.py'

/** Warnings about the author's choice of file format, of no use in a log. */
const QUIET = ['ExperimentalWarning', 'MODULE_TYPELESS_PACKAGE_JSON'].map(
  (name) => `--disable-warning=${name}`,
)

let bytes: { readonly host: Buffer; readonly loader: Buffer } | undefined

/** Encoded once for all migrations. */
function bytesOfNodeHost() {
  bytes ??= { host: Buffer.from(nodeHost), loader: Buffer.from(loader) }
  return bytes
}

/** `.ts .mts .js .mjs .cjs`, by the Node.js that telec runs on. */
export const nodeRuntime = hostRuntime(({ world: { program } }) => ({
  command: program.node,
  args: [...QUIET, '-'],
  input: bytesOfNodeHost().host,
  loader: bytesOfNodeHost().loader,
  hint: 'run telec install again, with a Node.js that exists',
}))

/** `.py` with functions `check()` and `migrate()`. Writes no bytecode, which would change the checkout. */
export const pythonRuntime = hostRuntime(({ python, code }) => ({
  command: python,
  args: ['-B', '-c', pythonHost, code],
  input: '',
  hint: 'install python3, or set deployment.python',
}))
