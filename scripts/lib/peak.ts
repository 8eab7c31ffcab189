import { spawnSync } from 'node:child_process'

/** Of the processes that it waited for, the kernel keeps the largest one's size, and their time (getrusage(2)). */
const SCRIPT = `import resource, subprocess, sys
for _ in range(int(sys.argv[1])):
    subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(usage.ru_maxrss, usage.ru_utime + usage.ru_stime)`

/** The memory of the largest process that a program is, or starts, in KiB. */
export function peakKib(args: readonly string[], env: NodeJS.ProcessEnv): number {
  return usage(args, env, 1)[0] ?? Number.NaN
}

/** The CPU's time that a program takes with all that it starts, in seconds: the mean of so many times. */
export function cpuSeconds(args: readonly string[], env: NodeJS.ProcessEnv, times: number): number {
  return (usage(args, env, times)[1] ?? Number.NaN) / times
}

function usage(args: readonly string[], env: NodeJS.ProcessEnv, times: number): number[] {
  const command = ['-c', SCRIPT, String(times), process.execPath, ...args]
  const { stdout } = spawnSync('python3', command, { env, encoding: 'utf8' })
  return stdout.trim().split(' ').map(Number)
}
