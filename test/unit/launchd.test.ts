import { expect, test } from 'vitest'
import { isDisabled, stateOf } from '../../src/service/launchd/print.ts'

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

/** From public reports of real Macs, cut to what surrounds the lines that matter, with other names. */
test.each<[macOS: string, printed: string, Partial<ReturnType<typeof stateOf>>]>([
  [
    '10.14, a daemon that runs, copied with spaces',
    `com.example.agent = {
        active count = 1
        path = /Library/LaunchDaemons/com.example.agent.plist
        state = running

        environment = {
                XPC_SERVICE_NAME => com.example.agent
        }

        minimum runtime = 10
        exit timeout = 5
        runs = 3
        successive crashes = 0
        pid = 1486
        immediate reason = one-shot
        last exit code = 0
}
`,
    { activity: 'running', main: { pid: 1486, identity: '1486@3', uptimeMs: 10_000 }, lastExit: null },
  ],
  [
    '15, one that ended well and is to be started again (KeepAlive)',
    `gui/501/com.example.home = {
\tpath = /Users/ann/Library/LaunchAgents/com.example.home.plist
\ttype = LaunchAgent
\tstate = spawn scheduled
\tminimum runtime = 10
\texit timeout = 5
\truns = 640
\tlast exit code = 0
\tsemaphores = {
\t\tsuccessful exit => 0
\t\tafter crash => 0
\t}
\tspawn type = background (5)
}
`,
    { activity: 'starting', main: null, lastExit: 'exit code 0' },
  ],
  [
    '26, the moment between launchd and the program',
    `gui/501/com.example.dock = {
\tstate = xpcproxy
\tminimum runtime = 1
\truns = 778
\tpid = 913
\timmediate reason = semaphore
\tlast terminating signal = Hangup: 1
}
`,
    { activity: 'starting', main: { pid: 913, identity: '913@778', uptimeMs: 10_000 }, lastExit: null },
  ],
  [
    '26, a crash loop of a service that dies of a signal',
    `gui/501/com.example.web = {
\tactive count = 0
\tstate = spawn scheduled
\tminimum runtime = 10
\truns = 105
\tsuccessive crashes = 98
\tlast terminating signal = Segmentation fault: 11
\tproperties = keepalive | runatload
}
`,
    { activity: 'starting', main: null, lastExit: 'signal Segmentation fault: 11' },
  ],
  [
    '26, one that was killed and is not started again',
    `gui/501/com.example.web = {
\tstate = not running
\truns = 2
\tlast terminating signal = Killed: 9
\tcoalition = {
\t\tstate = active
\t\tpid = 1
\t}
}
`,
    { activity: 'failed', main: null, lastExit: 'signal Killed: 9' },
  ],
  [
    '26, a record of Login Items that is broken',
    `system/com.example.daemon = {
\tactive count = 0
\tmanaged_by = com.apple.xpc.ServiceManagement
\tstate = spawn scheduled
\truns = 54
\tlast exit code = 78: EX_CONFIG
\tjob state = spawn failed
}
`,
    { activity: 'starting', main: null, lastExit: 'exit code 78' },
  ],
])('macOS %s', (_, text, expected) => {
  expect(stateOf(text)).toMatchObject(expected)
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
