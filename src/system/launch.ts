import type { Launch } from './process.ts'

/** For what people wrote, which takes its time. For git and systemctl execa would take longer to load than they run. */
export async function loadLaunch(): Promise<Launch> {
  const { execa } = await import('execa')
  return (command, args, { stdio = 'pipe', ...options }) => {
    const ours = { ...options, stdio, extendEnv: false, buffer: false, reject: false, cleanup: false }
    const child = execa(command, args, ours as object)
    if (child.pid === undefined) void child.then(({ cause }) => child.emit('error', cause)) // it could not be started
    return child
  }
}
