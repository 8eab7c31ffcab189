import { run } from './process.ts'

const NOTIFY_TIMEOUT_MS = 5_000
/** Thousands of short migrations must not start thousands of programs. */
const PAUSE_MS = 250

/**
 * Sends texts to systemd for the `Status:` line of `systemctl status` (sd_notify(3)); null without its socket. Node.js
 * cannot write to it, so systemd-notify(1) does, one at a time: of the texts that come meanwhile it sends the last.
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
    await run('systemd-notify', [status], options).catch(() => undefined) // systemd-notify is missing: the journal has the same text
    isBusy = false
    pause = setTimeout(send, PAUSE_MS)
    if (waiting === null) pause.unref() // must not keep the program running
  }
  return (status) => {
    waiting = status
    if (pause) pause.ref()
    else if (!isBusy) void send()
  }
}
