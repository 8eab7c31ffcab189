// Runs a migration in its own Node.js process: if it hangs, exits or crashes, telec survives. telec passes this file to
// `node -` as text, so that an update that replaces telec's bundles cannot change it half-way.
import { existsSync, readFileSync, writeSync } from 'node:fs'
import * as modules from 'node:module'
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { compileFunction } from 'node:vm'
import {
  ANSWERS_FD,
  type Answer,
  type FunctionName,
  LOADER_FD,
  REQUESTS_FD,
  type TimeLimit,
} from './protocol.ts'

const file = process.argv.pop() as string

// A script from standard input has these globals, and an ES module does not.
for (const name of ['require', 'module', 'exports', '__filename', '__dirname'])
  Reflect.deleteProperty(globalThis, name)

/** Imports are relative to the migration's file. */
const requireFile = modules.createRequire(file)

/** Node.js keeps time in 32 bits of milliseconds. */
const LONGEST_TIMEOUT_S = 2_147_483

/** A file or socket may take a moment to close; the same time as LEFTOVERS_MS. */
const SETTLE_MS = 2_000

const requests = new Socket({ fd: REQUESTS_FD, readable: true })
// Else Node.js buffers the output of a loop, and loses it where the process ends early.
for (const stream of [process.stdout, process.stderr])
  (stream as { _handle?: { setBlocking?(on: boolean): void } })._handle?.setBlocking?.(true)
const own = count(process.getActiveResourcesInfo())
// telec sends one request at a time.
requests.setEncoding('utf8').on('data', (name: string) => void answer(name.trim() as FunctionName).then(send))
requests.on('end', () => process.exit()) // telec has closed its end, or exited
// Also gets unhandled rejections.
process.on('uncaughtException', (error) =>
  send({
    error: `an uncaught error: ${error instanceof Error ? described(error) : error}`,
    at: null,
  }),
)

function send(message: Answer | TimeLimit): void {
  writeSync(ANSWERS_FD, `${JSON.stringify(message)}\n`)
}

async function answer(name: FunctionName): Promise<Answer> {
  let at: FunctionName | null = null
  try {
    const exports = await load()
    if (typeof exports.timeout === 'number' && exports.timeout > 0)
      send({ timeout: Math.min(exports.timeout, LONGEST_TIMEOUT_S) })
    at = name
    return { value: await callFunction(exports, name), unfinished: await unfinishedWork() }
  } catch (error) {
    return {
      error: error instanceof Error ? described(error) : String(error),
      at,
    }
  }
}

async function callFunction(exports: Record<string, unknown>, name: FunctionName): Promise<boolean> {
  // Where Node cannot tell the names of a CommonJS module's exports, they are in its default export.
  const found = exports[name] ?? (exports.default as Record<string, unknown> | undefined)?.[name]
  if (typeof found !== 'function') throw `it exports no function ${name}()` // not an Error: it has no stack to show
  const value: unknown = await found()
  if (typeof value === 'boolean') return value
  throw `${name}() returned ${typeof value}; it must return true or false`
}

/** require() is four times as fast as import(), and loads most ES modules, too; import() loads the others. */
async function load(): Promise<Record<string, unknown>> {
  if (hookLoading()) registerLoader = () => undefined
  else if (MAY_IMPORT_TYPESCRIPT.test(readFileSync(file, 'utf8'))) registerLoader()
  try {
    return requireFile(file) as Record<string, unknown>
  } catch (error) {
    if (!MUST_BE_IMPORTED.has((error as NodeJS.ErrnoException | null)?.code ?? '')) throw error
  }
  registerLoader()
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>
}

/** The migration, or a file that it imports, may import TypeScript later. */
const MAY_IMPORT_TYPESCRIPT = /\bimport\s*\(|\.m?ts\b|['"`](\.|#|file:)/

const MUST_BE_IMPORTED = new Set([
  'ERR_REQUIRE_ASYNC_MODULE',
  'ERR_REQUIRE_ESM',
  'ERR_UNKNOWN_FILE_EXTENSION',
])

let textOfLoader: string | undefined

function loaderText(): string {
  textOfLoader ??= readFileSync(LOADER_FD, 'utf8')
  return textOfLoader
}

type Loader = typeof import('./typescript-loader.ts')
let loader: Loader | undefined

function typeScript(): Loader {
  const module: { exports?: Loader } = {}
  if (!loader)
    compileFunction(loaderText(), ['module', 'require'], { filename: '[stdin]' })(
      module,
      process.getBuiltinModule,
    )
  loader ??= module.exports as Loader
  return loader
}

/** Makes require() load TypeScript by typescript-loader.ts. @returns whether import does so, too. */
function hookLoading(): boolean {
  const { registerHooks } = modules as { registerHooks?(hooks: object): void } // not in the types of 20
  if (registerHooks) {
    const load: Loader['load'] = (url, context, next) =>
      /\.[mc]?ts\b/.test(url) ? typeScript().load(url, context, next) : next(url, context)
    registerHooks({ load })
    return true
  }
  const { _extensions: extensions } = modules.Module as unknown as { _extensions: object }
  // Not enumerable: require('./name') must not find name.ts, as in no other Node.js.
  for (const extension of ['.ts', '.mts', '.cts'])
    Object.defineProperty(extensions, extension, {
      configurable: true,
      value(module: { _compile(...args: string[]): void }, path: string) {
        if (!(process.features as { require_module?: boolean }).require_module)
          throw Object.assign(new Error(path), { code: 'ERR_REQUIRE_ESM' })
        module._compile(typeScript().readTypeScript(path), path, 'module')
      },
    })
  return false
}

/** Node.js before 22.15 runs the hook for import in a thread, whose start takes twice as long as all the rest. */
let registerLoader = (): void => {
  const module = `const module={},require=process.getBuiltinModule;${loaderText()};`
  const text = `${module}export const load=async(...args)=>module.exports.load(...args)`
  modules.register(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
  registerLoader = () => undefined
}

/** The work that keeps this process busy, besides its own channels: a pending promise, a timer, a child. */
async function unfinishedWork(): Promise<string[]> {
  await new Promise((resolve) => setImmediate(resolve)) // an unhandled rejection comes first
  let unfinished = more()
  for (let waited = 0; unfinished.length > 0 && waited < SETTLE_MS; waited += 10) {
    await delay(10)
    unfinished = more()
  }
  return unfinished
}

function more(): string[] {
  const now = count(process.getActiveResourcesInfo())
  return [...now].filter(([kind, amount]) => amount > (own.get(kind) ?? 0)).map(([kind]) => kind)
}

function count(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** A stack without the lines of telec and of Node.js. */
function ownFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !/\[stdin\]|\bdata:|\bnode:(internal|events)/.test(line))
    .join('\n')
}

/** An error with its stack, its causes, and advice. */
function described(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${described(error.cause)}` : ''
  return ownFrames(error.stack ?? error.message) + cause + advice(error)
}

/** What to write instead, where an import of TypeScript fails. */
function advice({ message }: Error): string {
  const [, name] = /does not provide an export named '(\w+)'/.exec(message) ?? []
  if (name) return `\nwhere ${name} is a type, import it as one: import { type ${name} } from …`
  const [, path = ''] = /^Cannot find module '(\/[^']+)'/.exec(message) ?? []
  const written = [path.replace(/\.([mc]?)js$/, '.$1ts'), `${path}.ts`].find(
    (one) => one !== path && existsSync(one),
  )
  return written ? `\nimport the file by its own name: ${written}` : ''
}
