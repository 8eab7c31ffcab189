import type { Readable, Writable } from 'node:stream'
import type { Entry } from '../../state/migrations.ts'
import { commandAs } from '../../system/account.ts'
import type { TelecError } from '../../system/errors.ts'
import { namesOf, signalIfThere } from '../../system/groups.ts'
import { collectLines } from '../../system/lines.ts'
import { start } from '../../system/process.ts'
import {
  ANSWERS_FD,
  type Answer,
  type Applied,
  type FunctionName,
  REQUESTS_FD,
  type Request,
} from './protocol.ts'
import { MOST_OUTPUT, PRINTED_TOO_MUCH, type Runtime, type RuntimeOptions } from './runtime.ts'

export interface HostProgram {
  readonly command: string
  readonly args: readonly string[]
  /** Written to its standard input. */
  readonly input: string
  /** How to get the interpreter, where it is not there. */
  readonly hint: string
}

type Host = ReturnType<typeof startHost>

/** A process that runs one migration after the other; started at the first call, and anew after a failure. */
export function hostRuntime(program: () => HostProgram, options: RuntimeOptions): Runtime {
  let host: Host | null = null
  const ask = async (request: Request, onValue: OnValue) => {
    host ??= startHost(program(), options)
    const fault = await host.ask(request, onValue)
    if (fault === null) return null
    const failed = host
    host = null
    await failed.end() // with it goes what the migration left running, and all of its output has come
    return { ...fault, output: failed.output() }
  }
  return {
    async call(file, name) {
      let returned = false
      const failure = await ask({ name, file }, (value) => {
        returned = value === true
      })
      return failure ?? returned
    },
    apply: (jobs, onApplied) =>
      ask({ name: 'apply', jobs, records: options.recorder !== null }, (value, entry) =>
        onApplied(value as Applied, entry),
      ),
    async close() {
      await host?.end()
      host = null
    },
  }
}

interface Fault {
  readonly error: string
  readonly at: FunctionName | null
}

type OnValue = (value: boolean | Applied, entry: Entry | null) => void

function startHost(program: HostProgram, options: RuntimeOptions) {
  let output = collectLines(options.onLine)
  let printed = 0
  let onAnswer: (answer: Answer) => void = () => undefined
  let onEnd: (how: string) => void = () => undefined
  const [command = '', ...args] = commandAs(options.owner, [program.command, ...program.args])
  const host = start(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe', options.recorder?.journal() ?? 'ignore'],
    isMarked: true,
    onOutput(text, stream) {
      printed += text.length
      if (printed > MOST_OUTPUT) onEnd(PRINTED_TOO_MUCH)
      else output.add(text, stream)
    },
  })
  const { child } = host
  const ended = host.ended.then(
    () => void output.end(), // logs a last line that does not end
    (error: TelecError) => onEnd(`cannot start ${command}: ${error.because}; ${program.hint}`),
  )
  const requests = child.stdio[REQUESTS_FD] as Writable
  eachLine(child.stdio[ANSWERS_FD] as Readable, (line) => onAnswer(readAnswer(line)))
  child.on('exit', (code, signal) =>
    onEnd(`it ended the process that it ran in, with ${signal ?? `exit code ${code}`}`),
  )
  child.stdin?.end(program.input)
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  let isSuspect = false
  /** An answer is good only if nothing of the migration is at work any more. */
  const faultIn = (answer: Exclude<Answer, { timeout: number } | { unrecorded: unknown }>): Fault | null => {
    if ('error' in answer) return answer
    if (answer.left && answer.left.length > 0)
      return { at: null, error: `it left work behind that it did not wait for: ${answer.left.join(', ')}` }
    const others = answer.spawns ? host.left() : []
    if (others.length === 0) return null
    return { at: null, error: `it left processes running: ${namesOf(others)}` }
  }

  return {
    output: () => output.end(),
    /** Passes on the values that a request is answered with. Null once all have come; else the fault that ended it. */
    ask: (request: Request, onValue: OnValue): Promise<Fault | null> =>
      new Promise((resolve, reject) => {
        let awaited = request.name === 'apply' ? request.jobs.length : 1
        const finish = (fault: Fault | null) => {
          clearTimeout(timer)
          onAnswer = () => undefined
          onEnd = () => undefined
          isSuspect = fault !== null
          resolve(fault)
        }
        const fail = (error: string) => finish({ error, at: request.name === 'apply' ? null : request.name })
        const limit = (ms: number) => setTimeout(() => fail(`it was still running after ${ms / 1000} s`), ms)
        const begin = () => {
          output.end()
          output = collectLines(options.onLine)
          printed = 0
          return limit(options.timeoutMs)
        }
        let timer = begin()
        onAnswer = (answer) => {
          clearTimeout(timer)
          if ('timeout' in answer) {
            timer = limit(answer.timeout * 1000)
            return
          }
          if ('unrecorded' in answer) {
            reject(options.recorder?.failure(Object.assign(new Error(), answer.unrecorded)))
            return finish(null)
          }
          const fault = faultIn(answer)
          if (fault !== null || 'error' in answer) return finish(fault)
          const entry = answer.entry ?? null
          try {
            onValue(answer.value, entry)
          } catch (error) {
            reject(error)
            return finish(null)
          }
          awaited -= 1
          if (entry === null || awaited === 0) finish(null)
          else timer = begin()
        }
        onEnd = fail
        if (hasEnded()) onEnd('the process that it ran in has ended')
        else requests.write(`${JSON.stringify(request)}\n`)
      }),
    async end(): Promise<void> {
      const outliving = isSuspect ? host.left() : []
      if (hasEnded()) host.kill()
      else host.end()
      await ended
      host.kill()
      for (const { pid } of outliving) signalIfThere(pid, 'SIGKILL')
    },
  }
}

/** A migration can write where only its host should. */
function readAnswer(line: string): Answer {
  try {
    const answer: unknown = JSON.parse(line)
    if (typeof answer === 'object' && answer !== null) return answer as Answer
  } catch {
    // as any other line that is no answer
  }
  return { error: `it wrote to file descriptor ${ANSWERS_FD}, which is not its own`, at: null }
}

function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}
