import { spawnSync } from 'node:child_process'

/** Of the processes that it waited for, the kernel keeps the largest one's size (getrusage(2)). */
const SCRIPT =
  'import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'

/** The memory of the largest process that a program is, or starts, in KiB. */
export function peakKib(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const { stdout } = spawnSync('python3', ['-c', SCRIPT, process.execPath, ...args], {
    env,
    encoding: 'utf8',
  })
  return Number(stdout)
}
