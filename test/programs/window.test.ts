import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** An hour of the day, `hours` from now, as a window in UTC. */
function hour(hoursFromNow: number): string {
  const time = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
  return `${time(hoursFromNow)}-${time(hoursFromNow + 1)}`
}

async function withWindow(...windows: string[]): Promise<Computer> {
  const computer = await freshComputer()
  configure(computer, windows)
  return computer
}

function configure(computer: Computer, windows: readonly string[]): void {
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  window: ${JSON.stringify(windows)}\n  timezone: UTC\n`,
  )
}

const signalTime = (computer: Computer) => statSync(join(computer.home, 'update_signal.json')).mtimeMs

test('outside the window a new version is detected at once, and applied when it opens', async () => {
  const computer = await withWindow(hour(3), hour(6))
  const commit = await computer.push(version('1.1.0'))
  expectFailure(await watchAndUpdate(computer), 75, [
    'the update to',
    'waits for its window',
    'opens at 20',
    'telec-update --now',
  ])
  expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { version: '1.0.0' }, halted: null })
  const { stdout } = await computer.telec('telec', ['status'])
  expect(stdout).toMatch(
    /^window +\d\d:\d\d-\d\d:\d\d, \d\d:\d\d-\d\d:\d\d: it opens in \d+ (min|h); sooner: telec-update --now$/m,
  )
  expect(stdout).toMatch(/^pending +an update to /m)

  const before = signalTime(computer)
  await computer.telec('telec-watch', ['--scheduled'])
  expect(signalTime(computer)).toBe(before) // nobody is woken for nothing
  configure(computer, [hour(-0.5)])
  await computer.telec('telec-watch', ['--scheduled'])
  expect(signalTime(computer)).toBeGreaterThan(before)
  expect((await computer.telec('telec-update')).code).toBe(42)
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  expect((await computer.telec('telec', ['status'])).stdout).toMatch(/^window +\S+: it is open$/m)
})

test('--now does not wait', async () => {
  const computer = await withWindow(hour(3))
  const commit = await computer.push(version('1.1.0'))
  await watchAndUpdate(computer, ['--now'])
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
})

test('an update that has begun is not left half-way when the window closes', async () => {
  const computer = await withWindow(hour(-0.5))
  const path = 'migrations/v1.1.0/001_fails.mjs'
  await computer.push({
    ...version('1.1.0'),
    [path]: 'export const check = () => false\nexport const migrate = () => false\n',
  })
  expectFailure(await watchAndUpdate(computer), 1, ['001_fails.mjs'])
  configure(computer, [hour(3)])
  expectFailure(await computer.telec('telec-update', ['--retry']), 1, ['001_fails.mjs'])
  await computer.push({ ...version('1.1.1'), [path]: null })
  expectFailure(await watchAndUpdate(computer), 75, ['waits for its window'])
})

test.each([
  ['window: night', 'deployment.window', 'weekly hours in quotes, such as "Mon-Fri 02:00-05:00"'],
  ['window: ["02:00-05:00", 3]', 'deployment.window', 'weekly hours'],
  ['timezone: Berlin', 'deployment.timezone', "a time zone of the IANA's, such as Europe/Berlin"],
])('%s is a wrong configuration', async (line, ...parts) => {
  const computer = await freshComputer()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  ${line}\n`)
  expectFailure(await computer.telec('telec-watch'), 78, ['config.yml:3', ...parts])
})
