import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { bundles, execute, type ProgramName } from '../helpers/programs.ts'
import { telecRun } from '../helpers/supervised.ts'
import { until } from '../helpers/until.ts'

/** A telec that does the same, and is another one. */
const newer = (text: string) => `${text}\n// newer\n`

async function selfManaged() {
  const computer = await freshComputer()
  await computer.push({ ...version('1.1.0'), ...bundles((text) => text) })
  await computer.telec('telec-watch')
  await computer.telec('telec-update')
  const own = (program: ProgramName, ...args: string[]) =>
    execute(process.execPath, [join(computer.checkout, 'bin', program), ...args], { env: computer.env })
  return { computer, own }
}

test('an update that brings a new telec exits with 42 before the restart, and the new one continues', async () => {
  const { computer, own } = await selfManaged()
  const install = 'echo ran >>"$TELEC_HOME/installs"'
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  install: ${install}\n`)
  const commit = await computer.push({ ...version('1.2.0'), ...bundles(newer) })
  await own('telec-watch')

  const first = await own('telec-update')
  expect(first).toMatchObject({ code: 42 })
  expect(first.stderr).toContain('the update brought a new telec, which resumes it')
  expect(computer.state('update_state.json')).toMatchObject({
    deployed: { version: '1.1.0' },
    update: { target: { commit } },
    halted: null,
  })

  const second = await own('telec-update')
  expect(second.stderr).toContain('renew: telec is new')
  expect(computer.state('update_state.json')).toMatchObject({
    deployed: { commit },
    update: null,
    halted: null,
  })
  expect(readFileSync(join(computer.home, 'installs'), 'utf8')).toBe('ran\n')
})

test('an update that brings the same telec goes through in one go', async () => {
  const { computer, own } = await selfManaged()
  const commit = await computer.push(version('1.2.0'))
  await own('telec-watch')
  await own('telec-update')
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
})

test('an update that removes telec halts, and says what to do', async () => {
  const { computer, own } = await selfManaged()
  await computer.push({ ...version('1.2.0'), 'bin/telec-update': null })
  await own('telec-watch')
  const { code, stderr } = await own('telec-update')
  expect(code).toBe(1)
  expect(stderr).toMatch(/the update removed telec itself: .*bin\/telec-update\n.*deployment\.install/)
})

test('telec run starts the new telec-update automatically', async () => {
  const { computer } = await selfManaged()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  poll_every: 5s\n`)
  const supervised = await telecRun(
    computer,
    [process.execPath, 'server.js'],
    join(computer.checkout, 'bin/telec'),
  )
  const pid = supervised.mainPid()
  const commit = await computer.push({ ...version('1.2.0'), ...bundles(newer) })
  await until('the new version to be deployed', async () => {
    const { deployed } = computer.state('update_state.json') as { deployed: { commit: string } }
    return deployed.commit === commit
  })
  expect(supervised.output()).toContain('the update brought a new telec')
  expect(supervised.mainPid()).not.toBe(pid)
  await supervised.stop()
})
