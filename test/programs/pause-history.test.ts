import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const status = async (computer: Computer) => (await computer.telec('telec', ['status'])).stdout

describe('telec pause', () => {
  test('holds updates until telec resume; a new version is detected all the same', async () => {
    const computer = await freshComputer()
    expect(await computer.telec('telec', ['pause'])).toMatchObject({
      code: 0,
      stdout: 'paused until you run telec resume\n',
    })
    const commit = await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 75, ['updates are paused', 'telec resume'])
    expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.0.0' },
      halted: null,
    })
    expect(await status(computer)).toMatch(/^paused +since .* ago, until you run telec resume$/m)
    expectFailure(await computer.telec('telec-update', ['--retry']), 75, ['updates are paused'])
    expect((await computer.telec('telec', ['resume'])).stdout).toBe('updates are no longer paused\n')
    expect((await computer.telec('telec-update')).code).toBe(42)
    expect(await status(computer)).not.toContain('paused')
    expect((await computer.telec('telec', ['resume'])).stdout).toBe('updates were not paused\n')
  })

  test('ends automatically after --for', async () => {
    const computer = await freshComputer()
    expect((await computer.telec('telec', ['pause', '--for', '2h'])).stdout).toMatch(
      /^paused until 20.*; sooner: telec resume$/m,
    )
    await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 75, ['updates are paused', 'until 20'])
    const { since, until } = computer.state('pause.json') as { since: string; until: string }
    expect(Date.parse(until) - Date.parse(since)).toBeGreaterThan(7_190_000)
    computer.writeState(
      'pause.json',
      JSON.stringify({ since, until: new Date(Date.now() - 1).toISOString() }),
    )
    expect((await computer.telec('telec-update')).code).toBe(42)
  })

  test('says times in the zone of the computer; as JSON, in UTC', async () => {
    const computer = await freshComputer()
    const inNewfoundland = { env: { TZ: 'America/St_Johns' } }
    const { paused } = JSON.parse(
      (await computer.telec('telec', ['pause', '--for', '2h', '--json'], inNewfoundland)).stdout,
    )
    expect(paused).toEqual(computer.state('pause.json'))
    expect(paused.until).toMatch(/Z$/)
    const { stdout } = await computer.telec('telec', ['status'], inNewfoundland)
    const [, until = ''] = /, until (.*); sooner: telec resume$/m.exec(stdout) ?? []
    expect(until).toMatch(/^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d -0[23]30$/)
    expect(Date.parse(until)).toBe(Math.floor(Date.parse(paused.until) / 1000) * 1000)
    const { stdout: examined } = await computer.telec('telec', ['doctor'], inNewfoundland)
    expect(examined).toMatch(/ paused since \S+ \S+ -0[23]30$/m)
    const resume = async () => JSON.parse((await computer.telec('telec', ['resume', '--json'])).stdout)
    expect(await resume()).toEqual({ version: 1, resumed: paused })
    expect(await resume()).toEqual({ version: 1, resumed: null })
    await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    expect((await computer.telec('telec', ['history'], inNewfoundland)).stdout).toMatch(
      /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d -0[23]30 {2}1\.0\.0 .*: updated$/m,
    )
  })

  test('may be for longer than a timer can wait', async () => {
    const computer = await freshComputer()
    expect((await computer.telec('telec', ['pause', '--for', '30d'])).code).toBe(0)
    await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 75, ['updates are paused'])
  })

  test('takes a time', async () => {
    const computer = await freshComputer()
    for (const time of ['ever', '999999999d']) {
      const ended = await computer.telec('telec', ['pause', '--for', time])
      expect(ended.code).toBe(2)
      expect(ended.stderr).toContain('It takes a time of at most 3650d, such as 90s, 5m or 2h.')
    }
    expect(computer.state('pause.json')).toBeNull()
  })

  test('that cannot be understood holds updates, and says how it ends', async () => {
    const computer = await freshComputer()
    computer.writeState('pause.json', '{')
    await computer.push(version('1.1.0'))
    expectFailure(await watchAndUpdate(computer), 1, ['pause.json', 'ends the pause'])
  })
})

