import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { parseName } from '../../src/channel/choices.ts'
import { decide } from '../../src/channel/decide.ts'
import { normalVersion, versionIn } from '../../src/channel/versions.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { pathsOf } from '../../src/config/paths.ts'
import { parseRedisUrl } from '../../src/config/redis-url.ts'
import { isServiceName } from '../../src/config/services.ts'
import { parseDuration } from '../../src/config/values.ts'
import { isTimeZone, parseWindow, windowOpensAt } from '../../src/config/weekly-hours.ts'
import { parseApt, parseNpm } from '../../src/doctor/newer.ts'
import { isLaterId, parseAnnouncement } from '../../src/fleet/announcements.ts'
import { connectTo } from '../../src/fleet/client.ts'
import { createDecoder } from '../../src/fleet/decoder.ts'
import { isName } from '../../src/fleet/keys.ts'
import { parseStatus } from '../../src/fleet/read.ts'
import * as replies from '../../src/fleet/replies.ts'
import { changesBetween } from '../../src/git/changes.ts'
import { subjectsBetween } from '../../src/git/checkout.ts'
import { gitError, gitRemote, verifyGit } from '../../src/git/git.ts'
import { indexDamage, suspects } from '../../src/git/index-file.ts'
import { localChanges } from '../../src/git/local-changes.ts'
import { defaultBranch, parseRefs } from '../../src/git/remote-refs.ts'
import { locateRepository } from '../../src/git/repository.ts'
import { expiredSigners, verifySignatures } from '../../src/git/signatures.ts'
import { submodulesOf } from '../../src/git/submodules/submodule.ts'
import { declaredBy } from '../../src/git/target.ts'
import { committedBelow } from '../../src/git/tree.ts'
import { discoverMigrations } from '../../src/migrate/discover.ts'
import { eraseTypes } from '../../src/migrate/runtimes/erase-types.ts'
import { readAnswer } from '../../src/migrate/runtimes/host-process.ts'
import { FORGES } from '../../src/releases/forges.ts'
import { placeOf } from '../../src/releases/locate.ts'
import { parsePage, waitAskedFor } from '../../src/releases/published.ts'
import { parseShown, parseVariables, serviceEnvironment } from '../../src/service/environment.ts'
import { isDisabled, stateOf as stateInLaunchd } from '../../src/service/launchd/print.ts'
import { isInUnit } from '../../src/service/systemd/hand-over.ts'
import { systemdManager } from '../../src/service/systemd/manager.ts'
import { journalReader, parseTimespan, showUnits } from '../../src/service/systemd/systemctl.ts'
import { readChoices } from '../../src/state/choices.ts'
import { readHistory } from '../../src/state/history.ts'
import { readInstalled } from '../../src/state/installed.ts'
import { readMigrationRecord } from '../../src/state/migrations.ts'
import { readNewer } from '../../src/state/newer.ts'
import { readPause } from '../../src/state/pause.ts'
import { readPosition, readRedisState } from '../../src/state/redis.ts'
import { readReleases } from '../../src/state/releases.ts'
import { takeRequest } from '../../src/state/request.ts'
import { readSignal } from '../../src/state/signal.ts'
import { readStatus } from '../../src/state/status.ts'
import { readSupervisorRecord } from '../../src/state/supervisor.ts'
import { readUpdateState } from '../../src/state/update-state.ts'
import { readWatchState } from '../../src/state/watch-state.ts'
import { collectLines } from '../../src/system/lines.ts'
import { localTime } from '../../src/system/local-time.ts'
import { withoutLogins } from '../../src/system/logins.ts'
import type { RunResult } from '../../src/system/process.ts'
import { similarTo } from '../../src/system/similar.ts'
import { isoOfSeconds, type World } from '../../src/system/world.ts'
import { showFleet } from '../../src/view/fleet.ts'
import { fleetPage } from '../../src/view/fleet-page.ts'
import { commit, head } from './commits.ts'
import { STATE_FILES, type StateFile } from './state-files.ts'
import { pureWorld } from './world.ts'

const NOW_MS = Date.parse('2026-05-04T12:30:00Z')
const folder = mkdtempSync(join(tmpdir(), 'telec-fuzz-'))
const paths = pathsOf(folder, null)

/** A world in which every program prints this, and ends so. */
function saying(text: string, ended: Partial<RunResult> = {}): World {
  const result: RunResult = {
    ...{ code: 0, signal: null, stdout: text, stderr: text, endedBy: null, leftovers: [] },
    ...ended,
  }
  let clock = 0
  return pureWorld({
    home: folder,
    run: async () => result,
    now: () => NOW_MS,
    monotonic: () => (clock += 60_000),
    sleep: async () => undefined,
  })
}

