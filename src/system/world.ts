import { realpathSync } from 'node:fs'
import { homedir, hostname, uptime, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { systemErrorCode } from './errors.ts'
import { readText } from './files.ts'
import { createLog, type Log, printable, printableDocument } from './log.ts'
import { createNotifier } from './notify.ts'
import { type Run, run } from './process.ts'

/** All that a program needs from outside itself, made once in `main`: so that tests can pass their own. */
export interface World {
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  readonly home: string
  readonly hostname: string
  readonly platform: NodeJS.Platform
  readonly uid: number
  user(): string
  readonly pid: number
  readonly program: {
    readonly name: string
    /** The bundle that is running, links resolved: its neighbours are the other bundles. */
    readonly path: string
    /** What it was asked for. */
    readonly args: readonly string[]
    readonly node: string
    readonly nodeVersion: string
  }
  readonly log: Log
  now(): number
  /** Milliseconds that never jump, for measuring and for deadlines. */
  monotonic(): number
  /** When the computer was started, by the clock as it is now. */
  bootedAt(): number
  /** Which boot of the computer this is, whatever its clock says (random(4)); null where the system does not tell. */
  bootId(): string | null
  sleep(ms: number): Promise<void>
  readonly run: Run
  /**
   * Writes to standard output: a text with its control characters escaped, data as JSON with its version.
   *
   * @param before goes in front of it as it is: a colour, or what clears the screen.
   */
  out(what: string | object, before?: string): void
}

export function realWorld(programName: string): World {
  const notify = createNotifier(process.env)
  delete process.env.NOTIFY_SOCKET // what is said to systemd is not for the install command or a migration to say
  return {
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    hostname: hostname(),
    platform: process.platform,
    uid: process.getuid?.() ?? 0,
    user: userName,
    pid: process.pid,
    program: {
      name: programName,
      path: realpathSync(process.argv[1] ?? process.execPath),
      args: process.argv.slice(2),
      node: process.execPath,
      nodeVersion: process.versions.node,
    },
    log: createLog(() => withoutReader(process.stderr), process.env, notify),
    now: Date.now,
    monotonic: () => Number(process.hrtime.bigint()) / 1e6, // CLOCK_MONOTONIC, as systemd counts
    bootedAt: () => Date.now() - uptime() * 1000,
    bootId: () => readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null,
    // Not that of node:timers/promises, which takes a poll two milliseconds to load.
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    run,
    out: (what, before = '') =>
      withoutReader(process.stdout).write(
        before + (typeof what === 'string' ? printable(what) : `${printableDocument(what, 2)}\n`),
      ),
  }
}

/** The reader of our output may have closed it (`| head`): no reason to stop in the middle of work. */
export function withoutReader<Stream extends NodeJS.WriteStream>(stream: Stream): Stream {
  if (!stream.listeners('error').includes(passOver)) stream.on('error', passOver)
  return stream
}

function passOver(error: unknown): void {
  if (systemErrorCode(error) !== 'EPIPE') throw error
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}` // a container may have no entry for it
  }
}

/** One of telec's programs beside the one that is running, as it is on disk now; null where there is none. */
export function programText({ program }: World, path = program.path): string | null {
  return readText(path) // not its hash: that takes longer than to compare the whole
}

/** The front door, which has the commands that telec-update has not. */
export function frontDoor({ program }: World): string {
  return join(dirname(program.path), 'telec')
}

/** The latest time that there is in JavaScript (ECMA-262). */
const LATEST_MS = 8.64e15

/** Seconds since 1970 as somebody else wrote them, ISO 8601, whatever is there. Pure. */
export function isoOfSeconds(text: string): string {
  return new Date(Math.min(Math.max(0, (Number(text) || 0) * 1000), LATEST_MS)).toISOString()
}

/** The time of day, ISO 8601, as state files have it. */
export function isoTime(world: World): string {
  return new Date(world.now()).toISOString()
}
