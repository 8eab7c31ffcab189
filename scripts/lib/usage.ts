import { spawnSync } from 'node:child_process'

/** Of the processes that it waited for, the kernel keeps the largest one's size, and their time (getrusage(2)). */
const SCRIPT = `import resource, subprocess, sys, time
before = resource.getrusage(resource.RUSAGE_CHILDREN) # what started python3 may have been a script, as pyenv's is
times, expected, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
begin = time.monotonic()
for _ in range(times):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode == expected, done
wall = time.monotonic() - begin
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
print(usage.ru_maxrss, cpu * 1000 / times, wall * 1000 / times)`

/** The cost of a command with all processes that it starts. */
export interface Usage {
  /** The memory of the largest process, in KiB. */
  readonly peakKib: number
  readonly cpuMs: number
  readonly wallMs: number
}

interface Options {
  readonly cwd?: string
  /** The mean of this number of runs; default 1. */
  readonly times?: number
  /** The expected exit code; default 0. */
  readonly expected?: number
}

export function usageOf(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  { cwd, times = 1, expected = 0 }: Options = {},
): Usage {
  const args = ['-c', SCRIPT, String(times), String(expected), ...command]
  const { status, stdout, stderr } = spawnSync('python3', args, { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`)
  const [peakKib = Number.NaN, cpuMs = Number.NaN, wallMs = Number.NaN] = stdout.trim().split(' ').map(Number)
  return { peakKib, cpuMs, wallMs }
}