const repositoryOf = (world: World) => ({ world, gitDir: folder, commonDir: folder, workTree: folder })
const saidBy = (text: string) => repositoryOf(saying(text))
const config = parseConfig(
  saying(''),
  'config.yml',
  'deployment:\n  checkout: /srv/app\n  channel: stable\n  pinned_minor: "1.4"\nservice:\n  name: web.service\n  environment: true\n',
)
const { deployment } = config
const serviceIn = (world: World) => ({ world, config, paths })
const target = { version: '1.4.2', ref: 'refs/tags/v1.4.2', commit: commit('1.4.2') }

/** Reads a text as a file of that name. */
function inFile<Value>(name: string, text: string, read: () => Value): Value {
  writeFileSync(join(folder, name), text)
  return read()
}

/** What a text as the reply to anything is to telec, over a connection. */
async function overRedis(text: string): Promise<unknown> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(text))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const access = { url: `redis://127.0.0.1:${port}`, password: null, ca: null }
  const client = connectTo(access, 50, 50)
  const shapes = [replies.Count, replies.Pairs, replies.Streams, replies.Entries, replies.Ok] as const
  const asking = client.ready().then(() => Promise.all(shapes.map((shape) => client.call(shape, 'ANY'))))
  const answer = await asking.catch((error: unknown) => (error instanceof Error ? error.message : null))
  client.close()
  await new Promise((resolve) => server.close(resolve))
  return answer
}

const STATES: Record<StateFile, () => unknown> = {
  'update_state.json': () => readUpdateState(paths),
  'update_signal.json': () => readSignal(paths),
  'migration_state.json': () => readMigrationRecord(paths),
  'watch_state.json': () => readWatchState(paths),
  'status.json': () => readStatus(paths),
  'history.json': () => readHistory(paths),
  'pause.json': () => readPause(paths, NOW_MS),
  'choices.json': () => readChoices(paths),
  'installed.json': () => readInstalled(paths),
  'update_request.json': () => takeRequest(paths, NOW_MS),
  'redis.json': () => readRedisState(paths),
  'listen.json': () => readPosition(paths),
  'supervisor.json': () => readSupervisorRecord(paths),
  'releases.json': () => readReleases(paths, STATE_FILES['releases.json'].url),
}

