import { commit } from './commits.ts'

const AT = '2026-05-04T12:00:00.000Z'
const target = (version: string) => ({ version, ref: 'refs/heads/main', commit: commit(version) })
const step = (name: string, ended = true) => ({
  name,
  began_at: AT,
  ended_at: ended ? AT : null,
  note: `${name} done`,
})
const detail = { at: AT, ms: 12, how: 'run', telec: '0.1.0', sha256: 'ab'.repeat(32) }
const update = {
  channel: 'alpha',
  from: target('1.1.0'),
  target: target('1.2.0'),
  started_at: AT,
  attempts: 2,
  steps: [
    step('preflight'),
    step('fetch'),
    step('verify'),
    step('checkout'),
    step('migrate'),
    step('install', false),
  ],
  left_at: commit('1.1.5'),
  permits: ['rewrite'],
  rollback: { migrations: ['1.2.0/001_a.mjs'], held: [target('1.3.0')] },
  restarts: [{ unit: 'web.service', before: '4711 99', asked: true }],
  service: null,
}
/** As an older telec wrote it. */
const older = { ...update, restarts: undefined, service: { before: '4711 99', asked: true } }

/** Each file of telec's home as telec writes it, in the middle of its life. */
export const STATE_FILES = {
  'update_state.json': {
    deployed: { ...target('1.1.0'), at: AT, last_migration: '1.1.0/001_a.mjs' },
    previous: [{ ...target('1.0.0'), last_migration: null }],
    rolled_back: { targets: [target('1.4.0')], at: AT },
    update,
    last: { ...older, target: target('1.1.0'), from: target('1.0.0'), rollback: null },
    halted: {
      target: target('1.2.0'),
      step: 'install',
      error: 'the install command failed with exit code 1',
      because: 'line one\nline two',
      hint: 'try it by hand',
      go_on: 'telec-update --retry',
      migration: null,
      transient: true,
      at: AT,
      attempts: 2,
      next_try_at: AT,
    },
    held: { reason: 'waiting for a slot', at: AT },
  },
  'update_signal.json': {
    channel: 'alpha',
    from: { version: '1.1.0', commit: commit('1.1.0') },
    target: { ...target('1.2.0'), version: null },
    detected_at: AT,
    source: 'telec-watch',
  },
  'migration_state.json': {
    schema: 1,
    baseline: '1.0.0',
    applied: ['1.1.0/001_a.mjs', '1.1.0/002_b.py'],
    details: {
      '1.1.0/001_a.mjs': detail,
      '1.1.0/002_b.py': { ...detail, how: 'marked', ms: null, sha256: null },
    },
  },
  'watch_state.json': {
    polled_at: AT,
    outcome: 'held',
    reason: '1.2.0 is younger than deployment.min_age',
    target: target('1.2.0'),
    refusal: 'downgrade',
    seen: [{ ref: 'refs/heads/main', commit: commit('1.2.0'), at: AT }],
    malformed: ['v1.2'],
    via: 'https://example.org/mirror.git',
    failures: 3,
    last_failure: 'no route to host',
    next_poll_at: AT,
  },
  'status.json': {
    computer: 'studio',
    status: 'installing',
    timestamp: 1_777_000_000,
    channel: 'alpha',
    from: '1.1.0',
    version: '1.2.0',
    commit: commit('1.2.0'),
    step: 'install',
    error: null,
    migration: null,
    duration_ms: 1200,
    telec: '0.1.0',
  },
  'history.json': [
    {
      from: target('1.0.0'),
      target: target('1.1.0'),
      started_at: AT,
      ended_at: AT,
      rollback: false,
      attempts: 1,
      seconds: { fetch: 0.2, install: 4 },
      halted: { step: 'install', error: 'exit code 1' },
    },
  ],
  'pause.json': { since: AT, until: '2026-05-04T14:00:00.000Z' },
  'choices.json': { pin: { ...target('1.2.0'), since: AT }, held: [{ ...target('1.3.0'), since: AT }] },
  'installed.json': {
    manager: 'systemd',
    scope: 'user',
    files: ['/home/ann/.config/systemd/user/telec-watch.timer'],
    folders: ['/home/ann/.config/systemd/user'],
  },
  'update_request.json': {
    retry: true,
    now: false,
    permits: ['stash'],
    rollback: { force: true, to: '1.0.0' },
    at: AT,
  },
  'redis.json': { sent: '1777000000 updated done abc', reached_at: AT, failures: 0, last_failure: null },
  'listen.json': { last_id: '1777000000000-0' },
  'supervisor.json': {
    supervisor: 4711,
    main: { pid: 4712, started_ms: 1777000000000.5 },
    starts: 2,
    last_exit: 'exit code 42',
  },
  'releases.json': {
    url: 'https://api.github.com/repos/ann/web/releases?per_page=100',
    pages: [{ etag: 'W/"abc"', releases: [{ tag: 'v1.1.0', prerelease: false }], isLast: true }],
    wait: { until: AT, token: 'GITHUB_TOKEN' },
  },
} as const

export type StateFile = keyof typeof STATE_FILES

/** What a run of migrations that was killed leaves behind: a line for each that it recorded. */
export const MIGRATION_JOURNAL = ['1.2.0/001_a.mjs', '1.2.0/002_b.mjs']
  .map((id) => `${JSON.stringify({ id, ...detail })}\n`)
  .join('')
