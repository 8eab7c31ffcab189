import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Computer, makeComputer, markerMigration, version } from '../helpers/computer.ts'
import type { Ended } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { pathsIn, runInjected } from '../helpers/strace.ts'

/**
 * telec-update is killed at a system call of its own on telec's home, chosen by name and number, and started again.
 * strace(1) delivers SIGKILL as the call begins: at the fsync of the folder a journal entry is in place.
 */
const CALLS = process.env.TELEC_TEST_ALL ? ['fsync', 'unlink', 'openat'] : ['fsync', 'unlink']
const MOST_KILLS = 500

let computer: Computer
let undisturbed: unknown

function updateUnderStrace(call: string, occurrence: number): Promise<Ended> {
  return runInjected('telec-update', [], {
    call,
    occurrence,
    paths: pathsIn(computer.home),
    env: computer.env,
  })
}

/** All that an update leaves behind, without times and durations. */
async function endState() {
  const { deployed, update, halted } = computer.state('update_state.json') as Record<string, object | null>
  const { status, version, step } = computer.state('status.json') ?? {}
  const names = readdirSync(computer.home).sort()
  return {
    deployed: { ...deployed, at: null },
    update,
    halted,
    migrations: computer.state('migration_state.json')?.applied,
    markers: names
      .filter((name) => name.endsWith('.marker'))
      .map((name) => readFileSync(join(computer.home, name), 'utf8')),
    status: { status, version, step },
    names,
    head: await computer.gitInCheckout('rev-parse', 'HEAD'),
    branch: await computer.gitInCheckout('symbolic-ref', 'HEAD'),
    changes: await computer.gitInCheckout('status', '--porcelain'),
    locks: readdirSync(join(computer.checkout, '.git')).filter((name) => name.endsWith('.lock')),
    installed: existsSync(join(computer.checkout, 'installed')),
  }
}

beforeAll(async () => {
  computer = await makeComputer({ initArgs: ['--install', 'touch installed'] })
  await computer.push({
    ...version('1.1.0'),
    '.gitignore': 'installed\n',
    ...markerMigration('1.1.0', '001_first.mjs'),
    ...markerMigration('1.1.0', '002_second.mjs'),
  })
  expect((await computer.telec('telec-watch')).code).toBe(0)
  snapshot(computer)
  const ended = await computer.telec('telec-update')
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  undisturbed = await endState()
})

afterAll(() => computer.dispose())

describe('telec-update is killed and started again', () => {
  test.each(CALLS)(
    'at every %s on its home: the end is that of an undisturbed update',
    async (call) => {
      let kills = 0
      for (; kills < MOST_KILLS; kills += 1) {
        restore(computer)
        const killed = await updateUnderStrace(call, kills + 1)
        if (killed.signal !== 'SIGKILL') {
          // Fewer calls than that: it ran to its end.
          expect(killed, killed.stderr).toMatchObject({ code: 42 })
          break
        }
        const again = await computer.telec('telec-update')
        expect([0, 42], `after kill ${kills + 1}: ${again.stderr}`).toContain(again.code)
        expect(await endState(), `after a kill at ${call} ${kills + 1}`).toEqual(undisturbed)
        const idle = await computer.telec('telec-update')
        expect(idle, idle.stderr).toMatchObject({ code: 0 })
      }
      process.stdout.write(`${kills} kills at ${call}, each gone on from\n`)
      expect(kills).toBeGreaterThan(call === 'unlink' ? 0 : 20)
      expect(kills).toBeLessThan(MOST_KILLS)
    },
    600_000,
  )
})
