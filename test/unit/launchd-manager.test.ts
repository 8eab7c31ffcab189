import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { RootUnit } from '../../src/service/by-root.ts'
import { launchdManager } from '../../src/service/launchd/manager.ts'
import { realWorld, type World } from '../../src/system/world.ts'

const LABEL = 'org.example.web'
const RUNNING = 'x = {\n\tstate = running\n\truns = 3\n\tpid = 4711\n}\n'
const HELD_BACK =
  'x = {\n\tstate = spawn scheduled\n\tminimum runtime = 10\n\truns = 3\n\tlast exit code = 42\n}\n'
const ENDED = 'x = {\n\tstate = not running\n\tminimum runtime = 10\n\truns = 3\n\tlast exit code = 42\n}\n'

type Answer = readonly [code: number | null, stdout?: string]

/** launchctl, by its arguments, and a clock that waiting advances. */
function launchd(answer: (asked: string, nowMs: number) => Answer, root: RootUnit | null = null) {
  const asked: string[] = []
  let nowMs = 0
  const world: World = {
    ...realWorld('telec'),
    uid: 501,
    monotonic: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms
    },
    run: async (_, args) => {
      asked.push(args.join(' '))
      const [code, stdout = ''] = answer(args.join(' '), nowMs)
      const endedBy = code === null ? 'timeout' : null
      return { code, signal: null, stdout, stderr: 'as launchctl says', endedBy, leftovers: [] }
    },
  }
  const manager = launchdManager(world, LABEL, root ? 'system' : 'user', root)
  return { manager, asked, now: () => nowMs }
}

const GUI = `print gui/501/${LABEL}`
const USER = `print user/501/${LABEL}`

test.each<[string, Record<string, Answer>, string]>([
  ['in gui/UID', { [GUI]: [0, RUNNING], [USER]: [113] }, 'running'],
  ['in user/UID', { [GUI]: [113], [USER]: [0, RUNNING] }, 'running'],
  ['in user/UID, where nobody is at the desktop', { [GUI]: [125], [USER]: [0, RUNNING] }, 'running'],
  ['in both, and runs in one', { [GUI]: [0, ENDED], [USER]: [0, RUNNING] }, 'running'],
  ['in both, and runs in none', { [GUI]: [0, ENDED], [USER]: [0, ''] }, 'failed'],
  ['in neither', { [GUI]: [113], [USER]: [113] }, 'stopped'],
  ['nowhere, where nobody is at the desktop', { [GUI]: [112], [USER]: [113] }, 'stopped'],
])('a job that is %s is %#', async (_, answers, activity) => {
  const { manager } = launchd((what) => answers[what] ?? [0])
  expect((await manager.inspect()).activity).toBe(activity)
})

test.each<[string, Answer, Answer]>([
  ['a time-out', [null], [113]],
  ['a time-out of the other', [113], [null]],
  ['what nobody knows', [64], [113]],
  ['no domain at all', [112], [125]],
  ['no such process', [3], [113]],
  ['an input or output error', [113], [5]],
  ['something in progress', [36], [113]],
  ['something already in progress', [37], [113]],
  ['a service that cannot be loaded', [119], [113]],
])('%s says nothing about a job', async (_, gui, user) => {
  const { manager } = launchd((what) => (what === GUI ? gui : what === USER ? user : [0]))
  await expect(manager.inspect()).rejects.toMatchObject({
    kind: 'later',
    because: expect.stringContaining('launchctl print'),
  })
})

test('orders go to where the job is', async () => {
  const { manager, asked } = launchd((what) => (what === GUI ? [113] : [0, what === USER ? RUNNING : '']))
  await manager.terminate()
  await manager.restart()
  expect(asked.filter((what) => !what.startsWith('print'))).toEqual([
    `kill SIGTERM user/501/${LABEL}`,
    `kickstart -k user/501/${LABEL}`,
  ])
})

test('a job that launchd is about to start is not kicked', async () => {
  const { manager, asked } = launchd((what, nowMs) =>
    what === GUI ? [0, nowMs < 6_000 ? HELD_BACK : RUNNING] : [0],
  )
  await manager.start()
  expect(asked.filter((what) => what.startsWith('kickstart'))).toEqual([])
})

test('a job that launchd does not start is kicked once its throttle has passed', async () => {
  const { manager, asked, now } = launchd((what) => (what === GUI ? [0, ENDED] : [0]))
  await manager.start()
  expect(asked.at(-1)).toBe(`kickstart gui/501/${LABEL}`)
  expect(now()).toBeGreaterThanOrEqual(10_000)
})

