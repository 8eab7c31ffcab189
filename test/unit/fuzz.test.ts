import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mutationsOf, mutationsOfText } from '../helpers/mutations.ts'
import { ROOT } from '../helpers/programs.ts'
import { STATE_FILES } from '../helpers/state-files.ts'
import { isWhole } from '../helpers/sweeps.ts'

/** Of all parsers together; another seed each time under scripts/test --all, which says which. */
const INPUTS = isWhole ? 50_000 : 500
const SEED = isWhole ? Date.now() : 20
/** None takes a hundredth of it. */
const HANGS_AFTER_MS = 60_000
const MOST_MEMORY_MIB = 192

const CORPUS = join(ROOT, 'test/corpus')
const names = [...readdirSync(CORPUS), ...Object.keys(STATE_FILES)]
const folder = mkdtempSync(join(tmpdir(), 'telec-fuzz-'))
let child: ChildProcess | null = null
let tried = 0

/** Samples of a parser's input, and inputs that once were faults. */
function corpusOf(parser: string): string[] {
  const state = STATE_FILES[parser as keyof typeof STATE_FILES]
  if (state !== undefined) return [`${JSON.stringify(state, null, 2)}\n`]
  return readdirSync(join(CORPUS, parser)).map((name) => readFileSync(join(CORPUS, parser, name), 'utf8'))
}

/** The fault in a parser's result, from a process that may exit, hang, or take all memory. */
async function faultOf(parser: string, text: string): Promise<string | null> {
  tried += 1
  child ??= fork(join(folder, 'child.cjs'), {
    execArgv: [`--max-old-space-size=${MOST_MEMORY_MIB}`],
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const over = new AbortController()
  const { signal } = over
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(HANGS_AFTER_MS)])
  const answer = once(child, 'message', { signal: deadline }).then(([{ fault }]) => fault as string | null)
  const exit = once(child, 'exit', { signal }).then((how) => `it ended: ${how.join(' ')}`)
  exit.catch(() => undefined)
  child.send({ parser, text })
  try {
    return await Promise.race([answer, exit])
  } catch {
    child.kill('SIGKILL')
    return `it hangs: no answer within ${HANGS_AFTER_MS} ms`
  } finally {
    over.abort()
    answer.catch(() => undefined)
    if (child.exitCode !== null || child.signalCode !== null || child.killed) child = null
  }
}

/** A part of a text, over and over: what takes a time that grows with the square of a length shows then. */
function endless(text: string): fc.Arbitrary<string> {
  return fc
    .tuple(fc.nat(text.length), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 10_000, max: 60_000 }))
    .map(([begin, size, length]) => {
      const part = text.slice(begin, begin + size) || 'x'
      return text.slice(0, begin) + part.repeat(Math.ceil(length / part.length)) + text.slice(begin)
    })
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

/** Mutations of samples, and random inputs. */
function inputsOf(corpus: readonly string[]): fc.Arbitrary<string> {
  const sample = fc.constantFrom(...corpus)
  return fc.oneof(
    { weight: 12, arbitrary: sample.chain((text) => (isJson(text) ? mutationsOf : mutationsOfText)(text)) },
    { weight: 4, arbitrary: sample.chain((text) => mutationsOfText(text).chain(mutationsOfText)) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 5, stringUnit: 'binary' }) },
    { weight: 1, arbitrary: sample.chain(endless) },
  )
}

beforeAll(async () => {
  await build({
    entryPoints: [join(ROOT, 'test/helpers/fuzz-child.ts')],
    outfile: join(folder, 'child.cjs'),
    bundle: true,
    platform: 'node',
    loader: { '.service': 'text', '.timer': 'text', '.path': 'text', '.conf': 'text', '.plist': 'text' },
    alias: { yaml: join(ROOT, 'node_modules/yaml/browser/index.js') },
    define: { TELEC_VERSION: '"0.0.0-test"', TELEC_COMMIT: '"unknown"', __filename: '"telec"' },
  })
})

afterAll(() => {
  child?.kill()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.stdout.write(`${tried} inputs tried on ${names.length} parsers (seed ${SEED})\n`)
})

test('there are samples for each parser', async () => {
  expect((await faultOf('', ''))?.split(' ').toSorted()).toEqual(names.toSorted())
})

describe('a parser gives a value, or an error that says what to do', () => {
  test.each(names)(
    '%s',
    async (parser) => {
      const corpus = corpusOf(parser)
      expect(corpus.length).toBeGreaterThan(0)
      for (const text of corpus) expect(await faultOf(parser, text), text.slice(0, 300)).toBeNull()
      const property = fc.asyncProperty(inputsOf(corpus), async (text) => {
        expect(await faultOf(parser, text)).toBeNull()
      })
      // The message has the whole input: it goes into the corpus.
      await fc.assert(property, { seed: SEED, numRuns: Math.ceil(INPUTS / names.length), endOnFailure: true })
    },
    3_600_000,
  )
})
