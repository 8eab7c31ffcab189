import { expect, test } from 'vitest'
import { launchdManager } from '../../src/service/launchd/manager.ts'
import { realWorld, type World } from '../../src/system/world.ts'

const LABEL = 'org.example.web'
const RUNNING = 'x = {\n\tstate = running\n\truns = 3\n\tpid = 4711\n}\n'
const HELD_BACK =
  'x = {\n\tstate = spawn scheduled\n\tminimum runtime = 10\n\truns = 3\n\tlast exit code = 42\n}\n'
const ENDED = 'x = {\n\tstate = not running\n\tminimum runtime = 10\n\truns = 3\n\tlast exit code = 42\n}\n'

type Answer = readonly [code: number | null, stdout?: string]

/** launchctl, by what it is asked, and a clock that goes by as it is waited for. */
function launchd(answer: (asked: string, nowMs: number) => Answer) {
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
      return { code, signal: null, stdout, stderr: 'as launchctl says', endedBy, left: [] }
    },
  }
  return { manager: launchdManager(world, LABEL, 'user'), asked, now: () => nowMs }
}

const GUI = `print gui/501/${LABEL}`
const USER = `print user/501/${LABEL}`

test.each<[string, Record<string, Answer>, string]>([
  ['in gui/UID', { [GUI]: [0, RUNNING], [USER]: [113] }, 'running'],
  ['in user/UID', { [GUI]: [113], [USER]: [0, RUNNING] }, 'running'],
  ['in user/UID, where nobody is at the desktop', { [GUI]: [125], [USER]: [0, RUNNING] }, 'running'],
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
])('%s says nothing about a job', async (_, gui, user) => {
  const { manager } = launchd((what) => (what === GUI ? gui : what === USER ? user : [0]))
  await expect(manager.inspect()).rejects.toMatchObject({
    kind: 'later',
    because: expect.stringContaining('launchctl print'),
  })
})

test('orders go to where the job is', async () => {
  const { manager, asked } = launchd((what) => (what === GUI ? [113] : [0, what === USER ? RUNNING : '']))
  await manager.askToLeave()
  await manager.restart()
  expect(asked.filter((what) => !what.startsWith('print'))).toEqual([
    `kill SIGTERM user/501/${LABEL}`,
    `kickstart -k user/501/${LABEL}`,
  ])
})

test('what launchd is about to start is not kicked', async () => {
  const { manager, asked } = launchd((what, nowMs) =>
    what === GUI ? [0, nowMs < 6_000 ? HELD_BACK : RUNNING] : [0],
  )
  await manager.start()
  expect(asked.filter((what) => what.startsWith('kickstart'))).toEqual([])
})

test('what it does not start by itself is kicked once its throttle has passed', async () => {
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
