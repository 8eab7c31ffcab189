import { realpathSync } from 'node:fs'
import { homedir, hostname, uptime, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { systemErrorCode } from './errors.ts'
import { readText } from './files.ts'
import { createLog, type Log, printable, printableDocument } from './log.ts'
import { createNotifier } from './notify.ts'
import { type Run, run } from './process.ts'

/** All that a program needs from outside itself, made once in `main`; tests pass their own. */
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
    /** The running bundle, links resolved; the other bundles are beside it. */
    readonly path: string
    readonly args: readonly string[]
    readonly node: string
    readonly nodeVersion: string
  }
  readonly log: Log
  now(): number
  /** Milliseconds that never jump, for measuring and for deadlines. */
  monotonic(): number
  /** When the computer started, by today's clock. */
  bootedAt(): number
  /** An id of the computer's boot, independent of its clock (random(4)); null where the system has none. */
  bootId(): string | null
  sleep(ms: number): Promise<void>
  readonly run: Run
  /** Prints a text with control characters escaped, or data as JSON with its version. @param before is not escaped. */
  out(what: string | object, before?: string): void
}

export function realWorld(programName: string): World {
  const notify = createNotifier(process.env)
  delete process.env.NOTIFY_SOCKET // install commands and migrations must not write to systemd
  return {
    env: process.env,
    cwd: currentFolder(),
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
    // node:timers/promises would cost a poll two milliseconds to load.
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    run,
    out: (what, before = '') =>
      withoutReader(process.stdout).write(
        before + (typeof what === 'string' ? printable(what) : `${printableDocument(what, 2)}\n`),
      ),
  }
}

/** The reader of the output may close it (`| head`), and a log may be on a full disk: neither must end the work. */
export function withoutReader<Stream extends NodeJS.WriteStream>(stream: Stream): Stream {
  if (!stream.listeners('error').includes(ignoreClosedPipe)) stream.on('error', ignoreClosedPipe)
  return stream
}

function ignoreClosedPipe(this: NodeJS.WriteStream, error: unknown): void {
  if (this !== process.stderr && systemErrorCode(error) !== 'EPIPE') throw error
}

function currentFolder(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/' // it was removed, perhaps by an update
  }
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}` // in a container a user may have no name
  }
}

/** The path of the program `telec`. */
export function frontDoor({ program }: World): string {
  return join(dirname(program.path), 'telec')
}

/** JavaScript has no later time (ECMA-262). */
const LATEST_MS = 8.64e15

/** Seconds since 1970 that another program wrote, as ISO 8601; any text gives a time. Pure. */
export function isoOfSeconds(text: string): string {
  return new Date(Math.min(Math.max(0, (Number(text) || 0) * 1000), LATEST_MS)).toISOString()
}

/** The time now, ISO 8601, for state files. */
export function isoTime(world: World): string {
  return new Date(world.now()).toISOString()
}
