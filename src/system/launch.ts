import type { Launch } from './process.ts'

/** For commands that users wrote. git and systemctl start without execa, which loads slower than they run. */
export async function loadLaunch(): Promise<Launch> {
  const { execa } = await import('execa')
  return (command, args, { stdio = 'pipe', ...options }) => {
    const ours = { ...options, stdio, extendEnv: false, buffer: false, reject: false, cleanup: false }
    const child = execa(command, args, ours as object)
    if (child.pid === undefined) void child.then(({ cause }) => child.emit('error', cause)) // it did not start
    return child
  }
}
