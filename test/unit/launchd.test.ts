import { expect, test } from 'vitest'
import { isDisabled, stateOf } from '../../src/service/launchd/manager.ts'

/** What `launchctl print gui/501/com.example.web` prints, cut to the lines around those that matter. */
function printed(lines: readonly string[]): string {
  return `gui/501/com.example.web = {
	active count = 1
	path = /Users/ann/Library/LaunchAgents/com.example.web.plist
	type = LaunchAgent

	program = /usr/local/bin/node
	environment = {
		XPC_SERVICE_NAME => com.example.web
		pid = 1
	}

	domain = gui/501 [100005]
	minimum runtime = 10
${lines.map((line) => `\t${line}\n`).join('')}
	spawn type = daemon (3)
	properties = keepalive | runatload
}
`
}

test('a job that runs has its pid, and the count of its runs tells it from the next', () => {
  const running = (runs: number) =>
    stateOf(printed(['state = running', `runs = ${runs}`, 'pid = 4711', 'last exit code = 0']))
  expect(running(3)).toMatchObject({ known: 'yes', activity: 'running', main: { pid: 4711 }, lastExit: null })
  expect(running(4).main?.identity).not.toBe(running(3).main?.identity)
})

test.each<[string, string[], Partial<ReturnType<typeof stateOf>>]>([
  [
    'a job that left with 42 has failed, as far as launchd knows',
    ['state = not running', 'runs = 3', 'last exit code = 42'],
    { known: 'yes', activity: 'failed', main: null, lastExit: 'exit code 42' },
  ],
  [
    'a job that ended well is stopped',
    ['state = not running', 'runs = 1', 'last exit code = 0'],
    { known: 'yes', activity: 'stopped', main: null, lastExit: 'exit code 0' },
  ],
  [
    'a job that was never started is stopped',
    ['state = not running', 'runs = 0', 'last exit code = (never exited)'],
    { known: 'yes', activity: 'stopped', main: null, lastExit: null },
  ],
  [
    'an exit code with its name',
    ['state = not running', 'runs = 2', 'last exit code = 78: EX_CONFIG'],
    { activity: 'failed', lastExit: 'exit code 78' },
  ],
])('%s', (_, lines, expected) => {
  expect(stateOf(printed(lines))).toMatchObject(expected)
})

/** What `launchctl print-disabled gui/501` prints: by words since macOS 13, by truth values before. */
const DISABLED = `disabled services = {
	"com.example.off" => disabled
	"com.example.on" => enabled
	"com.example.off.old" => true
	"com.example.on.old" => false
}
login item associations = {
}
`

test.each([
  ['com.example.off', true],
  ['com.example.on', false],
  ['com.example.off.old', true],
  ['com.example.on.old', false],
  ['com.example', false],
])('%s is told never to start: %s', (label, is) => {
  expect(isDisabled(DISABLED, label)).toBe(is)
})
