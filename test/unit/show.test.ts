import { describe, expect, test } from 'vitest'
import type { Overview } from '../../src/view/collect.ts'
import { showServices } from '../../src/view/services.ts'
import { showOverview } from '../../src/view/show.ts'
import { relative } from '../../src/view/text.ts'
import { commit, head } from '../helpers/commits.ts'

const NOON_MS = Date.parse('2026-05-04T12:00:00Z')
const at = (seconds: number) => new Date(NOON_MS + seconds * 1000).toISOString()

const WEB: Overview['units'][number] = {
  name: 'web.service',
  manager: 'systemd',
  activity: 'running',
  pid: 4711,
}

const CURRENT: Overview = {
  name: null,
  scope: 'user',
  computer: 'studio',
  telec: { version: '0.1.0', commit: 'unknown', newer: null },
  channel: 'alpha',
  follows: 'the head of main',
  deployed: { ...head('one', '1.0.0'), at: at(-3600) },
  watch: {
    polled_at: at(-20),
    outcome: 'current',
    reason: 'the head of main is deployed',
    target: null,
    refusal: null,
    hint: null,
    seen: [],
    malformed: [],
    via: null,
    failures: 0,
    last_failure: null,
    repair: null,
    next_poll_at: null,
  },
  next_poll_at: at(40),
  failed_units: [],
  signal: null,
  step: null,
  update: null,
  last: null,
  changed: [],
  rolled_back: null,
  halted: null,
  half_way: false,
  commits: null,
  at_work: false,
  checkout: null,
  starts: null,
  held: null,
  pause: null,
  choices: { pin: null, held: [] },
  window: null,
  service: WEB,
  units: [WEB],
}

/** The row of that label, with its continuation lines. */
function row(label: string, changes: Partial<Overview> = {}): string | undefined {
  const rows = showOverview({ ...CURRENT, ...changes }, NOON_MS).split(/\n(?! )/)
  return rows
    .find((one) => one.startsWith(label))
    ?.slice(10)
    .trim()
}

const target = head('two', '1.1.0')
const short = commit('two').slice(0, 12)

const HALTED: NonNullable<Overview['halted']> = {
  target,
  step: 'migrate',
  error: 'migration 1.1.0/001_x.js failed',
  because: 'line one\nline two',
  hint: 'mend the script',
  go_on: 'telec-update --retry',
  left: {
    checkout: { commit: target.commit, at: 'target' },
    service: { restarted: 'no', note: null },
    starts: 'a restart now starts 1.1.0, not yet installed',
    migrations: ['1.1.0/000_a.js'],
  },
  migration: '1.1.0/001_x.js',
  transient: false,
  at: at(-60),
  attempts: 1,
  next_try_at: null,
}

