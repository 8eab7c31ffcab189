import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/parse.ts'
import type { Paths } from '../../src/config/paths.ts'
import { locate } from '../../src/config/services.ts'
import { readChoices } from '../../src/state/choices.ts'
import { readHistory } from '../../src/state/history.ts'
import { readInstalled } from '../../src/state/installed.ts'
import { readMigrationRecord } from '../../src/state/migrations.ts'
import { readPause } from '../../src/state/pause.ts'
import { readRedisState } from '../../src/state/redis.ts'
import { takeRequest } from '../../src/state/request.ts'
import { readSignal } from '../../src/state/signal.ts'
import { readStatus } from '../../src/state/status.ts'
import { readSupervisorRecord } from '../../src/state/supervisor.ts'
import { readUpdateState } from '../../src/state/update-state.ts'
import { readWatchState } from '../../src/state/watch-state.ts'
import { TelecError } from '../../src/system/errors.ts'
import { type Computer, makeComputer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { mutationsOf, mutationsOfText } from '../helpers/mutations.ts'
import { computerOnGitHub, LOGGED_OUT, tag } from '../helpers/on-github.ts'
import type { ProgramName } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { MIGRATION_JOURNAL, STATE_FILES } from '../helpers/state-files.ts'
import { watchAndUpdate } from '../helpers/update.ts'
import { pureWorld } from '../helpers/world.ts'

/** The readers themselves are given thousands of cases in test/unit/state-files.test.ts; these go through the bundles. */
const CASES = process.env.TELEC_TEST_ALL ? 20 : 2
const SEED = 8
const DESIGNED = [0, 1, 2, 42, 75, 78]

/** Programs that read the file, and with which code they leave where it is broken. */
type Readers = [ProgramName, string[], code: number][]
const STATUS: Readers[0] = ['telec', ['status', '--json'], 1]
const UPDATE: Readers[0] = ['telec-update', [], 1]
const WATCH: Readers[0] = ['telec-watch', [], 1]
const MIGRATE: Readers[0] = ['telec-migrate', ['status'], 1]
const instead = ([program, args]: Readers[0], code: number): Readers[0] => [program, args, code]
const ALL = [STATUS, UPDATE, WATCH, MIGRATE]

interface File {
  readonly readers: Readers
  /** Throws where telec cannot understand it. */
  readonly read: (paths: Paths, text: string) => unknown
}

const FILES: Record<string, File> = {
  'update_state.json': { read: readUpdateState, readers: ALL },
  'update_signal.json': { read: readSignal, readers: [STATUS, UPDATE, WATCH] },
  'migration_state.json': { read: readMigrationRecord, readers: [UPDATE, MIGRATE] },
  'migration_state.journal': { read: readMigrationRecord, readers: [UPDATE, MIGRATE] },
  'watch_state.json': { read: readWatchState, readers: [STATUS, WATCH] },
  // For others to read: an update writes it again, a poll says that it could not be passed on.
  'status.json': { read: readStatus, readers: [['telec', ['metrics'], 1], instead(WATCH, 0)] },
  // What people look up later fails no update.
  'history.json': { read: readHistory, readers: [['telec', ['history'], 1], instead(UPDATE, 42)] },
  'pause.json': { read: (paths) => readPause(paths, Date.now()), readers: [STATUS, UPDATE, WATCH] },
  'choices.json': { read: readChoices, readers: [STATUS, UPDATE, WATCH] },
  'installed.json': { read: readInstalled, readers: [['telec', ['doctor'], 1]] },
  'update_request.json': { read: (paths) => takeRequest(paths, 0), readers: [UPDATE] },
  // Redis is never what a poll fails for.
  'redis.json': { read: readRedisState, readers: [instead(WATCH, 0)] },
  'supervisor.json': { read: readSupervisorRecord, readers: [STATUS, UPDATE] },
  'config.yml': {
    read: (paths, text) => parseConfig(pureWorld(), paths.config, text),
    readers: ALL.map((reader) => instead(reader, 78)),
  },
}

let computer: Computer
const pathOf = (file: string) => join(computer.home, file)

beforeAll(async () => {
  computer = await makeComputer()
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  install: "true"\nredis:\n  url: redis://127.0.0.1:1\n`,
  )
  await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  await computer.push({ ...version('1.2.0'), ...markerMigration('1.2.0', '001_b.mjs') })
  expect((await computer.telec('telec-watch')).code).toBe(0)
  snapshot(computer)
})
afterAll(() => computer.dispose())

