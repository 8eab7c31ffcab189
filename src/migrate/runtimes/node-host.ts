// Runs a migration in a Node.js process of its own: one that hangs, exits or crashes takes this process with it, not
// telec. Given to `node -` as text, so that an update which replaces telec's bundles does not change it half-way.
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

// Those that a script from standard input has as globals are not there for an ES module.
for (const name of ['require', 'module', 'exports', '__filename', '__dirname'])
  Reflect.deleteProperty(globalThis, name)

/** What a file imports is looked up from where the file lies. */
const requireFile = modules.createRequire(file)

/** Node.js keeps time in 32 bits of milliseconds. */
const LONGEST_TIMEOUT_S = 2_147_483

/** What is closing at the end of a function may take a moment to be closed; a process that it left has as long. */
const SETTLE_MS = 2_000

const requests = new Socket({ fd: REQUESTS_FD, readable: true })
// Without this Node.js keeps in memory what a loop prints, and loses it where the process ends early.
for (const stream of [process.stdout, process.stderr])
  (stream as { _handle?: { setBlocking?(on: boolean): void } })._handle?.setBlocking?.(true)
const own = count(process.getActiveResourcesInfo())
// telec asks for one thing at a time, and awaits its answer.
requests.setEncoding('utf8').on('data', (name: string) => void answer(name.trim() as FunctionName).then(send))
requests.on('end', () => process.exit()) // telec is gone
// Rejections that nobody handles come here, too.
process.on('uncaughtException', (error) =>
  send({
    error: `an error that nobody caught: ${error instanceof Error ? described(error) : error}`,
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
    return { value: await callFunction(exports, name), left: await workLeft() }
  } catch (error) {
    return {
      error: error instanceof Error ? described(error) : String(error),
      at,
    }
  }
}

async function callFunction(exports: Record<string, unknown>, name: FunctionName): Promise<boolean> {
  // A CommonJS module's exports are its default export where Node cannot tell their names.
  const found = exports[name] ?? (exports.default as Record<string, unknown> | undefined)?.[name]
  if (typeof found !== 'function') throw `it exports no function ${name}()` // not an Error: it has no stack to show
  const value: unknown = await found()
  if (typeof value === 'boolean') return value
  throw `${name}() returned ${typeof value}; it must return true or false`
}

/** By require, which is four times as fast as import() and takes ES modules, too; what it cannot take is imported. */
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

/** Later, by itself or by a file of the project's that it imports. */
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

/** Has TypeScript loaded by typescript-loader.ts. @returns whether that goes for import, too, and not for require alone. */
function hookLoading(): boolean {
  const { registerHooks } = modules as { registerHooks?(hooks: object): void } // not in the types of 20
  if (registerHooks) {
    const load: Loader['load'] = (url, context, next) =>
      /\.[mc]?ts\b/.test(url) ? typeScript().load(url, context, next) : next(url, context)
    registerHooks({ load })
    return true
  }
  const { _extensions: extensions } = modules.Module as unknown as { _extensions: object }
  // Not enumerable: require('./name') must not find name.ts, which it does not elsewhere.
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

/** Node.js before 22.15 takes the hook for import into a thread of its own, which takes twice as long as all the rest. */
let registerLoader = (): void => {
  const module = `const module={},require=process.getBuiltinModule;${loaderText()};`
  const text = `${module}export const load=async(...args)=>module.exports.load(...args)`
  modules.register(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
  registerLoader = () => undefined
}

/** What keeps this process busy beyond its own channels: a promise nobody waits for, a timer, a child. */
async function workLeft(): Promise<string[]> {
  await new Promise((resolve) => setImmediate(resolve)) // also lets a rejection that nobody handles end the process
  let left = more()
  for (let waited = 0; left.length > 0 && waited < SETTLE_MS; waited += 10) {
    await delay(10)
    left = more()
  }
  return left
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

/** A stack without the lines of telec and of Node.js, which are none of the author's business. */
function ownFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => !/\[stdin\]|\bdata:|\bnode:(internal|events)/.test(line))
    .join('\n')
}

/** An error as Node.js shows it, with what caused it, and what to write instead. */
function described(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${described(error.cause)}` : ''
  return ownFrames(error.stack ?? error.message) + cause + advice(error)
}

/** What to write instead, where an import of TypeScript fails for what every Node.js would say in its own words. */
function advice({ message }: Error): string {
  const [, name] = /does not provide an export named '(\w+)'/.exec(message) ?? []
  if (name) return `\nwhere ${name} is a type, import it as one: import { type ${name} } from …`
  const [, path = ''] = /^Cannot find module '(\/[^']+)'/.exec(message) ?? []
  const written = [path.replace(/\.([mc]?)js$/, '.$1ts'), `${path}.ts`].find(
    (one) => one !== path && existsSync(one),
  )
  return written ? `\nimport the file by its own name: ${written}` : ''
}
