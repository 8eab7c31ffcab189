import { hostRuntime } from './host-process.ts'
import hostSource from './python-host.py'
import type { Runtime, RuntimeOptions } from './runtime.ts'

/** `.py` with `check()` and `migrate()` as module functions, by the python3 on the PATH. */
export function pythonRuntime(options: RuntimeOptions): Runtime {
  const program = {
    command: 'python3',
    args: ['-c', hostSource],
    input: '',
    hint: 'migrations in Python need python3 on the PATH',
  }
  return hostRuntime(() => program, options)
}
