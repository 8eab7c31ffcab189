import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { localTime } from '../../src/system/local-time.ts'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, type Ended, execute } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS } from '../helpers/sweeps.ts'
import { until } from '../helpers/until.ts'

/** Says that it is there, and works until it may end. */
const INSTALL = 'echo began >>"$TELEC_HOME/began"; until test -e "$TELEC_HOME/go-on"; do sleep 0.02; done'

let computer: Computer
let commit: string
let older: string
const began = () => readFileSync(join(computer.home, 'began'), 'utf8')
const goOn = () => writeFileSync(join(computer.home, 'go-on'), '')

beforeAll(async () => {
  computer = await makeComputer({ initArgs: ['--install', INSTALL] })
  commit = await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  snapshot(computer)
  older = join(computer.folder, 'telec-update')
  const [, now = ''] =
    /^telec-update (\S+)/.exec((await computer.telec('telec-update', ['--version'])).stdout) ?? []
  writeFileSync(older, readFileSync(join(DIST, 'telec-update'), 'utf8').replaceAll(`"${now}"`, '"0.0.1"'))
  expect((await execute(process.execPath, [older, '--version'])).stdout).toMatch(/^telec-update 0\.0\.1 /)
})
afterAll(() => computer?.dispose())

/** Those who may want to update at the same moment. */
const started = (): Record<string, Promise<Ended>> => ({
  'the path unit': computer.telec('telec-update'),
  'the retry timer': computer.telec('telec-update'),
  'a person': computer.telec('telec-update', ['--now']),
  'an older telec': execute(process.execPath, [older], { env: computer.env }),
})

test(
  'of all who begin at once exactly one works, and the others say who that is',
  async () => {
    const tally = createTally('who of those that began at once got to work')
    for (let round = 1; round <= (isWhole ? 50 : 6); round += 1) {
      restore(computer)
      const all = started()
      const polled = computer.telec('telec-watch', ['--scheduled'])
      const left: Record<string, Ended> = {}
      for (const [name, end] of Object.entries(all)) void end.then((ended) => (left[name] = ended))
      // The one that works cannot end before the others have: two at work would be waited for in vain.
      await until('all but one to have left', async () => Object.keys(left).length === 3)
      await until('that one to work', async () => existsSync(join(computer.home, 'began')))
      const holder = readFileSync(join(computer.home, 'telec.lock'), 'utf8')
        .trim()
        .replace(/\S+Z$/, localTime)
      expectFailure(await computer.telec('telec-update'), 75, [`another telec is at work: ${holder}`])
      for (const [name, ended] of Object.entries(left)) {
        expectFailure(ended, 75, ['another telec is at work: '])
        // Between the lock and the note of who has it there is a moment.
        expect([holder, 'it has just started'].some((who) => ended.stderr.includes(`at work: ${who}`))).toBe(
          true,
        )
        tally.add(name, 'left with 75')
      }
      expect(await polled).toMatchObject({ code: 0 }) // it takes no lock
      goOn()
      for (const [name, end] of Object.entries(all))
        if (!left[name]) {
          expect(await end).toMatchObject({ code: 42 })
          tally.add(name, 'updated')
        }
      expect(began()).toBe('began\n')
      expect(computer.state('update_state.json')).toMatchObject({
        deployed: { commit },
        update: null,
        halted: null,
      })
    }
  },
  SWEEP_TIMEOUT_MS,
)

test('the lock of one that was killed is free at once, and what it had started has ended', async () => {
  restore(computer)
  const child = spawn(process.execPath, [join(DIST, 'telec-update')], { env: computer.env, stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  await until('it to work', async () => existsSync(join(computer.home, 'began')))
  child.kill('SIGKILL')
  await once(child, 'exit')
  goOn()
  expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
  expect(began()).toBe('began\nbegan\n')
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
})

test('a lock of another boot is free, also where its pid is another process’s now', async () => {
  for (const pid of [1, process.pid, 4_000_000]) {
    restore(computer)
    goOn()
    writeFileSync(
      join(computer.home, 'telec.lock'),
      `telec-update, pid ${pid}, since 2020-01-01T00:00:00.000Z\n`,
    )
    expect(await computer.telec('telec-update')).toMatchObject({ code: 42 })
  }
})

test('a process that holds the lock and has not written its name yet is not taken for a killed one', async () => {
  restore(computer)
  const path = join(computer.home, 'telec.lock')
  writeFileSync(path, 'telec-update, pid 4000000, since 2020-01-01T00:00:00.000Z\n') // of one that was killed
  const holder = spawn('flock', [path, 'sh', '-c', 'echo; read _'])
  onTestFinished(() => void holder.kill())
  await once(holder.stdout, 'data')
  expectFailure(await computer.telec('telec-update'), 75, ['another telec is at work: it has just started'])
  holder.stdin.end()
  await once(holder, 'exit')
})
