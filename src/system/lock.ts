import { spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { systemErrorCode, TelecError } from './errors.ts'
import { writeFailure } from './files.ts'
import { isoTime, type World } from './world.ts'

/** open(2) of macOS takes a flock with the descriptor; Linux has no such flag. */
const O_EXLOCK = 0x20

/**
 * Takes telec's own lock, or throws `later` (75) and says who holds it. It is a flock(2) on an open file:
 * the kernel lets go of it when the process ends, however it ends, so that there is never a stale one.
 * Node has no call for it. On Linux util-linux's flock(1) locks the descriptor it inherits, and the lock stays
 * with our descriptor after it left; on macOS open(2) does it.
 *
 * @returns how to let go of it.
 */
export function acquireLock(world: World, path: string): () => void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const fd = openAndLock(world, path)
    // For people and for the message of those who come second; the lock itself is not in the text.
    ftruncateSync(fd)
    writeSync(fd, `${world.program.name}, pid ${world.pid}, since ${isoTime(world)}\n`, 0)
    return () => letGo(fd)
  } catch (error) {
    throw writeFailure(path, error)
  }
}

/** Whoever comes next must not be taken for us by those who come third. */
function letGo(fd: number): void {
  try {
    ftruncateSync(fd)
  } catch {
    // The text is for people only.
  } finally {
    closeSync(fd)
  }
}

/** Whether somebody holds the lock. */
export function isLocked(world: World, path: string): boolean {
  if (!existsSync(path)) return false
  try {
    closeSync(openAndLock(world, path))
    return false
  } catch (error) {
    if (error instanceof TelecError && error.kind === 'later') return true
    throw error
  }
}

/** Throws `later` when somebody else has it. */
function openAndLock(world: World, path: string): number {
  if (world.platform === 'darwin') return openLocked(path)
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const flock = spawnSync('flock', ['--nonblock', '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
    cwd: '/', // where a relative folder of PATH is none of the checkout's
  })
  if (flock.status === 0) return fd
  closeSync(fd)
  if (flock.status === 1 && flock.stderr === '') throw heldBySomeone(path)
  if (flock.error && systemErrorCode(flock.error) !== 'ENOENT') throw flock.error
  // One that was killed has not said no.
  throw new TelecError(flock.signal ? 'later' : 'halted', `cannot lock ${path}`, {
    because:
      flock.error?.message ?? (flock.signal ? `flock ended with ${flock.signal}` : flock.stderr.trim()),
    hint: 'telec needs flock(1), which is in the package util-linux',
  })
}

function openLocked(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK, 0o600)
  } catch (error) {
    if (systemErrorCode(error) === 'EAGAIN') throw heldBySomeone(path)
    throw error
  }
}

/** Who has just taken the lock has yet to write its name over that of one that was killed. */
const NAME_WAIT_MS = 1_000
const LOOK_EVERY_MS = 20

function heldBySomeone(path: string): TelecError {
  let holder = readHolder(path)
  for (let waitedMs = 0; holder === null && waitedMs < NAME_WAIT_MS; waitedMs += LOOK_EVERY_MS) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_EVERY_MS) // asleep
    holder = readHolder(path)
  }
  return new TelecError('later', `another telec is at work: ${holder ?? 'it has just started'}`, {
    hint: 'wait for it to end: telec status shows what it does',
  })
}

/** What the holder wrote; null where that is nothing yet, or of a process that is no more. */
function readHolder(path: string): string | null {
  const text = readFileSync(path, 'utf8').trim()
  const [, pid] = /, pid (\d+)/.exec(text) ?? []
  return pid !== undefined && isRunning(Number(pid)) ? text : null
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return systemErrorCode(error) === 'EPERM'
  }
}
