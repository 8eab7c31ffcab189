// Runs migrations in a process of its own: one that hangs, exits or crashes takes this process with it, not telec.
// Given to `node -` as text, so that an update which replaces telec's bundles does not change it half-way.
import { register } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { Answer, Call, Prepare } from './protocol.ts'

process.once('message', ({ loader }: Prepare) => {
  if (loader !== null) register(`data:text/javascript;base64,${Buffer.from(loader).toString('base64')}`)
  process.on('message', (call: Call) => {
    void answer(call).then((reply) => process.send?.(reply))
  })
})

async function answer({ file, name }: Call): Promise<Answer> {
  try {
    const exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>
    // A CommonJS module's exports are its default export where Node cannot tell their names.
    const candidate = exports[name] ?? (exports.default as Record<string, unknown> | undefined)?.[name]
    if (typeof candidate !== 'function') return { error: `it exports no function ${name}()` }
    const value: unknown = await candidate()
    if (typeof value === 'boolean') return { value }
    return { error: `${name}() returned ${typeof value}; it must return true or false` }
  } catch (error) {
    return { error: error instanceof Error ? ownFrames(error.stack ?? error.message) : String(error) }
  }
}

/** A stack without the lines of telec and of Node.js, which are none of the author's business. */
function ownFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !/\[stdin\]|\bdata:|\bnode:internal/.test(line))
    .join('\n')
}
