import { describe, expect, test } from 'vitest'
import { createSync } from '../../src/system/disks.ts'
import type { RunResult } from '../../src/system/process.ts'
import type { World } from '../../src/system/world.ts'
import { pureWorld } from '../helpers/world.ts'

const PLACE = '/proc' // a file system of its own everywhere, so that `/` is another one
const done: RunResult = { code: 0, signal: null, stdout: '', stderr: '', endedBy: null, leftovers: [] }
const hangs: RunResult = { ...done, code: null, signal: 'SIGKILL', endedBy: 'timeout' }
const fails: RunResult = { ...done, code: 1, stderr: "sync: error syncing '/proc': Input/output error\n" }

/** A world whose sync(1) gives these results one after the other; its calls, and the warnings. */
function syncing(results: readonly RunResult[], values: Partial<World> = {}) {
  const asked: string[][] = []
  const warnings: string[] = []
  const pure = pureWorld(values)
  const world: World = {
    ...pure,
    log: { ...pure.log, warning: (text) => void warnings.push(text) },
    run: async (command, args) => {
      asked.push([command, ...args])
      return results[asked.length - 1] ?? done
    },
  }
  return { sync: createSync(world, [PLACE, '/proc/self']), asked, warnings }
}

describe('the files of programs are synced', () => {
  test('all of this computer, each by one path', async () => {
    const { sync, asked, warnings } = syncing([])
    await sync()
    expect(asked).toHaveLength(1)
    expect(asked[0]?.slice(0, 5)).toEqual(['sync', '-f', '--', PLACE, '/'])
    expect(warnings).toEqual([])
  })

  test('those that count alone, with one warning, once another one has hung', async () => {
    const { sync, asked, warnings } = syncing([hangs])
    await sync()
    await sync()
    expect(asked.slice(1)).toEqual([
      ['sync', '-f', '--', PLACE],
      ['sync', '-f', '--', PLACE],
    ])
    expect(warnings).toEqual([
      `cannot sync every disk, from now on only that of ${PLACE}, /proc/self: sync did not exit within 60 s`,
    ])
  })

  test('or not, which is said, and tried later', async () => {
    const { sync } = syncing([fails, fails])
    await expect(sync()).rejects.toMatchObject({
      kind: 'later',
      message: `cannot sync the disk of ${PLACE}, /proc/self`,
      because: "sync: error syncing '/proc': Input/output error",
      interrupted: true,
    })
  })

  test('by sync(1) without files where it knows none', async () => {
    const { sync, asked } = syncing([], { platform: 'darwin' })
    await sync()
    expect(asked).toEqual([['sync']])
  })
})
