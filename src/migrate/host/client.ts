import { type ChildProcess, spawn } from 'node:child_process'
import { source as hostSource } from 'packed:migrate/host/host.ts'
import { source as loaderSource } from 'packed:migrate/host/typescript-loader.ts'
import { adoptGroup, endGroup } from '../../system/process.ts'
import type { World } from '../../system/world.ts'
import type { Answer, Call, Prepare } from './protocol.ts'

/** What is kept of a migration's output, for the message of a failure. */
const TAIL_LINES = 20

/** What Node.js would say about the author's choice of file format: true, and of no use in a log. */
const QUIET = ['ExperimentalWarning', 'MODULE_TYPELESS_PACKAGE_JSON'].map(
  (name) => `--disable-warning=${name}`,
)

export type CallResult =
  | { readonly ok: true; readonly value: boolean }
  /** `error` says what happened; `output` is the end of what the migration printed. */
  | { readonly ok: false; readonly error: string; readonly output: string }

export interface MigrationHost {
  /** Calls `check` or `migrate` of a migration. Never throws for what the migration does. */
  call(call: Call, timeoutMs: number): Promise<CallResult>
  close(): void
}

/** A Node.js process for migrations, started at the first call and anew after one that it did not survive. */
export function migrationHost(
  world: World,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; onLine(line: string): void },
): MigrationHost {
  let child: ChildProcess | null = null
  let tail: string[] = []

  const start = (): ChildProcess => {
    const started = spawn(world.program.node, [...QUIET, '-'], {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    })
    const forget = started.pid === undefined ? () => false : adoptGroup(started.pid)
    started.on('close', () => {
      forget()
      if (child === started) child = null
    })
    for (const stream of [started.stdout, started.stderr])
      eachLine(stream, (line) => {
        tail = [...tail, line].slice(-TAIL_LINES)
        options.onLine(line)
      })
    started.stdin?.end(hostSource())
    started.send({
      loader: (process.features as { typescript?: unknown }).typescript ? null : loaderSource(),
    } satisfies Prepare)
    return started
  }

  return {
    async call(call, timeoutMs) {
      const host = child ?? start()
      child = host
      tail = []
      const answer = await ask(host, call, timeoutMs)
      if ('value' in answer) return { ok: true, value: answer.value }
      await end(host) // with it goes what the migration left running, and all of its output has come
      return { ok: false, error: answer.error, output: tail.join('\n') }
    },
    close() {
      if (child) void end(child)
    },
  }
}

function ask(host: ChildProcess, call: Call, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const finish = (answer: Answer) => {
      clearTimeout(timer)
      host.off('message', onMessage)
      host.off('exit', onExit)
      resolve(answer)
    }
    const onMessage = (answer: unknown) => finish(answer as Answer)
    const onExit = (code: number | null, signal: string | null) =>
      finish({ error: `it ended the process that it ran in, with ${signal ?? `exit code ${code}`}` })
    const timer = setTimeout(
      () => finish({ error: `${call.name}() was still running after ${timeoutMs / 1000} s` }),
      timeoutMs,
    )
    host.on('message', onMessage)
    host.on('exit', onExit)
    host.send(call, (error) => error && finish({ error: error.message }))
  })
}

function end(host: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (host.pid === undefined || host.exitCode !== null || host.signalCode !== null) return resolve()
    const timer = endGroup(host.pid)
    host.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

function eachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = ''
  stream?.setEncoding('utf8')
  stream?.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  stream?.on('end', () => rest && onLine(rest))
}
