import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { decide } from '../../src/channel/decide.ts'
import { remember } from '../../src/channel/sightings.ts'
import { parseConfig } from '../../src/config/parse.ts'
import type { Paths } from '../../src/config/paths.ts'
import type { Config } from '../../src/config/schema.ts'
import { locate } from '../../src/config/services.ts'
import { windowOpensAt } from '../../src/config/weekly-hours.ts'
import { isLaterId } from '../../src/fleet/announcements.ts'
import { isHeartbeatDue } from '../../src/fleet/heartbeat.ts'
import { migrationRows } from '../../src/migrate/overview.ts'
import { pendingMigrations } from '../../src/migrate/plan.ts'
import { readChoices } from '../../src/state/choices.ts'
import { readHistory } from '../../src/state/history.ts'
import { readInstalled } from '../../src/state/installed.ts'
import { readMigrationRecord } from '../../src/state/migrations.ts'
import { readPause } from '../../src/state/pause.ts'
import { readPosition, readRedisState } from '../../src/state/redis.ts'
import { readReleases } from '../../src/state/releases.ts'
import { takeRequest } from '../../src/state/request.ts'
import { readSignal } from '../../src/state/signal.ts'
import { readStatus } from '../../src/state/status.ts'
import { readSupervisorRecord } from '../../src/state/supervisor.ts'
import { readUpdateState, restartOf, startUpdate } from '../../src/state/update-state.ts'
import { readWatchState } from '../../src/state/watch-state.ts'
import { TelecError } from '../../src/system/errors.ts'
import type { World } from '../../src/system/world.ts'
import { mayRetryNow, retryDelayMs } from '../../src/update/retry.ts'
import { planRollback } from '../../src/update/rollback.ts'
import type { Overview } from '../../src/view/collect.ts'
import { renderMetrics } from '../../src/view/metrics.ts'
import { showOverview } from '../../src/view/show.ts'
import { commit, head } from '../helpers/commits.ts'
import { mutationsOf, mutationsOfText } from '../helpers/mutations.ts'
import { MIGRATION_JOURNAL, STATE_FILES, type StateFile } from '../helpers/state-files.ts'
import { pureWorld } from '../helpers/world.ts'

/** The same cases in every run; ten times as many where there is time. */
const FUZZ = { seed: 8, numRuns: process.env.TELEC_TEST_ALL ? 4_000 : 400 }

const NOW_MS = Date.parse('2026-05-04T12:30:00Z')
const folder = mkdtempSync(join(tmpdir(), 'telec-fuzz-'))
const world: World = pureWorld({ env: { TELEC_HOME: folder }, home: folder, now: () => NOW_MS })
const paths: Paths = locate(world)
afterAll(() => rmSync(folder, { recursive: true }))

const CONFIG = `computer: studio
deployment:
  channel: stable
  pinned_minor: "1.4"
  checkout: /srv/app
  min_age: 2h
  window: Mon-Fri 02:00-05:00
  install: make install
service:
  name: web.service
redis:
  url: redis://127.0.0.1:6379
`
const config: Config = parseConfig(world, 'config.yml', CONFIG)

const OVERVIEW: Overview = {
  name: null,
  scope: 'user',
  computer: 'studio',
  telec: { version: '0.1.0', commit: 'unknown', newer: null },
  channel: 'alpha',
  follows: 'the head of main',
  deployed: null,
  watch: null,
  next_poll_at: null,
  failed_units: [],
  signal: null,
  update: null,
  step: null,
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
  service: null,
  units: [],
}
const show = (changes: Partial<Overview>) => showOverview({ ...OVERVIEW, ...changes }, NOW_MS)

