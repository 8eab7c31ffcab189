import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { endLeftovers, processesWith } from '../helpers/processes.ts'
import type { Ended } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'
import { halted, watchAndUpdate } from '../helpers/update.ts'

// What programs that telec starts can do to it. Those that are left running would sleep for longer than a test may take:
// a program that waits for them fails.

/** An update that runs this install command. */
async function installing(command: string, rest = ''): Promise<{ computer: Computer; ended: Ended }> {
  const computer = await freshComputer()
  endLeftovers(computer)
  const install = JSON.stringify(command)
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  install: ${install}\n${rest}`)
  expect((await computer.telec('telec-watch')).code).toBe(0)
  await computer.push(version('1.1.0'))
  // A string that grows with the output does not fit.
  return { computer, ended: await watchAndUpdate(computer, [], { NODE_OPTIONS: '--max-old-space-size=64' }) }
}

function loggedLines({ stderr }: Ended): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('  | '))
}

describe('an install command that leaves a process running', () => {
  test.each([
    ['in a session of its own, which keeps its output', 'setsid sleep 1000 & echo installed'],
    ['in the background, which keeps its output', 'sleep 1000 & echo installed'],
    ['without its output', 'sleep 1000 >/dev/null 2>&1 & echo installed'],
  ])('%s is done when it ends itself, and the log names the process', async (_, command) => {
    const { computer, ended } = await installing(command)
    expect(ended, ended.stderr).toMatchObject({ code: 42 })
    expect(loggedLines(ended)).toEqual(['  | installed'])
    const [, pid] = /left processes running: sleep \(pid (\d+)\)/.exec(ended.stderr) ?? []
    expect(processesWith(`TELEC_HOME=${computer.home}`)).toContain(Number(pid))
  })

  test('has all that it printed itself in the log', async () => {
    const { ended } = await installing('setsid sleep 1000 & seq 4000')
    expect(loggedLines(ended)).toHaveLength(4000)
  })

  test('does not count as failed while that one continues printing', async () => {
    const { ended } = await installing('setsid yes still here & exit 0')
    expect(ended.code).toBe(42)
    expect(ended.stderr.slice(-2_000)).toContain('left processes running: yes (pid ')
  })

  test('and fails takes it along', async () => {
    const { computer, ended } = await installing('sleep 1000 & exit 3')
    expect(ended.code).toBe(1)
    await until('it to end', async () => processesWith(`TELEC_HOME=${computer.home}`).length === 0)
  })
})

test('an install command that ignores SIGTERM ends at install_timeout, also where a child holds its output', async () => {
  const command = "setsid sleep 1000 & trap '' TERM; sleep 1000; sleep 1000"
  const { computer, ended } = await installing(command, '  install_timeout: 1s\n')
  expect(ended.code).toBe(1)
  expect(halted(computer)?.error).toContain('did not end within 1 s, and was killed')
})

describe('in the log and in memory there is a bound to', () => {
  test('a line without an end', async () => {
    const { ended } = await installing('head -c 300M /dev/zero | tr "\\\\0" x')
    expect(ended, ended.stderr.slice(-2_000)).toMatchObject({ code: 42 })
    expect(loggedLines(ended)).toEqual([`  | ${'x'.repeat(2_000)} …`])
  })

  test('lines without end, of which a failure shows the last ones', async () => {
    const { computer, ended } = await installing('seq 400000; exit 3')
    expect(ended.code).toBe(1)
    expect(loggedLines(ended)).toHaveLength(5_001)
    expect(ended.stderr).toContain('  | … (it prints more)')
    expect(String(halted(computer)?.because)).toMatch(/399999\n400000$/)
  })
})

test.each([
  ['a progress bar is shown as it ended', 'printf "10%%\\r20%%\\r100%%\\n"', '100%'],
  ['a progress bar that does not end its line', 'printf "10%%\\r"; sleep 0.2; printf "100%%\\r"', '100%'],
  ['lines that end as on Windows are lines', 'printf "one\\r\\n"', 'one'],
])('%s', async (_, command, line) => {
  const { ended } = await installing(command)
  expect(loggedLines(ended)).toEqual([`  | ${line}`])
  expect(ended.stderr).not.toContain('\\u000d')
})

test('an on_status command that leaves a process with its output is done when it ends', async () => {
  const computer = await freshComputer()
  endLeftovers(computer)
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\non_status: sleep 1000 & true\n`)
  await computer.telec('telec-watch')
  await computer.push(version('1.1.0'))
  const ended = await watchAndUpdate(computer)
  expect(ended).toMatchObject({ code: 42 })
  expect(ended.stderr).not.toContain('on_status')
})

describe('an ssh that leaves a process with its standard error, as a shared connection does,', () => {
  /** A remote over an ssh that leaves one, and then does what the script says. */
  async function overSsh(script: string): Promise<Computer> {
    const computer = await freshComputer()
    endLeftovers(computer)
    const ssh = join(computer.folder, 'ssh')
    writeFileSync(ssh, `#!/bin/sh\nsetsid sleep 1000 </dev/null >/dev/null &\n${script}\n`)
    chmodSync(ssh, 0o755)
    await computer.gitInCheckout('config', 'core.sshCommand', ssh)
    await computer.gitInCheckout('remote', 'set-url', 'origin', `ssh://nowhere.example${computer.remote}`)
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  poll_timeout: 1s\n`)
    return computer
  }

  test('does not keep a poll waiting', async () => {
    const computer = await overSsh('for last; do :; done; eval "exec $last"')
    expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
  })

  test('and hangs ends at poll_timeout', async () => {
    const ended = await (await overSsh('exec sleep 1000')).telec('telec-watch')
    expect(ended.code).toBe(75)
    expect(ended.stderr).toContain('git timed out and was stopped')
  })
})
