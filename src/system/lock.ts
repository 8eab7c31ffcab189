import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { shellWord, systemErrorCode, TelecError } from './errors.ts'
import { readPlainText, writeFailure } from './files.ts'
import { signalIfThere } from './groups.ts'
import { localTime } from './local-time.ts'
import { isoTime, type World } from './world.ts'

/** open(2) of macOS takes a flock with the descriptor; Linux has no such flag. */
const O_EXLOCK = 0x20

export interface Lock {
  /** When the first of the killed holders before this one began; null: the last holder released the lock. */
  readonly killedSinceMs: number | null
  /** What the killed holders left is cleaned up: removes the note of them. */
  settle(): void
  /** Also runs when the program exits. */
  release(): void
}

/**
 * Takes telec's own lock, or throws `later` and names the holder. The kernel releases a flock(2) however a process exits.
 * Node has no call for it: flock(1) locks the descriptor that it inherits, which stays locked after flock's exit.
 */
export function acquireLock(world: World, path: string): Lock {
  try {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const fd = openAndLock(world, path)
    const write = (text: string) => {
      fs.ftruncateSync(fd)
      fs.writeSync(fd, text, 0)
    }
    // A holder that releases the lock removes its line: only killed ones are still in the file.
    const holders = fs.readFileSync(path, 'utf8').matchAll(/ since (\S+Z)/g)
    const killed = [...holders].map(([, at = '']) => at).sort()[0]
    let note = killed ? `after one that was killed, since ${killed}\n` : ''
    let isHeld = true
    const release = () => {
      if (!isHeld) return
      isHeld = false
      write(note) // the next holder must not take this one for killed
      fs.closeSync(fd)
    }
    write(`${world.program.name}, pid ${world.pid}, since ${isoTime(world)}\n${note}`)
    process.once('exit', release)
    return {
      killedSinceMs: killed ? Date.parse(killed) : null,
      settle() {
        note = ''
      },
      release,
    }
  } catch (error) {
    throw writeFailure(path, error)
  }
}

/** Whether a live process wrote that it holds the lock. Unlike `isLocked` this never takes the lock itself. */
export function isHeld(world: World, path: string): boolean {
  const [, pid] = / pid (\d+), since /.exec(readPlainText(path) ?? '') ?? []
  if (pid === undefined || !signalIfThere(Number(pid), 0)) return false
  const command = `/proc/${pid}/cmdline`
  return world.platform !== 'linux' || (readPlainText(command) ?? 'telec').includes('telec') // else the pid was reused
}

/** Whether the lock is held, found out by taking it for a moment. */
export function isLocked(world: World, path: string): boolean {
  if (!fs.existsSync(path)) return false
  try {
    fs.closeSync(openAndLock(world, path))
    return false
  } catch (error) {
    if (error instanceof TelecError && error.kind === 'later') return true
    throw error
  }
}

/** Throws `later` when another process holds it. */
function openAndLock(world: World, path: string): number {
  const { O_RDWR, O_CREAT, O_NONBLOCK } = fs.constants
  if (world.platform === 'darwin')
    try {
      return fs.openSync(path, O_RDWR | O_CREAT | O_NONBLOCK | O_EXLOCK, 0o600)
    } catch (error) {
      throw systemErrorCode(error) === 'EAGAIN' ? heldBySomeone(path) : error
    }
  const fd = fs.openSync(path, O_RDWR | O_CREAT, 0o600)
  const { status, signal, stderr, error } = spawnSync('flock', ['--nonblock', '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    encoding: 'utf8',
    cwd: '/', // a relative folder of PATH must not lead into the checkout
  })
  if (status === 0) return fd
  fs.closeSync(fd)
  if (status === 1 && stderr === '') throw heldBySomeone(path)
  if (error && systemErrorCode(error) !== 'ENOENT') throw error
  throw new TelecError(signal ? 'later' : 'halted', `cannot lock ${path}`, {
    because: error?.message ?? (signal ? `flock exited with ${signal}` : stderr.trim()),
    hint: error
      ? 'install flock(1), which is in the package util-linux'
      : `check the file and its disk: ls -l ${shellWord(path)}; df ${shellWord(path)}`,
  })
}

/** The first line may still be that of a killed holder: the new one has not written yet. */
function heldBySomeone(path: string): TelecError {
  const [text = ''] = fs.readFileSync(path, 'utf8').split('\n')
  const [, pid] = /, pid (\d+)/.exec(text) ?? []
  const holder =
    pid !== undefined && signalIfThere(Number(pid), 0)
      ? text.replace(/\S+Z$/, localTime)
      : 'it has just started'
  return new TelecError('later', `another telec is at work: ${holder}`, {
    hint: 'wait for it to end: telec status shows what it does',
    isBusy: true,
  })
}
