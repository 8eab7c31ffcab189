import { spawn } from 'node:child_process'
import { commandAs } from '../../system/account.ts'
import {
  adoptGroup,
  endGroup,
  markEnvironment,
  processesLeft,
  signalGroup,
  signalIfThere,
} from '../../system/groups.ts'
import { abandonPipes, collectOutput } from './output.ts'
import type { Applied, FunctionName } from './protocol.ts'
import type { Failure, Runtime, RuntimeOptions } from './runtime.ts'

/** Any executable file: `FILE check` leaves with 0 (applied) or 1 (not yet), `FILE migrate` with 0 (done). */
export function executableRuntime(options: RuntimeOptions): Runtime {
  return {
    call: (file, name) => callExecutable(file, name, options),
    async apply([job], onApplied) {
      const applied = job ? await applyExecutable(job.file, options) : null
      if (typeof applied !== 'string') return applied
      onApplied(applied, null)
      return null
    },
    close: async () => undefined, // each call is a process of its own
  }
}

async function applyExecutable(file: string, options: RuntimeOptions): Promise<Applied | Failure> {
  const checked = await callExecutable(file, 'check', options)
  if (checked !== false) return checked === true ? 'satisfied' : checked
  const migrated = await callExecutable(file, 'migrate', options)
  if (migrated !== true) return migrated === false ? 'refused' : migrated
  const again = await callExecutable(file, 'check', options)
  return typeof again === 'boolean' ? (again ? 'run' : 'pending') : again
}

function callExecutable(
  file: string,
  name: FunctionName,
  options: RuntimeOptions,
): Promise<boolean | Failure> {
  return new Promise((resolve) => {
    const env = markEnvironment(options.env)
    const [command = '', ...args] = commandAs(options.owner, [file, name])
    const child = spawn(command, args, {
      cwd: options.cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    abandonPipes(child)
    const { pid } = child
    const forget = pid === undefined ? () => false : adoptGroup(pid)
    let broken: string | null = null
    let left: readonly number[] = []
    const stop = (why: string) => {
      broken ??= why
      if (pid !== undefined) endGroup(pid).unref()
    }
    const output = collectOutput(options.onLine, () => stop('it printed more than 16 MiB'))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => output.add(chunk, stream))
    const timer = setTimeout(
      () => stop(`it was still running after ${options.timeoutMs / 1000} s`),
      options.timeoutMs,
    )
    const fail = (error: string) => resolve({ at: name, error, output: output.tail() })
    child.on('error', (error) => {
      clearTimeout(timer)
      fail(`cannot be started: ${error.message}`)
    })
    // What it left running may hold its pipes open: look when it exits, not when they close.
    child.on('exit', () => {
      left = pid === undefined ? [] : processesLeft(pid, env)
      if (left.length > 0) stop(`it left processes running: pid ${left.join(', ')}`)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      forget()
      output.tail() // logs a last line that does not end
      if (broken !== null) {
        if (pid !== undefined) signalGroup(pid, 'SIGKILL') // what outlived it
        for (const one of left) signalIfThere(one, 'SIGKILL')
        fail(broken)
      } else if (code === 0) resolve(true)
      else if (code === 1) resolve(false)
      else fail(`it ended with ${signal ?? `exit code ${code}`}; ${name} takes 0 or 1`)
    })
  })
}