describe('telec status', () => {
  test.each<[string, string, Partial<Overview>, string]>([
    ['names the computer', 'computer', {}, 'studio'],
    ['says what is followed', 'channel', {}, 'alpha: the head of main'],
    [
      'says what is deployed and since when',
      'deployed',
      {},
      `1.0.0 (${commit('one').slice(0, 12)}), 60 min ago`,
    ],
    ['says that nothing was recorded yet', 'deployed', { deployed: null }, 'nothing is recorded yet'],
    ['says that there is nothing new', 'available', {}, 'nothing new: the head of main is deployed'],
    [
      'says nothing of what was deployed before',
      'available',
      { deployed: { ...head('one', '1.0.0'), at: at(-10) } },
      'not polled since the last update',
    ],
    ['says that it does not know yet', 'available', { watch: null }, 'not known yet'],
    ['says when it polled', 'last poll', {}, '20 s ago'],
    ['says that it never polled', 'last poll', { watch: null }, 'never'],
    ['says when it will poll', 'next poll', {}, 'in 40 s'],
    [
      'says that no timer polls',
      'next poll',
      { next_poll_at: null },
      'never: no timer is active (telec install)',
    ],
    [
      'says who is to install the units of a named service of the computer',
      'next poll',
      { next_poll_at: null, scope: 'system', name: 'web' },
      'never: no timer is active (sudo telec install --name web)',
    ],
    ['says how the service is', 'service', {}, 'web.service is running, pid 4711 (systemd)'],
    [
      'says how each unit of the service is',
      'service',
      { units: [WEB, { ...WEB, name: 'worker.service', activity: 'failed', pid: null }] },
      'web.service is running, pid 4711 (systemd)\n           worker.service is failed (systemd)',
    ],
  ])('%s', (_, label, changes, text) => {
    expect(row(label, changes)).toBe(text)
  })

  test('has no row for a service where there is none', () => {
    expect(row('service', { service: null, units: [] })).toBeUndefined()
  })

  test('says the available version', () => {
    const watch = { ...CURRENT.watch, outcome: 'update' as const, target } as Overview['watch']
    expect(row('available', { watch })).toBe(`1.1.0 (${short})`)
    expect(row('available', { watch, deployed: { ...target, at: at(0) } })).toBe(
      'nothing new at the last poll',
    )
  })

  test('says why an offer is not taken', () => {
    const watch = {
      ...CURRENT.watch,
      outcome: 'refused',
      reason: 'the tag has moved',
      refusal: 'rewrite',
      target,
    } as Overview['watch']
    expect(row('available', { watch })).toBe(
      `1.1.0 (${short}), not taken: the tag has moved\n           to take it: telec-update --accept-rewrite`,
    )
  })

  test('counts the polls that did not reach the remote', () => {
    const watch = { ...CURRENT.watch, failures: 3, last_failure: 'no route to host' } as Overview['watch']
    expect(row('last poll', { watch })).toBe(
      '20 s ago; 3 polls since then did not reach the remote: no route to host',
    )
  })

  test('says what waits', () => {
    const from = { version: '1.0.0', commit: commit('one') }
    const signal: Overview['signal'] = {
      channel: 'alpha',
      from,
      target,
      detected_at: at(-5),
      source: 'telec-watch',
    }
    expect(row('pending', { signal })).toBe(`an update to 1.1.0 (${short}), detected 5 s ago`)
  })

  test('shows the running update and its step', () => {
    const update: Overview['update'] = {
      channel: 'alpha',
      from: head('one'),
      target,
      started_at: at(-7),
      attempts: 1,
      failures: 0,
      steps: [],
      left_at: null,
      left_running: null,
      permits: [],
      rollback: null,
      put_aside: [],
      local: null,
      changed: [],
      running: [],
      restarts: [],
      service: null,
    }
    const shown = { update, step: 'install', at_work: true }
    expect(row('updating', shown)).toBe(`to 1.1.0 (${short}) since 7 s ago, at install`)
    const starts = 'a restart now starts 1.1.0, not yet installed'
    expect(row('updating', { ...shown, at_work: false, starts })).toBeUndefined()
    expect(
      row('stopped', { ...shown, at_work: false, starts }),
    ).toBe(`to 1.1.0 (${short}) since 7 s ago, at install
           ${starts}
           nothing works on it; the next poll resumes it, in 40 s; now: telec-update; to skip this version: telec hold 1.1.0`)
  })

  test('says what became of local changes and of the service in the update that led here', () => {
    const step = (name: string, note: string) => ({ name, note, began_at: at(-9), ended_at: at(-8) })
    const last: Overview['last'] = {
      channel: 'alpha',
      from: head('zero', '0.9.0'),
      target: head('one'),
      started_at: at(-9),
      attempts: 1,
      failures: 0,
      steps: [
        step('verify', 'left as they are: a.txt'),
        step('restart', 'old pid 1 left with exit code 42, new pid 2'),
      ],
      left_at: null,
      left_running: null,
      permits: [],
      rollback: null,
      put_aside: [],
      local: null,
      changed: [],
      running: [],
      restarts: [],
      service: null,
    }
    const text = row('updated', { last })
    for (const part of [
      'from 0.9.0',
      'verify: left as they are: a.txt',
      'restart: old pid 1 left with exit code 42',
    ])
      expect(text).toContain(part)
  })

  test('says where an update halted, why, and how to continue', () => {
    const text = row('halted', { halted: HALTED })
    for (const part of [
      'at migrate, 60 s ago',
      `1.1.0 (${short})`,
      HALTED.error,
      'line two',
      'what to do: mend the script',
      `checkout: at ${short}, the target`,
      'service: not restarted; a restart now starts 1.1.0, not yet installed',
      'migrations: 1.1.0/000_a.js',
      'then run: telec-update --retry',
      'telec does not retry it',
    ])
      expect(text).toContain(part)
    expect(row('halted', { halted: { ...HALTED, transient: true, next_try_at: at(30) } })).toContain(
      'telec retries it automatically in 30 s',
    )
  })

  test('shows each fault of the checkout, with a hint', () => {
    const checkout = {
      message: 'deployment.checkout is /srv/web, which is not a folder',
      hint: 'mount its disk',
    }
    expect(row('checkout', { checkout })).toBe(`${checkout.message}\n           what to do: mount its disk`)
  })

  test('indents the continuation lines of a row', () => {
    const watch = { ...CURRENT.watch, failures: 1, last_failure: 'one\ntwo' } as Overview['watch']
    expect(showOverview({ ...CURRENT, watch }, NOON_MS)).toContain('\n           two\n')
  })
})