/** The file as it is on this computer, or as telec would write it here. */
function original(file: string): string {
  if (existsSync(pathOf(file))) return readFileSync(pathOf(file), 'utf8')
  if (file === 'migration_state.journal') return MIGRATION_JOURNAL
  if (file === 'update_request.json')
    return JSON.stringify({ ...STATE_FILES[file], rollback: null, at: new Date().toISOString() })
  return JSON.stringify(STATE_FILES[file as keyof typeof STATE_FILES], null, 2)
}

async function isBroken({ read }: File, file: string, text: string): Promise<boolean> {
  restore(computer)
  writeFileSync(pathOf(file), text)
  try {
    await read(locate(pureWorld({ env: { TELEC_HOME: computer.home } })), text)
    return false
  } catch (error) {
    if (error instanceof TelecError) return true
    throw error
  }
}

describe('a file of telec with anything in it: the exit code is as designed, no trace, and the broken file stays:', () => {
  test.each(Object.keys(FILES))(
    '%s',
    async (name) => {
      restore(computer)
      const file = FILES[name] as File
      const text = original(name)
      const isJson = name.endsWith('.json')
      const mutations = fc.sample(isJson ? mutationsOf(text) : mutationsOfText(text), {
        seed: SEED,
        numRuns: CASES * file.readers.length,
      })
      for (const [index, mutation] of mutations.entries()) {
        const [program, args, code] = file.readers[index % file.readers.length] ?? STATUS
        const broken = await isBroken(file, name, mutation)
        restore(computer)
        writeFileSync(pathOf(name), mutation)
        const bytes = readFileSync(pathOf(name))
        const ended = await computer.telec(program, args)
        const what = `${program} ${args.join(' ')}, exit code ${ended.code}\n${mutation.slice(0, 2_000)}\n${ended.stderr.slice(0, 2_000)}`
        expect(ended.signal, what).toBeNull()
        expect(ended.stderr, what).not.toMatch(/^\s+at .*:\d+:\d+\)?$|a bug in telec/m)
        expect(broken ? [code] : DESIGNED, what).toContain(ended.code)
        if (broken) expect(readFileSync(pathOf(name)), what).toEqual(bytes)
      }
    },
    900_000,
  )

  test('releases.json, a cache: with any content, the poll finds published releases', async () => {
    const { computer: on } = await computerOnGitHub([{ tag_name: 'v1.1.0' }])
    await tag(on, '1.1.0')
    expect((await on.telec('telec-watch', [], { env: LOGGED_OUT })).code).toBe(0)
    const path = join(on.home, 'releases.json')
    const text = readFileSync(path, 'utf8')
    const options = { seed: SEED, numRuns: CASES * 2 }
    for (const mutation of fc.sample(mutationsOf(text), options)) {
      writeFileSync(path, mutation)
      const ended = await on.telec('telec-watch', [], { env: LOGGED_OUT })
      expect(ended.code, `${mutation}\n${ended.stderr}`).toBe(0)
      expect(ended.stderr).not.toContain('a bug in telec')
    }
  }, 300_000)
})

test('a position in the announcements that is broken is not taken for Redis being out of reach', async () => {
  const redis = await startRedis()
  const listening = await freshComputer()
  listening.writeConfig(`deployment:\n  checkout: ${listening.checkout}\nredis:\n  url: ${redis.url}\n`)
  listening.writeState('listen.json', '{ "last_id": "yesterday" }')
  const ended = await listening.telec('telec-watch', ['--listen'])
  expectFailure(ended, 1, ['listen.json', 'cannot be understood', 'rm '])
  expect(readFileSync(join(listening.home, 'listen.json'), 'utf8')).toBe('{ "last_id": "yesterday" }')
})
