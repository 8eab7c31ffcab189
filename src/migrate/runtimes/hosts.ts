import nodeHost from 'program:migrate/runtimes/node-host.ts'
import loader from 'program:migrate/runtimes/typescript-loader.ts'
import { hostRuntime } from './host-process.ts'
import pythonHost from './python-host.py'

/** What Node.js would say about the author's choice of file format: true, and of no use in a log. */
const QUIET = ['ExperimentalWarning', 'MODULE_TYPELESS_PACKAGE_JSON'].map(
  (name) => `--disable-warning=${name}`,
)

let bytes: { readonly host: Buffer; readonly loader: Buffer } | undefined

/** Once, whatever the number of migrations. */
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
  hint: 'is it the Node.js that telec was installed with?',
}))

/** `.py` with `check()` and `migrate()` as module functions. It writes no bytecode: a checkout stays as git left it. */
export const pythonRuntime = hostRuntime(({ python, code }) => ({
  command: python,
  args: ['-B', '-c', pythonHost, code],
  input: '',
  hint: 'migrations in Python need python3 on the PATH, or what deployment.python names',
}))
