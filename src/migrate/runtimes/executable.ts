import { spawn } from 'node:child_process'
import { adoptGroup, endGroup, membersOfGroup, signalGroup } from '../../system/process.ts'
import { abandonPipes, collectOutput } from './output.ts'
import type { Applied, FunctionName } from './protocol.ts'
import type { CallResult, Runtime, RuntimeOptions } from './runtime.ts'

/** Any executable file: `FILE check` leaves with 0 (applied) or 1 (not yet), `FILE migrate` with 0 (done). */
export function executableRuntime(options: RuntimeOptions): Runtime {
  return {
    call: (file, name) => callExecutable(file, name, options),
    apply: (file) => applyExecutable(file, options),
    close: async () => undefined, // each call is a process of its own
  }
}

async function applyExecutable(file: string, options: RuntimeOptions): Promise<CallResult<Applied>> {
  const checked = await callExecutable(file, 'check', options)
  if (!checked.ok) return checked
  if (checked.value) return { ok: true, value: 'satisfied' }
  const migrated = await callExecutable(file, 'migrate', options)
  if (!migrated.ok) return migrated
  if (!migrated.value) return { ok: true, value: 'refused' }
  const again = await callExecutable(file, 'check', options)
  return again.ok ? { ok: true, value: again.value ? 'run' : 'pending' } : again
}

function callExecutable(
  file: string,
  name: FunctionName,
  options: RuntimeOptions,
): Promise<CallResult<boolean>> {
  return new Promise((resolve) => {
    const child = spawn(file, [name], {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    abandonPipes(child)
    const { pid } = child
    const forget = pid === undefined ? () => false : adoptGroup(pid)
    let broken: string | null = null
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
    const fail = (error: string) => resolve({ ok: false, at: name, error, output: output.tail() })
    child.on('error', (error) => {
      clearTimeout(timer)
      fail(`cannot be started: ${error.message}`)
    })
    // What it left running may hold its pipes open: look when it exits, not when they close.
    child.on('exit', () => {
      const left = pid === undefined || broken ? [] : membersOfGroup(pid)
      if (left.length > 0) stop(`it left processes running: pid ${left.join(', ')}`)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      forget()
      output.tail() // logs a last line that does not end
      if (broken !== null) {
        if (pid !== undefined) signalGroup(pid, 'SIGKILL') // what outlived it
        fail(broken)
      } else if (code === 0) resolve({ ok: true, value: true })
      else if (code === 1) resolve({ ok: true, value: false })
      else fail(`it ended with ${signal ?? `exit code ${code}`}; ${name} takes 0 or 1`)
    })
  })
}
