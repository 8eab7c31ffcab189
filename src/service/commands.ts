import { TelecError } from '../system/errors.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'

/** A command of a service manager. */
export interface ManagerCommand {
  readonly argv: readonly string[]
  /** Its failure is fine: there was nothing to do. */
  readonly mayFail?: boolean
  /** Exit codes after which it runs again, for some seconds. */
  readonly againAfter?: readonly number[]
  readonly timeoutMs?: number
  /** Replaces the caller's hint. */
  readonly hint?: string
}

/** A start or a stop waits for its job: 90 s by default, and longer where a unit says so. */
const TIMEOUT_MS = 5 * 60_000
/** launchd takes up to 5 s to unload a job; its exit codes for that have other meanings, too. */
const AGAIN_FOR_MS = 15_000
const AGAIN_EVERY_MS = 500

/** systemctl --user needs the path of the user's bus, which a timer or an ssh command does not have. */
export function managerEnvironment(world: World): NodeJS.ProcessEnv {
  return { ...world.env, LC_ALL: 'C', XDG_RUNTIME_DIR: world.env.XDG_RUNTIME_DIR ?? `/run/user/${world.uid}` }
}

export function tryCommand(
  world: World,
  [program = '', ...args]: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<RunResult> {
  return world.run(program, args, { env: managerEnvironment(world), timeoutMs })
}

/** Errors of sd-bus(3) during an upgrade of systemd (daemon-reexec) or a restart of its bus; LC_ALL=C keeps them in English. */
const AWAY =
  /connect to (\w+ scope )?bus|Connection (refused|reset by peer|timed out|is closed)|Transport endpoint is not connected|Broken pipe|disconnected from message bus|peer disconnected|not receive a reply|org\.freedesktop\.(systemd1|DBus\.Error\.NoReply)|bus is shutting down/i

/** Throws `later` where the manager does not answer, else `halted` with the command's own words. @returns its output. */
export async function runCommand(
  world: World,
  { argv, mayFail = false, againAfter = [], timeoutMs, hint: own }: ManagerCommand,
  hint: string,
): Promise<string> {
  const deadline = world.monotonic() + AGAIN_FOR_MS
  let result = await tryCommand(world, argv, timeoutMs)
  while (result.code !== null && againAfter.includes(result.code) && world.monotonic() < deadline) {
    await world.sleep(AGAIN_EVERY_MS)
    result = await tryCommand(world, argv, timeoutMs)
  }
  if (result.code === 0 || mayFail) return result.stdout
  const isUnanswered = result.endedBy === 'timeout' || AWAY.test(result.stderr)
  throw new TelecError(isUnanswered ? 'later' : 'halted', `${argv.join(' ')} failed`, {
    because: result.stderr.trim() || `exit code ${result.code}`,
    hint: own ?? hint,
  })
}