test.each([
  [0, 'in 0 s'],
  [-1_000, '1 s ago'],
  [119_000, 'in 119 s'],
  [120_000, 'in 2 min'],
  [-7_200_000, '2 h ago'],
  [-172_800_000, '2 d ago'],
  [-400 * 86_400_000, '400 d ago'],
])('%d ms from now is %j', (ms, text) => {
  expect(relative(ms)).toBe(text)
})

describe('telec status of several services', () => {
  const halted = { ...HALTED, at: at(-120), step: 'install' as const, error: 'it failed\nnpm' }
  const watched = CURRENT.watch as NonNullable<Overview['watch']>

  test.each<[string, Partial<Overview>, string, string | null]>([
    ['up to date', {}, 'up to date  60 min ago', null],
    ['halted', { halted }, 'halted  2 min ago', 'halted at install: it failed npm'],
    [
      'with a service that failed',
      { service: { name: 'web.service', manager: 'systemd', activity: 'failed', pid: null } },
      'service failed  -',
      'web.service is failed',
    ],
    [
      'whose update stopped half-way',
      { update: { target } as Overview['update'], at_work: false },
      'stopped  -',
      `the update to 1.1.0 (${short}) did not end`,
    ],
    [
      'whose checkout is gone',
      { checkout: { message: 'it is not a folder', hint: null } },
      'checkout  -',
      'it is not a folder',
    ],
    ['without a timer', { next_poll_at: null }, 'not polled  20 s ago', 'no timer is active'],
    [
      'that cannot reach its remote',
      { watch: { ...watched, failures: 3, last_failure: 'no route to host' } },
      'out of reach  20 s ago',
      'the remote is out of reach: no route to host',
    ],
    [
      'that refused its target',
      { watch: { ...watched, outcome: 'refused', reason: 'main was rewritten' } },
      'refused  20 s ago',
      'not taken: main was rewritten',
    ],
    ['paused', { pause: { since: at(-600), until: null } }, 'paused  10 min ago', null],
    [
      'pinned',
      { choices: { pin: { ...head('pin', '1.0.0'), since: at(-600) }, held: [] } },
      'pinned  10 min ago',
      null,
    ],
    ['never updated', { deployed: null }, 'new  -', null],
  ])('shows one %s', (_, changes, state, detail) => {
    const text = showServices([{ ...CURRENT, name: 'web', ...changes }], NOON_MS)
    const [headings, row, ...details] = text.split('\n').map((line) => line.replace(/ {3,}/g, '  '))
    expect(headings).toBe('NAME  CHANNEL  DEPLOYED  STATE  SINCE')
    expect(row?.replace(/^web {2}alpha {2}(1\.0\.0 \(\w+\)|-) {2}/, '')).toBe(state)
    expect(details.join('\n')).toBe(detail === null ? '' : `\nweb: ${detail} (telec status web)\n`)
  })
})
