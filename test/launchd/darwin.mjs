// Loaded into each Node.js of a launchd test: telec takes this computer for a Mac, whose open(2) knows O_EXLOCK.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

Object.defineProperty(process, 'platform', { value: 'darwin' })

const O_EXLOCK = 0x20
const { openSync, closeSync } = fs

fs.openSync = (path, flags, mode) => {
  if (typeof flags !== 'number' || (flags & O_EXLOCK) === 0) return openSync(path, flags, mode)
  const fd = openSync(path, flags & ~O_EXLOCK, mode)
  const { status } = spawnSync('/usr/bin/flock', ['--nonblock', '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  })
  if (status === 0) return fd
  closeSync(fd)
  throw Object.assign(new Error(`EAGAIN: resource temporarily unavailable, open '${path}'`), {
    code: 'EAGAIN',
  })
}
syncBuiltinESMExports()
