import host from 'program:migrate/runtimes/node-host.ts'
import loader from 'program:migrate/runtimes/typescript-loader.ts'
import type { World } from '../../system/world.ts'
import { hostRuntime } from './host-process.ts'
import type { Runtime, RuntimeOptions } from './runtime.ts'

/** What Node.js would say about the author's choice of file format: true, and of no use in a log. */
const QUIET = ['ExperimentalWarning', 'MODULE_TYPELESS_PACKAGE_JSON'].map(
  (name) => `--disable-warning=${name}`,
)

/** `.ts .mts .js .mjs .cjs`, by the Node.js that telec runs on. Before 22.18 it needs help with types. */
export function nodeRuntime(world: World, options: RuntimeOptions): Runtime {
  const stripsTypes = (process.features as { typescript?: unknown }).typescript
  return hostRuntime(
    () => ({
      command: world.program.node,
      args: [...QUIET, '-'],
      input: `const TYPESCRIPT_LOADER=${stripsTypes ? 'null' : JSON.stringify(loader)};${host}`,
      hint: 'is it the Node.js that telec was installed with?',
    }),
    options,
  )
}