describe('telec history', () => {
  test('has each update: from, to, seconds per step, and how it ended', async () => {
    const computer = await freshComputer({ initArgs: ['--install', 'test ! -e broken'] })
    expect((await computer.telec('telec', ['history'])).stdout).toBe('no update yet\n')
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    await computer.push({ ...version('1.2.0'), broken: '' })
    expect((await watchAndUpdate(computer)).code).toBe(1)
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(1)
    await computer.push({ ...version('1.3.0'), broken: null })
    expect((await watchAndUpdate(computer)).code).toBe(42)

    const entries = JSON.parse((await computer.telec('telec', ['history', '--json'])).stdout)
    expect(entries).toMatchObject([
      { from: { version: '1.0.0' }, target: { version: '1.1.0' }, attempts: 1, halted: null },
      {
        from: { version: '1.1.0' },
        target: { version: '1.2.0' },
        attempts: 2,
        halted: { step: 'install', error: expect.stringContaining('exit code 1') },
      },
      { from: { version: '1.1.0' }, target: { version: '1.3.0' }, attempts: 1, halted: null },
    ])
    const steps = [
      'preflight',
      'fetch',
      'verify',
      'checkout',
      'migrate',
      'install',
      'renew',
      'restart',
      'confirm',
    ]
    expect(Object.keys(entries[0].seconds)).toEqual(steps)
    expect(Object.keys(entries[1].seconds).toSorted()).toEqual(steps.slice(0, 5).toSorted()) // some were done again
    const { stdout } = await computer.telec('telec', ['history'])
    expect(stdout).toMatch(
      /^20\S+ \S+ \S+ {2}1\.1\.0 \(\w+\) → 1\.3\.0 \(\w+\): updated\n {4}a change\n {4}a change\n {4}preflight \d+\.\d s, fetch/,
    )
    expect(stdout).toMatch(/→ 1\.2\.0 \(\w+\): halted at install: .*exit code 1.*, attempt 2/)
  })

  test('keeps the last fifty', async () => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const [entry] = JSON.parse((await computer.telec('telec', ['history', '--json'])).stdout)
    const many = Array.from({ length: 50 }, (_, n) => ({
      ...entry,
      started_at: `2026-01-01T00:00:${String(n).padStart(2, '0')}.000Z`,
    }))
    computer.writeState('history.json', JSON.stringify(many))
    await computer.push(version('1.2.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const after = JSON.parse((await computer.telec('telec', ['history', '--json'])).stdout)
    expect(after).toHaveLength(50)
    expect(after.at(-1)).toMatchObject({ target: { version: '1.2.0' } })
  })

  test('that cannot be understood is left as it is, and fails no update', async () => {
    const computer = await freshComputer()
    computer.writeState('history.json', '[{')
    await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended).toMatchObject({ code: 42, stderr: expect.stringContaining('cannot write the history') })
    expectFailure(await computer.telec('telec', ['history']), 1, ['history.json', 'cannot be understood'])
  })
})

test('telec version tells the channel too, with or without a configuration', async () => {
  const computer = await freshComputer({ initArgs: ['--channel', 'beta'] })
  expect((await computer.telec('telec', ['version'])).stdout).toMatch(
    /^telec \d+\.\d+\.\d+ \(.+\), channel beta\n$/,
  )
  expect(JSON.parse((await computer.telec('telec', ['version', '--json'])).stdout)).toEqual({
    version: 1,
    telec: {
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      commit: expect.stringMatching(/^[0-9a-f]{40}(-dirty)?$/),
    },
    channel: 'beta',
  })
  computer.writeConfig('no: such key\n')
  expect((await computer.telec('telec', ['version'])).stdout).toMatch(/^telec \S+ \(\S+\)\n$/)
})