/** Reads a file as telec does, and does with it what telec does with what it could understand. */
const READERS: Record<StateFile, () => unknown> = {
  'update_state.json': () => {
    const state = readUpdateState(paths)
    if (!state) return state
    const { deployed, update, last, held, rolled_back, halted } = state
    const left = {
      checkout: { commit: null, at: 'elsewhere' },
      service: { restarted: 'no', note: null },
      starts: null,
      migrations: null,
    } as const
    show({ deployed, update, last, held, rolled_back, halted: halted && { ...halted, left } })
    if (halted) expect(retryDelayMs(halted.attempts, 'studio')).toBeGreaterThan(0)
    if (halted) mayRetryNow(halted, NOW_MS, 'studio')
    startUpdate(state, 'alpha', head('new'), [], '2026-05-04T12:30:00.000Z')
    const refs = [{ name: 'refs/tags/v1.4.1', commit: commit('x') }]
    const known = { deployed, seen: [], rolledBack: rolled_back?.targets ?? [], now: NOW_MS }
    for (const channel of ['alpha', 'beta', 'stable'] as const)
      decide({ ...config.deployment, channel }, refs, known)
    foreseen(() =>
      planRollback(state, { applied: new Map(), baseline: null, unsettled: new Map(), more: {} }),
    )
    renderMetrics({ world, config, paths }, [])
    return state
  },
  'update_signal.json': () => {
    const signal = readSignal(paths)
    show({ signal })
    return signal
  },
  'migration_state.json': () => useRecord(),
  'watch_state.json': () => {
    const watch = readWatchState(paths)
    show({ watch })
    renderMetrics({ world, config, paths }, [])
    remember(watch?.seen ?? [], [], commit('x'), '2026-05-04T12:30:00.000Z')
    decide(config.deployment, [], { deployed: head('x'), seen: watch?.seen ?? [], now: NOW_MS })
    return watch
  },
  'status.json': () => {
    renderMetrics({ world, config, paths }, [])
    return readStatus(paths)
  },
  'history.json': () => readHistory(paths),
  'pause.json': () => {
    const pause = readPause(paths, NOW_MS)
    show({ pause })
    return pause
  },
  'choices.json': () => {
    const choices = readChoices(paths)
    show({ choices })
    decide(config.deployment, [], { deployed: head('x'), seen: [], choices, now: NOW_MS })
    return choices
  },
  'installed.json': () => readInstalled(paths),
  'update_request.json': () => takeRequest(paths, NOW_MS),
  'redis.json': () => {
    const link = readRedisState(paths)
    isHeartbeatDue(link, null, NOW_MS)
    return link
  },
  'listen.json': () => {
    const position = readPosition(paths)
    if (position) isLaterId(position.last_id, '0-0')
    return position
  },
  'supervisor.json': () => readSupervisorRecord(paths),
  'releases.json': () => readReleases(paths, STATE_FILES['releases.json'].url),
}

function useRecord(): unknown {
  const record = readMigrationRecord(paths)
  const migrations = [
    {
      id: '1.2.0/001_a.mjs',
      version: '1.2.0',
      number: 1,
      path: '/nonexistent/001_a.mjs',
      language: 'node' as const,
    },
  ]
  const inputs = {
    applied: record.applied,
    baseline: record.baseline ?? null,
    deployed: '1.1.0',
    from: null,
    to: null,
  }
  const pending = pendingMigrations(migrations, inputs)
  foreseen(() => migrationRows({ record, migrations, pending }))
  return { ...record, applied: [...record.applied] }
}

/** An error that telec foresees is as good as an answer. */
function foreseen(action: () => unknown): void {
  try {
    action()
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
  }
}

/** It is understood, or refused as broken with its path, and then left as it is. Whether it was understood. */
async function expectNoHarm(path: string, text: string, read: () => unknown): Promise<boolean> {
  writeFileSync(path, text)
  try {
    await read()
    return true
  } catch (error) {
    if (!(error instanceof TelecError)) throw error
    expect(error).toMatchObject({ kind: 'halted', hint: expect.stringMatching(/\S/) })
    expect(error.message).toContain(`${path}`)
    expect(error.message).toContain('cannot be understood; it was not changed')
    expect(readFileSync(path, 'utf8')).toBe(Buffer.from(text).toString('utf8'))
    return false
  }
}

