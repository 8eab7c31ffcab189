import { adoptGroup, endGroup, signalGroup } from './groups.ts'
import type { World } from './world.ts'

export interface StreamOptions {
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  readonly timeoutMs: number
  /** Called for each line of its standard output and error, as it comes. */
  onLine(line: string): void
}

/** Runs a program, hands over its output line by line, resolves at its end. */
export type Stream = (
  command: readonly string[],
  options: StreamOptions,
) => Promise<{ code: number | null; signal: NodeJS.Signals | null; endedBy: 'timeout' | null }>

/** A world in which long work can be followed: what runs updates needs it, what polls every minute does not. */
export interface StreamingWorld extends World {
  readonly stream: Stream
  /** Loads what `stream` needs, a tenth of an update: for whoever has to wait anyway, and streams later. */
  prepareStream(): Promise<unknown>
}

export const prepareStream = () => import('execa')

export const stream: Stream = async ([program = '', ...args], options) => {
  const { execa } = await prepareStream()
  const child = execa(program, args, {
    cwd: options.cwd,
    env: options.env,
    extendEnv: false,
    detached: true,
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
  })
  const { pid } = child
  let endedBy: 'timeout' | null = null
  let killTimer: NodeJS.Timeout | undefined
  const timer = setTimeout(() => {
    endedBy = 'timeout'
    if (pid !== undefined) killTimer = endGroup(pid)
  }, options.timeoutMs)
  const forget = pid === undefined ? () => false : adoptGroup(pid)
  try {
    for await (const line of child.iterable({ from: 'all' })) options.onLine(String(line))
    const { exitCode, signal } = await child
    return { code: exitCode ?? null, signal: (signal as NodeJS.Signals | undefined) ?? null, endedBy }
  } finally {
    clearTimeout(timer)
    clearTimeout(killTimer)
    if (pid !== undefined) signalGroup(pid, 'SIGKILL') // whatever it left running
    forget()
  }
}
