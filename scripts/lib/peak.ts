import { spawnSync } from 'node:child_process'

/** Of the processes that it waited for, the kernel keeps the largest one's size, and their time (getrusage(2)). */
const SCRIPT = `import resource, subprocess, sys
before = resource.getrusage(resource.RUSAGE_CHILDREN) # what started python3 may have been a script, as pyenv's is
for _ in range(int(sys.argv[1])):
    subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime)`

/** The memory of the largest process that a command is, or starts, in KiB. */
export function peakKib(command: readonly string[], env: NodeJS.ProcessEnv): number {
  return usage(command, env, 1)[0] ?? Number.NaN
}

/** The CPU's time that a command takes with all that it starts, in seconds: the mean of so many times. */
export function cpuSeconds(command: readonly string[], env: NodeJS.ProcessEnv, times: number): number {
  return (usage(command, env, times)[1] ?? Number.NaN) / times
}

function usage(command: readonly string[], env: NodeJS.ProcessEnv, times: number): number[] {
  const { stdout } = spawnSync('python3', ['-c', SCRIPT, String(times), ...command], {
    env,
    encoding: 'utf8',
  })
  return stdout.trim().split(' ').map(Number)
}