describe('a state file with anything in it', () => {
  test.each(Object.keys(STATE_FILES) as StateFile[])(
    '%s: is understood, or refused and left as it is',
    async (file) => {
      const text = `${JSON.stringify(STATE_FILES[file], null, 2)}\n`
      const path = join(folder, file)
      expect(await expectNoHarm(path, text, READERS[file])).toBe(true)
      const outcomes = { understood: 0, refused: 0 }
      const property = fc.asyncProperty(mutationsOf(text), async (mutation) => {
        const isUnderstood = await expectNoHarm(path, mutation, READERS[file])
        outcomes[isUnderstood ? 'understood' : 'refused'] += 1
        // The written file can be read again: JSON has no infinity, and no undefined.
        if (!isUnderstood || file === 'update_request.json') return
        if (file === 'migration_state.json' || file === 'releases.json') return
        const value = await READERS[file]()
        expect(await expectNoHarm(path, JSON.stringify(value), READERS[file])).toBe(true)
      })
      await fc.assert(property, FUZZ)
      rmSync(path, { force: true })
      process.stdout.write(`${file}: ${outcomes.understood} understood, ${outcomes.refused} refused\n`)
      expect(outcomes.understood).toBeGreaterThan(0)
      if (file !== 'releases.json') expect(outcomes.refused).toBeGreaterThan(FUZZ.numRuns / 4)
    },
    300_000,
  )

  test('the journal of migrations: is understood, or refused and left as it is', async () => {
    const path = paths.migrationJournal
    const property = fc.asyncProperty(
      fc.oneof(
        mutationsOfText(MIGRATION_JOURNAL),
        mutationsOf(MIGRATION_JOURNAL.split('\n')[0] ?? '').map(
          (line) => `${line.replaceAll('\n', '')}\n${MIGRATION_JOURNAL}`,
        ),
      ),
      async (mutation) => {
        await expectNoHarm(path, mutation, useRecord)
      },
    )
    await fc.assert(property, FUZZ)
    rmSync(path)
  }, 300_000)
})

test('a journal of an older telec, which knew one unit, is read: its restart is that of the only unit', () => {
  writeFileSync(paths.updateState, JSON.stringify(STATE_FILES['update_state.json']))
  const { update, last } = readUpdateState(paths) ?? {}
  expect(update?.restarts).toEqual([{ unit: 'web.service', before: '4711 99', asked: true }])
  expect(last).toMatchObject({ restarts: [{ unit: null, before: '4711 99', asked: true }], service: null })
  if (!update || !last) throw new Error('they are there')
  expect(restartOf(last, 'web.service', true)).toMatchObject({ before: '4711 99' })
  expect(restartOf(last, 'web.service', false)).toBeNull() // which of them it was is not known
  expect(restartOf(update, 'web.service', false)).toMatchObject({ before: '4711 99' })
  expect(restartOf(update, 'worker.service', true)).toBeNull()
})

describe('a configuration with anything in it', () => {
  test('is understood, or refused with its faults', async () => {
    const asJson = JSON.stringify({
      computer: 'studio',
      deployment: {
        channel: 'stable',
        pinned_minor: '1.4',
        checkout: '/srv/app',
        window: ['Mon-Fri 02:00-05:00'],
        timezone: 'Europe/Berlin',
        mirrors: ['https://example.org/a.git'],
        poll_every: '60s',
      },
      service: { name: 'web.service', restart: 'exit-42', health: 'true' },
      redis: { url: 'redis://127.0.0.1:6379' },
      fleet: { max_updating: 2, without_redis: 'wait' },
    })
    const property = fc.property(
      fc.oneof(mutationsOfText(CONFIG), mutationsOf(asJson), mutationsOfText(asJson)),
      (text) => {
        try {
          const parsed = parseConfig(world, paths.config, text)
          windowOpensAt(parsed, NOW_MS)
          expect(parsed.deployment.poll_every).toBeGreaterThanOrEqual(5_000)
        } catch (error) {
          if (!(error instanceof TelecError)) throw error
          expect(error.kind).toBe('config')
          expect(error.message).toContain(paths.config)
        }
      },
    )
    // YAML takes ten times as long as JSON.
    await fc.assert(property, { ...FUZZ, numRuns: FUZZ.numRuns / 4 })
  }, 300_000)
})
