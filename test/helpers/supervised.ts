import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'
import { DIST } from './programs.ts'
import { until } from './until.ts'

export interface Supervised {
  /** What it and the service printed so far. */
  output(): string
  /** The pid of the service's main process. */
  mainPid(): number | undefined
  readonly process: ChildProcess
  /** Ends it as a container's end does; its exit code. */
  stop(): Promise<number | null>
}

/** `telec run` in the computer's checkout; resolves when the service runs and the first poll is over. */
export async function telecRun(
  computer: Computer,
  command: readonly string[],
  program = join(DIST, 'telec'),
): Promise<Supervised> {
  const child = spawn(process.execPath, [program, 'run', '--', ...command], {
    cwd: computer.checkout,
    env: computer.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill()) // also where the test failed before its end
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const mainPid = () => {
    const main = computer.state('supervisor.json')?.main as { pid: number } | null | undefined
    return main?.pid
  }
  // A poll that finds nothing new leaves only its time behind.
  const polledAt = () => statSync(join(computer.home, 'watch_state.json'), { throwIfNoEntry: false })?.mtimeMs
  const before = polledAt()
  await until('the service to run', async () => mainPid() !== undefined)
  await until('the first poll', async () => polledAt() !== before)
  return {
    output: () => output,
    mainPid,
    process: child,
    async stop() {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      const [code] = (await exit) as [number | null]
      return code
    },
  }
}
