import { run } from './process.ts'

const NOTIFY_TIMEOUT_MS = 5_000
/** Thousands of short migrations must not mean thousands of programs. */
const PAUSE_MS = 250

/**
 * Tells systemd what `systemctl status` shows on its `Status:` line (sd_notify(3)); null where nobody listens. Node.js
 * cannot write to its socket: systemd-notify(1) does, one at a time, and of what is said meanwhile only the last.
 */
export function createNotifier(env: NodeJS.ProcessEnv): ((status: string) => void) | null {
  if (env.NOTIFY_SOCKET === undefined) return null
  const own = { NOTIFY_SOCKET: env.NOTIFY_SOCKET, PATH: env.PATH }
  let waiting: string | null = null
  let isBusy = false
  let pause: NodeJS.Timeout | undefined
  const send = async () => {
    pause = undefined
    if (waiting === null) return
    isBusy = true
    const status = `--status=${waiting}`
    waiting = null
    const options = { env: own, timeoutMs: NOTIFY_TIMEOUT_MS }
    await run('systemd-notify', [status], options).catch(() => undefined) // there is none: the journal has it all
    isBusy = false
    pause = setTimeout(send, PAUSE_MS)
    if (waiting === null) pause.unref() // nothing is left to say: no reason to stay
  }
  return (status) => {
    waiting = status
    if (pause) pause.ref()
    else if (!isBusy) void send()
  }
}