test('one that is not loaded is loaded where agents of the user are now, and started at once', async () => {
  let isLoaded = false
  const { manager, asked, now } = launchd((what) => {
    if (what === 'print gui/501') return [125]
    if (what.startsWith('bootstrap')) isLoaded = true
    if (what === GUI) return [125]
    if (what === USER) return isLoaded ? [0, 'x = {\n\truns = 0\n}\n'] : [113]
    return [0]
  })
  await manager.start()
  const orders = asked.filter((what) => !what.startsWith('print'))
  expect(orders).toEqual([
    expect.stringMatching(/^bootstrap user\/501 .*\.plist$/),
    `kickstart user/501/${LABEL}`,
  ])
  expect(now()).toBe(0)
})

test('one whose plist makes a job of another name is not waited for without end', async () => {
  const { manager, now } = launchd((what) => [/^(bootstrap|print gui\/501$)/.test(what) ? 0 : 113])
  await expect(manager.start()).rejects.toMatchObject({
    kind: 'halted',
    message: `launchctl kickstart gui/501/${LABEL} failed`,
  })
  expect(now()).toBeLessThan(60_000)
})

test('one that launchd starts at that very moment is not said to fail', async () => {
  const { manager, asked } = launchd((what, nowMs) => {
    if (what.startsWith('kickstart')) return [nowMs < 11_000 ? 37 : 0]
    return what === GUI ? [0, ENDED] : [113]
  })
  await manager.start()
  expect(asked.at(-1)).toBe(`kickstart gui/501/${LABEL}`)
})

const ROOTS = 'print system/telec-restart'

/** The job of root's, which is to be asked by a file. */
function byRoot(answer: (asked: string, nowMs: number, isAsked: boolean) => Answer) {
  const folder = mkdtempSync(join(tmpdir(), 'telec-restart-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const request = join(folder, 'restart')
  const answers = (asked: string, nowMs: number) => answer(asked, nowMs, existsSync(request))
  return { ...launchd(answers, { request, name: 'telec-restart' }), isAsked: () => existsSync(request) }
}
const job = (runs: number, end: string): Answer => [0, `x = {\n\truns = ${runs}\n\t${end}\n}\n`]

test.each<[string, Answer, Answer, object | null]>([
  ['has run', job(3, 'last exit code = 0'), job(4, 'last exit code = 0'), null],
  [
    'fails',
    job(3, 'last exit code = 0'),
    job(4, 'last exit code = 113'),
    { kind: 'config', because: 'it ended with exit code 113' },
  ],
  [
    'is killed',
    job(0, 'last exit code = (never exited)'),
    job(1, 'last terminating signal = Killed: 9'),
    { kind: 'config', because: 'it ended with signal Killed: 9' },
  ],
  [
    'is not started',
    job(3, 'last exit code = 0'),
    job(3, 'last exit code = 0'),
    { kind: 'config', because: 'it was not started' },
  ],
  [
    'is booted out meanwhile',
    job(3, 'last exit code = 0'),
    [113],
    { kind: 'config', because: 'it is not loaded' },
  ],
])('root restarts the service by a job that %s', async (_, before, after, fault) => {
  const { manager } = byRoot((what, __, isAsked) => (what === ROOTS ? (isAsked ? after : before) : [0]))
  const restarted = manager.restart()
  await (fault === null ? restarted : expect(restarted).rejects.toMatchObject(fault))
})

test.each<[string, Answer, object]>([
  ['is not loaded', [113], { kind: 'config', because: 'it is not loaded' }],
  ['launchd says nothing about', [null], { kind: 'later', because: 'launchd does not answer' }],
])("a job of root's that %s is asked for nothing", async (_, answer, fault) => {
  const { manager, isAsked } = byRoot((what) => (what === ROOTS ? answer : [0]))
  await expect(manager.restart()).rejects.toMatchObject(fault)
  expect(isAsked()).toBe(false)
})

test("a job of root's that was asked by an update which was killed is waited for", async () => {
  const { manager, isAsked } = byRoot((what, nowMs) => {
    if (what !== ROOTS) return [0]
    return nowMs < 5_000 ? job(4, 'pid = 99') : job(4, 'last exit code = 0')
  })
  await manager.restart()
  expect(isAsked()).toBe(false)
})
