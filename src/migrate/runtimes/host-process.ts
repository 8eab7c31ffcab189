import type { Readable, Writable } from 'node:stream'
import * as v from 'valibot'
import { NOT_FOUND, searched } from '../../service/programs-found.ts'
import type { TelecError } from '../../system/errors.ts'
import { type Leftover, namesOf, signalIfThere } from '../../system/groups.ts'
import { collectLines } from '../../system/lines.ts'
import { LEFTOVERS_MS, start } from '../../system/process.ts'
import { fromJson, NumberSchema } from '../../system/schemas.ts'
import { callFailure } from '../failure.ts'
import { ANSWERS_FD, type Answer, LOADER_FD, REQUESTS_FD, type TimeLimit } from './protocol.ts'
import {
  CALL_TIMEOUT_MS,
  logLine,
  MOST_OUTPUT,
  PRINTED_TOO_MUCH,
  type Runtime,
  type Surroundings,
} from './runtime.ts'

/** A program that calls functions of the migration in its last argument; see protocol.ts. */
interface HostProgram {
  readonly command: string
  readonly args: readonly string[]
  /** Its standard input. */
  readonly input: string | Buffer
  /** The text at LOADER_FD. */
  readonly loader?: Buffer
  /** How to get a missing interpreter. */
  readonly hint: string
}

/** Runs each migration in its own process. */
export function hostRuntime(programOf: (surroundings: Surroundings) => HostProgram): Runtime {
  return (migration, surroundings) => {
    const { world, checkout, env } = surroundings
    const program = programOf(surroundings)
    const output = collectLines(logLine(world))
    let printed = 0
    let breakOff: (error: string) => void = () => undefined
    const broken = new Promise<{ error: string }>((resolve) => {
      breakOff = (error) => resolve({ error })
    })
    const { command } = program
    const host = start(command, [...program.args, migration.path], {
      cwd: checkout,
      env,
      stdio: Array(program.loader ? 6 : 5).fill('pipe'),
      isMarked: true,
      leftoversMs: LEFTOVERS_MS,
      onOutput(text, stream) {
        printed += text.length
        if (printed > MOST_OUTPUT) breakOff(PRINTED_TOO_MUCH)
        else output.add(text, stream)
      },
    })
    const { child } = host
    const ended = host.ended.catch((error: TelecError) =>
      breakOff(`cannot start ${command}: ${error.because}; ${program.hint}\n${searched(env)}`),
    )
    child.on('exit', (code, signal) =>
      breakOff(
        `it ended its process, with ${signal ?? `exit code ${code}`}${code === NOT_FOUND ? `\n${searched(env)}` : ''}`,
      ),
    )
    child.stdin?.end(program.input)
    const more = (child.stdio as readonly unknown[])[LOADER_FD] as Writable | undefined
    more?.end(program.loader)
    const requests = child.stdio[REQUESTS_FD] as Writable
    let onAnswer: (answer: Answer | TimeLimit) => void = () => undefined
    eachLine(child.stdio[ANSWERS_FD] as Readable, (line) => onAnswer(readAnswer(line)))

    let ending: Promise<readonly Leftover[]> | null = null
    /** Ends the process and all that it started, and reads the rest of the output. @returns its leftovers. */
    const end = (isDone: boolean) => {
      ending ??= (async () => {
        requests.end() // the host then exits normally, with the helpers that its language started
        const timer = setTimeout(() => host.end(), isDone ? LEFTOVERS_MS : 0)
        child.on('exit', () => clearTimeout(timer)) // now its leftovers have time to exit
        await ended.finally(() => clearTimeout(timer))
        const leftovers = host.leftovers()
        host.kill()
        for (const { pid } of leftovers) signalIfThere(pid, 'SIGKILL')
        return leftovers
      })()
      return ending
    }
    return {
      async call(name) {
        let timer: NodeJS.Timeout | undefined
        const answering = new Promise<Answer | { error: string }>((resolve) => {
          const limit = (ms: number) => {
            clearTimeout(timer)
            timer = setTimeout(() => resolve({ error: `it was still running after ${ms / 1000} s` }), ms)
          }
          limit(CALL_TIMEOUT_MS)
          onAnswer = (answer) => ('timeout' in answer ? limit(answer.timeout * 1000) : resolve(answer))
          requests.write(`${name}\n`)
        })
        const answer = await Promise.race([broken, answering]).finally(() => clearTimeout(timer))
        if ('value' in answer && answer.unfinished.length === 0) return answer.value
        const at = 'at' in answer ? answer.at : 'value' in answer ? null : name
        const error =
          'value' in answer
            ? `it left work behind, without waiting for it: ${answer.unfinished.join(', ')}`
            : answer.error
        await end(false)
        throw callFailure(migration, at, error, output.end())
      },
      async close() {
        const hasFailed = ending !== null
        const leftovers = await end(true)
        output.end() // logs an incomplete last line
        if (hasFailed || leftovers.length === 0) return
        throw callFailure(migration, null, `it left processes running: ${namesOf(leftovers)}`, output.end())
      },
    }
  }
}

const AnswerSchema = v.union([
  v.object({ value: v.boolean(), unfinished: v.array(v.string()) }),
  v.object({ error: v.string(), at: v.nullable(v.picklist(['check', 'migrate'])) }),
  v.object({ timeout: NumberSchema }),
])

/** A migration can write to the host's descriptor, so any text may come. */
export function readAnswer(line: string): Answer | TimeLimit {
  const foreign = { error: `it wrote to file descriptor ${ANSWERS_FD}, which is not its own`, at: null }
  return fromJson(AnswerSchema, line) ?? foreign
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}