/** Every parser of what others write; each gives a value, or throws a TelecError. */
export const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  config: (text) => {
    const parsed = parseConfig(saying(''), 'config.yml', text)
    windowOpensAt(parsed, NOW_MS)
    const seen = [{ ...target, ref: 'refs/tags/v9.0.0', at: '2026-05-04T12:00:00.000Z' }]
    const offers = [{ name: 'refs/tags/v9.0.0', commit: target.commit }]
    return [parsed, decide(parsed.deployment, offers, { deployed: head('x', '1.0.0'), seen, now: NOW_MS })]
  },
  newer: async (text) => {
    mkdirSync(join(folder, '.cache/telec'), { recursive: true })
    return [
      parseNpm(text),
      parseApt(text),
      await inFile('.cache/telec/newer.json', text, () => readNewer(saying(''))),
    ]
  },
  words: (text) => [
    parseRedisUrl(text),
    parseDuration(text),
    parseWindow(text),
    isTimeZone(text),
    isServiceName(text),
    isName(text),
    normalVersion(text),
    similarTo(text, ['main', 'deployment.checkout']),
    similarTo('main', [text]),
    parseTimespan(text),
    isoOfSeconds(text),
    withoutLogins(text),
    localTime(text),
    localTime(isoOfSeconds(text)),
    expiredSigners(text, 0),
    Object.values(FORGES).map((forge) => [
      placeOf(forge, text),
      placeOf(forge, text, 'https://h/git/api/v4'),
    ]),
    parseName(text),
  ],
  refs: (text) => {
    const refs = parseRefs(text)
    return (['alpha', 'beta', 'stable'] as const).map((channel) =>
      decide({ ...deployment, channel }, refs, { deployed: head('x'), seen: [], now: NOW_MS }),
    )
  },
  'remote-head': (text) => defaultBranch(saidBy(text), deployment, 'origin'),
  subjects: (text) => subjectsBetween(saidBy(text), 'a', 'b'),
  'signed-commits': (text) =>
    verifySignatures(saidBy(text), { ...deployment, verify: 'signed-commit' }, 'a', target),
  'signed-tag': async (text) => {
    const [kind = '', id = '', ...rest] = text.split('\n')
    const object = rest.join('\n')
    const said = (args: readonly string[]) =>
      args.includes('-t') ? `${kind}\n` : args.includes('rev-parse') ? `${id}\n` : object
    const world: World = {
      ...saying(''),
      run: async (_, args) => ({
        ...{ code: args.includes('verify-tag') ? 1 : 0, signal: null, stdout: said(args) },
        ...{ stderr: 'No principal matched.', endedBy: null, leftovers: [] },
      }),
    }
    await verifySignatures(repositoryOf(world), { ...deployment, verify: 'signed-tag' }, 'a', target)
  },
  changes: (text) => changesBetween(saidBy(text), 'a', 'b'),
  'local-changes': async (text) => [...(await localChanges(saidBy(text)))],
  submodules: (text) => submodulesOf(saidBy(text), 'a'),
  tree: (text) => committedBelow(saidBy(text), 'a', 'migrations'),
  declared: (text) => declaredBy(saidBy(text), { ...target, version: null }),
  'git-fails': async (text) => {
    for (const code of [1, 128, null] as const) {
      const repository = repositoryOf(saying(text, { code }))
      gitError(repository, ['fetch'], await repository.world.run('git', [], { env: {}, timeoutMs: 1 }))
    }
    await gitRemote(repositoryOf(saying(text, { code: 128 })), 'git@example.org:a/b', ['ls-remote'], {})
  },
  'git-version': (text) => verifyGit(saying(text)),
  'git-index': (text) => {
    const repository = saidBy('')
    return inFile('index', text, () => [indexDamage(repository), suspects(repository, 20)])
  },
  'git-file': (text) => inFile('.git', text, () => locateRepository(saying(''), folder)),
  ...Object.fromEntries(
    Object.values(FORGES).map((forge) => [
      `${forge.name.toLowerCase()}-releases`,
      (text: string) => {
        const headers = { date: text, etag: text, link: text, 'retry-after': text }
        const limited = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': text }
        waitAskedFor(saying(''), { status: 429, headers: { ...headers, ...limited }, body: text })
        return parsePage(forge, new URL('https://example.org/'), { status: 200, headers, body: text })
      },
    ]),
  ),
  'fleet-status': (text) => {
    const fleet = {
      taken_at: new Date(NOW_MS).toISOString(),
      computers: [{ computer: 'studio', heard_at: isoOfSeconds('1'), status: parseStatus(text) }],
    }
    return [fleet, showFleet(fleet, NOW_MS), fleetPage(fleet, NOW_MS)]
  },
  replies: (text) => {
    const json = v.safeParse(v.pipe(v.string(), v.parseJson()), text)
    const reply = json.success ? json.output : text
    const streams = v.safeParse(replies.Streams, reply)
    const entries = v.safeParse(replies.Entries, reply)
    for (const { id } of streams.success ? streams.output : []) isLaterId(id, '0-0')
    return [
      ...(entries.success ? entries.output.map(parseAnnouncement) : []),
      Object.values(replies).map((shape) => v.safeParse(shape, reply).success),
    ]
  },
  announcement: (text) => parseAnnouncement({ id: '1-1', fields: new Map([['event', text]]) }),
  resp: async (text) => {
    const replies: unknown[] = []
    try {
      const take = createDecoder((reply) => replies.push(reply))
      for (let at = 0; at < text.length; at += 7) take(Buffer.from(text.slice(at, at + 7)))
    } catch (error) {
      replies.push(
        error instanceof Error && error.message.startsWith('Redis answers ') ? error.message : error,
      )
    }
    return [replies, await overRedis(text)]
  },
  launchctl: (text) => [stateInLaunchd(text), isDisabled(text, 'org.example.web')],
  systemctl: async (text) => [
    [...(await showUnits(saying(text), 'user', ['a', 'b'], ['ActiveState', 'Result']))],
    await systemdManager(saying(text), 'web.service', 'user').inspect(),
    isInUnit(text, 'web.service'),
    parseShown(text),
  ],
  journal: (text) => journalReader(saying(text), 'user', 'web.service')(),
  busctl: (text) => serviceEnvironment(serviceIn(saying(text))),
  variables: parseVariables,
  'package.json': (text) => versionIn('package.json', text),
  'pyproject.toml': (text) => versionIn('pyproject.toml', text),
  VERSION: (text) => versionIn('VERSION', text),
  'migration-names': (text) =>
    discoverMigrations(
      'migrations',
      text.split('\n').map((name) => ({ name, kind: name.includes('/') ? 'file' : 'folder' })),
    ),
  'migration-answers': readAnswer,
  typescript: (text) => {
    try {
      return eraseTypes(text, 'a.ts')
    } catch (error) {
      // Of a migration's own author, in the process of that migration: V8 says the same of what nests too deep.
      if (error instanceof SyntaxError || error instanceof RangeError) return error.message
      throw error
    }
  },
  output: (text) => {
    const lines: string[] = []
    const collector = collectLines((line) => lines.push(line))
    for (let at = 0; at < text.length; at += 997) collector.add(text.slice(at, at + 997), 'stdout')
    return [collector.end(), lines]
  },
  ...Object.fromEntries(
    Object.entries(STATES).map(([name, read]) => [name, (text: string) => inFile(name, text, read)]),
  ),
}
