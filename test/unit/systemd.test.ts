import { describe, expect, test } from 'vitest'
import { stateOf } from '../../src/service/systemd/manager.ts'
import { parseTimespan, unitName } from '../../src/service/systemd/systemctl.ts'

/** What `systemctl show` of systemd 252 printed for a unit in each state. */
const SHOWN = {
  absent: `
MainPID=0
ExecMainStartTimestampMonotonic=0
ExecMainCode=0
ExecMainStatus=0
LoadState=not-found
ActiveState=inactive
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  'never started': `
MainPID=0
ExecMainStartTimestampMonotonic=0
ExecMainCode=0
ExecMainStatus=0
LoadState=loaded
ActiveState=inactive
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  running: `
MainPID=105
ExecMainStartTimestampMonotonic=3225512269
ExecMainCode=0
ExecMainStatus=0
LoadState=loaded
ActiveState=active
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  'left with 42, to be started again': `
MainPID=0
ExecMainStartTimestampMonotonic=3225512269
ExecMainCode=1
ExecMainStatus=42
LoadState=loaded
ActiveState=activating
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  killed: `
MainPID=0
ExecMainStartTimestampMonotonic=3228876323
ExecMainCode=2
ExecMainStatus=9
LoadState=loaded
ActiveState=failed
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  'starting up (Type=notify)': `
MainPID=189
ExecMainStartTimestampMonotonic=3231224212
ExecMainCode=0
ExecMainStatus=0
LoadState=loaded
ActiveState=activating
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
  masked: `
MainPID=0
ExecMainStartTimestampMonotonic=3230404288
ExecMainCode=1
ExecMainStatus=42
LoadState=masked
ActiveState=failed
StartLimitIntervalUSec=10s
StartLimitBurst=5`,
} as const

function shown(
  state: keyof typeof SHOWN,
  changes: Record<string, string> = {},
): Parameters<typeof stateOf>[0] {
  const pairs = SHOWN[state]
    .trim()
    .split('\n')
    .map((line) => line.split('='))
  return { ...Object.fromEntries(pairs), ...changes }
}

const NOW_MS = 3_231_512

test.each<[keyof typeof SHOWN, Partial<ReturnType<typeof stateOf>>]>([
  ['absent', { known: 'no', activity: 'stopped', main: null, lastExit: null }],
  ['never started', { known: 'yes', activity: 'stopped', main: null, lastExit: null }],
  ['running', { known: 'yes', activity: 'running', lastExit: null }],
  [
    'left with 42, to be started again',
    { known: 'yes', activity: 'starting', main: null, lastExit: 'exit code 42' },
  ],
  ['killed', { known: 'yes', activity: 'failed', main: null, lastExit: 'signal 9' }],
  ['starting up (Type=notify)', { known: 'yes', activity: 'starting', lastExit: null }],
  ['masked', { known: 'masked', main: null }],
])('a unit that is %s', (state, expected) => {
  expect(stateOf(shown(state), NOW_MS)).toMatchObject(expected)
})

test('a unit between the two halves of a restart is about to start, and not stopped by a user', () => {
  const between = { MainPID: '0', ActiveState: 'inactive', Restart: 'always' }
  expect(stateOf(shown('running', { ...between, Job: '' }), NOW_MS)).toMatchObject({
    isStoppedOnPurpose: true,
  })
  expect(stateOf(shown('running', { ...between, Job: '214' }), NOW_MS)).toMatchObject({
    activity: 'starting',
    isStoppedOnPurpose: false,
  })
})

describe('the main process', () => {
  test('has its pid and how long it has been up', () => {
    const { main } = stateOf(shown('running'), 3_225_512.269 + 90_000)
    expect(main).toMatchObject({ pid: 105, identity: '105@3225512269' })
    expect(main?.uptimeMs).toBeCloseTo(90_000)
  })

  test('is another one when the same pid was started later', () => {
    const before = stateOf(shown('running'), NOW_MS)
    const after = stateOf(shown('running', { ExecMainStartTimestampMonotonic: '3230000000' }), NOW_MS)
    expect(after.main?.pid).toBe(before.main?.pid)
    expect(after.main?.identity).not.toBe(before.main?.identity)
  })

  test('has not been up for less than nothing', () => {
    expect(stateOf(shown('running'), 0).main?.uptimeMs).toBe(0)
  })
})

describe('a unit without a process', () => {
  const active = { MainPID: '0', ExecMainPID: '0', ExecMainStartTimestampMonotonic: '0' }

  test('that never had one is told from its next run by when it became active', () => {
    const runs = (since: string) =>
      stateOf(shown('running', { ...active, ActiveEnterTimestampMonotonic: since }), NOW_MS).main
    expect(runs('3231000000')).toMatchObject({ pid: null, uptimeMs: 512 })
    expect(runs('3231000000')?.identity).not.toBe(runs('3231500000')?.identity)
  })

  test('that remains active after its process is still the same run', () => {
    const remains = stateOf(shown('running', { MainPID: '0', ExecMainPID: '105' }), NOW_MS).main
    expect(remains).toMatchObject({ pid: null, identity: stateOf(shown('running'), NOW_MS).main?.identity })
  })
})

describe('restarts within the start limit of the unit', () => {
  const shortestRun = (burst: string, interval: string) =>
    stateOf(shown('running', { StartLimitBurst: burst, StartLimitIntervalUSec: interval }), NOW_MS)
      .shortestRunMs

  test('five starts in ten seconds allow one every two seconds, and a little more', () => {
    expect(shortestRun('5', '10s')).toBeGreaterThan(2_000)
    expect(shortestRun('5', '10s')).toBeLessThan(2_500)
  })

  test('three starts in a minute and a half allow one every thirty seconds', () => {
    expect(shortestRun('3', '1min 30s')).toBeGreaterThan(30_000)
  })

  test.each([
    ['no limit', '5', '0'],
    ['no burst', '0', '10s'],
    ['a limit for ever', '3', 'infinity'],
  ])('%s asks for no wait', (_, burst, interval) => {
    expect(shortestRun(burst, interval)).toBe(0)
  })

  test('an update never waits for longer than a minute', () => {
    expect(shortestRun('1', '1d')).toBe(60_000)
  })
})

test.each([
  ['web', 'web.service'],
  ['web.service', 'web.service'],
  ['web.target', 'web.target'],
  ['my.app', 'my.app.service'],
  ['web.co', 'web.co.service'],
  ['app@1', 'app@1.service'],
  ['app@example.com', 'app@example.com.service'],
  ['app@example.com.service', 'app@example.com.service'],
])('%s is the name of the unit %s', (name, unit) => {
  expect(unitName(name)).toBe(unit)
})

// What `systemd-analyze timespan` of systemd 252 prints; months and years are its own (systemd.time(7)).
test.each([
  ['0', 0],
  ['1ms', 1],
  ['1.500000s', 1_500],
  ['1min 30s', 90_000],
  ['1h 5min', 3_900_000],
  ['53min 45.512269s', 3_225_512.269],
  ['1d 3h 46min 40s', 100_000_000],
  ['1w 4d 13h 46min 40s', 1_000_000_000],
  ['3y 2month 18h 46min 40s', 100_000_000_000],
  ['infinity', 0],
  ['', 0],
])('the time span %j is %d ms', (text, ms) => {
  // systemd rounds a month to seconds.
  expect(Math.abs(parseTimespan(text) - ms)).toBeLessThanOrEqual(ms * 1e-6)
})
