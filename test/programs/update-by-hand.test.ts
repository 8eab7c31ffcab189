import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, succeed } from '../helpers/programs.ts'
import { inTerminal } from '../helpers/terminal.ts'
import { until } from '../helpers/until.ts'
import { beginUpdate } from '../helpers/update.ts'

const deployed = (computer: Computer) =>
  (computer.state('update_state.json') as { deployed: { commit: string } }).deployed.commit

test('telec update polls first, then updates, and shows both', async () => {
  const computer = await freshComputer()
  const commit = await computer.push(version('1.1.0'))
  const { code, stderr } = await computer.telec('telec', ['update'])
  expect(code).toBe(42)
  expect(stderr).toMatch(/^new version: [\s\S]*\nfetch: [\s\S]*\nupdated: 1\.1\.0 is deployed/)
  expect(deployed(computer)).toBe(commit)
  expect(await computer.telec('telec', ['update'])).toMatchObject({
    code: 0,
    stderr: 'nothing new: the head of main is deployed\n',
  })
})

test('telec update says once why a version is not taken', async () => {
  const computer = await freshComputer()
  const commit = await computer.push(version('1.1.0'))
  expect((await computer.telec('telec', ['hold', commit])).code).toBe(0)
  const said = expect.stringMatching(/^not yet: .* is held: telec unhold \S+\n$/)
  expect(await computer.telec('telec', ['update'])).toMatchObject({ code: 0, stderr: said }) // news
  expect(await computer.telec('telec', ['update'])).toMatchObject({ code: 0, stderr: said })
})

test('an update that Ctrl-C stopped before the checkout is skipped with telec hold, as telec status says', async () => {
  const computer = await freshComputer()
  const first = deployed(computer)
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const fifo = join(computer.folder, 'fetching')
  await succeed('mkfifo', [fifo])
  const fetching = `echo >'${fifo}'; exec sleep 60`
  await computer.gitInCheckout('config', 'remote.origin.uploadpack', fetching)
  const updating = spawn(join(DIST, 'telec-update'), { env: computer.env, stdio: 'ignore' })
  await succeed('head', ['-n', '1', fifo])
  updating.kill('SIGINT')
  await once(updating, 'close')
  await computer.gitInCheckout('config', '--unset', 'remote.origin.uploadpack')

  const status = async () => (await computer.telec('telec', ['status'])).stdout
  const [, hold = ''] = /; to skip this version: telec (hold [0-9a-f]{12})$/m.exec(await status()) ?? []
  expect(await computer.telec('telec', hold.split(' '))).toMatchObject({ code: 0 })
  expect(await computer.telec('telec', ['update'])).toMatchObject({ code: 0 })
  expect(deployed(computer)).toBe(first)
  expect(computer.state('update_signal.json')).toBeNull()
  expect(await status()).not.toMatch(/^(stopped|pending)/m)
})

test('telec update --json says how it stands in the end', async () => {
  const computer = await freshComputer()
  const commit = await computer.push(version('1.1.0'))
  const { code, stdout } = await computer.telec('telec', ['update', '--json'])
  expect(code).toBe(42)
  expect(JSON.parse(stdout)).toMatchObject({ status: { status: 'updated', version: '1.1.0', commit } })
})

test('telec-update, as the unit starts it, does not poll', async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  expect(await computer.telec('telec-update')).toMatchObject({ code: 0, stderr: '' })
  expect(computer.state('watch_state.json')).toBeNull()
})

test('without the remote it fails, and continues with what waits', async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  rmSync(computer.remote, { recursive: true })
  const { code, stderr } = await computer.telec('telec', ['update'])
  expect(code).toBe(75)
  expect(stderr).toMatch(
    /the poll failed: the remote origin is out of reach; the pending update continues\n[\s\S]*preflight: /,
  )
  rmSync(join(computer.home, 'update_signal.json'))
  rmSync(join(computer.home, 'update_state.json'))
  expectFailure(await computer.telec('telec', ['update']), 75, ['out of reach'])
})

test('a branch that is missing is an error of it, too', async () => {
  const computer = await freshComputer()
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  branch: trunk\n`)
  expectFailure(await computer.telec('telec', ['update']), 1, ['no branch trunk', 'default branch is main'])
})

test.each([
  [
    'updates',
    'exit 0',
    0,
    /another telec is at work; its status:\n(.*\n)*installing 1\.1\.0\n(.*\n)*updated 1\.1\.0\n$/,
  ],
  ['halts', 'exit 3', 1, /\nupdate_failed 1\.1\.0\ntelec: halted since .* at install\n/],
])('where the unit that has begun %s, it follows it to its end', async (_, end, code, said) => {
  const install = `touch ../began; until test -e ../go-on; do sleep 0.02; done; ${end}`
  const computer = await freshComputer({ initArgs: ['--install', install] })
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const unit = computer.telec('telec-update')
  await until('the unit to install', async () => existsSync(join(computer.folder, 'began')))
  const { said: shown, closed } = beginUpdate(computer)
  await until('it to follow', async () => shown().includes('installing'))
  writeFileSync(join(computer.folder, 'go-on'), '')
  expect(await closed).toEqual([code, null])
  expect(shown()).toMatch(said)
  await unit
})

test('telec watch says in a terminal what it found, and nothing elsewhere', async () => {
  const computer = await freshComputer()
  const watch = [join(DIST, 'telec'), 'watch']
  expect((await inTerminal([], watch, { env: computer.env })).stdout).toContain(
    'nothing new: the head of main is deployed',
  )
  await computer.push(version('1.1.0'))
  expect((await inTerminal([], watch, { env: computer.env })).stdout).toContain(
    'an update: main has a new head',
  )
  expect(await execute(watch[0] ?? '', ['watch'], { env: computer.env })).toMatchObject({
    code: 0,
    stdout: '',
    stderr: '',
  })
})
