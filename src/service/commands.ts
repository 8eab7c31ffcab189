import { TelecError } from '../system/errors.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'

/** A command of a service manager. */
export interface ManagerCommand {
  readonly argv: readonly string[]
  /** It fails where there is nothing to do. */
  readonly mayFail?: boolean
  /** After these exit codes it is run again for some seconds. */
  readonly againAfter?: readonly number[]
  readonly timeoutMs?: number
  /** Instead of what the caller hints at, where it fails. */
  readonly hint?: string
}

/** A start or a stop waits for its job; units may take 90 s by default, and longer where they say so. */
const TIMEOUT_MS = 5 * 60_000
/** launchd takes up to 5 s to let go of a job, and says so by exit codes, which may mean something else. */
const AGAIN_FOR_MS = 15_000
const AGAIN_EVERY_MS = 500

/** A timer or an ssh command has no session, but systemctl --user needs to know where the user's bus is. */
export function managerEnvironment(world: World): NodeJS.ProcessEnv {
  return { ...world.env, LC_ALL: 'C', XDG_RUNTIME_DIR: world.env.XDG_RUNTIME_DIR ?? `/run/user/${world.uid}` }
}

/** Runs a command to its end, whatever that is. */
export function tryCommand(
  world: World,
  [program = '', ...args]: readonly string[],
  timeoutMs = TIMEOUT_MS,
): Promise<RunResult> {
  return world.run(program, args, { env: managerEnvironment(world), timeoutMs })
}

/**
 * What systemctl says of a manager that is away for a moment: it is upgraded (daemon-reexec), or its bus is restarted.
 * sd-bus(3) has these errors; LC_ALL=C keeps them in English.
 */
const AWAY =
  /connect to (\w+ scope )?bus|Connection (refused|reset by peer|timed out|is closed)|Transport endpoint is not connected|Broken pipe|disconnected from message bus|peer disconnected|not receive a reply|org\.freedesktop\.(systemd1|DBus\.Error\.NoReply)|bus is shutting down/i

/** Whether it failed because the manager did not answer, and not by what the manager said. */
function isUnanswered({ endedBy, stderr }: RunResult): boolean {
  return endedBy === 'timeout' || AWAY.test(stderr)
}

/** Throws `later` where the manager does not answer, else `halted` with the command's own words. @returns what it printed. */
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
  const because = result.stderr.trim() || `exit code ${result.code}`
  throw new TelecError(isUnanswered(result) ? 'later' : 'halted', `${argv.join(' ')} failed`, {
    because,
    hint: own ?? hint,
  })
}
