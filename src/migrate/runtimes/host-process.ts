import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { adoptGroup, endGroup, membersOfGroup, signalGroup } from '../../system/process.ts'
import { abandonPipes, collectOutput, type Output } from './output.ts'
import {
  ANSWERS_FD,
  type Answer,
  type Applied,
  type FunctionName,
  REQUESTS_FD,
  type Request,
} from './protocol.ts'
import type { CallResult, Runtime, RuntimeOptions } from './runtime.ts'

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
  const ask = async <Value>(request: Request): Promise<CallResult<Value>> => {
    host ??= startHost(program(), options)
    const outcome = await host.ask(request)
    if ('value' in outcome) return { ok: true, value: outcome.value as Value }
    const failed = host
    host = null
    await failed.end() // with it goes what the migration left running, and all of its output has come
    return { ok: false, ...outcome, output: failed.output() }
  }
  return {
    call: (file, name) => ask({ file, name }),
    apply: (file) => ask({ file, name: 'apply' }),
    async close() {
      await host?.end()
      host = null
    },
  }
}

type Outcome =
  | { readonly value: boolean | Applied }
  | { readonly error: string; readonly at: FunctionName | null }

function startHost(program: HostProgram, options: RuntimeOptions) {
  const child = spawn(program.command, program.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const forget = child.pid === undefined ? () => false : adoptGroup(child.pid)
  child.on('close', () => {
    forget()
    output.tail() // logs a last line that does not end
  })
  const requests = child.stdio[REQUESTS_FD] as Writable
  const answers = child.stdio[ANSWERS_FD] as Readable
  let output: Output = collectOutput(options.onLine, () => undefined)
  let onAnswer: (answer: Answer) => void = () => undefined
  let onEnd: (how: string) => void = () => undefined
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => output.add(chunk, stream))
  for (const stream of [child.stdin, requests]) stream?.on('error', () => undefined) // its exit tells
  eachLine(answers, (line) => onAnswer(readAnswer(line)))
  abandonPipes(child)
  child.on('error', (error) => onEnd(`cannot start ${program.command}: ${error.message}; ${program.hint}`))
  child.on('exit', (code, signal) =>
    onEnd(`it ended the process that it ran in, with ${signal ?? `exit code ${code}`}`),
  )
  child.stdin?.end(program.input)

  return {
    output: () => output.tail(),
    ask: (request: Request): Promise<Outcome> =>
      new Promise((resolve) => {
        const finish = (outcome: Outcome) => {
          clearTimeout(timer)
          onAnswer = () => undefined
          onEnd = () => undefined
          resolve(outcome)
        }
        const fail = (error: string) => finish({ error, at: request.name === 'apply' ? null : request.name })
        const limit = (ms: number) => setTimeout(() => fail(`it was still running after ${ms / 1000} s`), ms)
        let timer = limit(options.timeoutMs)
        output.tail()
        output = collectOutput(options.onLine, () => fail('it printed more than 16 MiB'))
        onAnswer = (answer) => {
          if ('timeout' in answer) {
            clearTimeout(timer)
            timer = limit(answer.timeout * 1000)
          } else finish(judge(child, answer))
        }
        onEnd = fail
        if (child.exitCode !== null || child.signalCode !== null)
          onEnd('the process that it ran in has ended')
        else requests.write(`${JSON.stringify(request)}\n`)
      }),
    end: (): Promise<void> =>
      new Promise((resolve) => {
        if (child.pid === undefined) return resolve()
        if (child.exitCode !== null || child.signalCode !== null) {
          signalGroup(child.pid, 'SIGKILL') // what outlived it
          return resolve()
        }
        const { pid } = child
        const timer = endGroup(pid)
        child.on('close', () => {
          clearTimeout(timer)
          signalGroup(pid, 'SIGKILL') // what outlived it
          resolve()
        })
      }),
  }
}

/** An answer is good only if nothing of the migration is at work any more. */
function judge(child: ChildProcess, answer: Exclude<Answer, { timeout: number }>): Outcome {
  if ('error' in answer) return answer
  if (answer.left && answer.left.length > 0)
    return { at: null, error: `it left work behind that it did not wait for: ${answer.left.join(', ')}` }
  const others =
    answer.spawns && child.pid ? membersOfGroup(child.pid).filter((pid) => pid !== child.pid) : []
  if (others.length > 0) return { at: null, error: `it left processes running: pid ${others.join(', ')}` }
  return { value: answer.value }
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
