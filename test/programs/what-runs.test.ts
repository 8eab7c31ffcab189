import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'
import { beginUpdate, watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

async function shown(computer: Computer, command: 'status' | 'doctor'): Promise<string> {
  return (await computer.telec('telec', [command])).stdout
}

/** What telec doctor finds wrong, but for the units, which nobody installed. */
async function wrong(computer: Computer): Promise<string[]> {
  const found = (await shown(computer, 'doctor')).split(/\n(?=[✓✗])/)
  return found.filter((one) => /^✗/.test(one) && !/nothing starts telec/.test(one))
}

test.each([
  ['install', 'false', {}, ', not yet installed'],
  [
    'migrate',
    'true',
    { 'migrations/v1.1.0/001_fails.mjs': 'export const check = () => false\nexport const migrate = check\n' },
    ', not yet migrated, not yet installed',
  ],
])('after a halt at %s status and doctor say what a restart starts', async (step, install, files, lacks) => {
  const computer = await freshComputer({ initArgs: ['--install', install] })
  const commit = await computer.push({ ...version('1.1.0'), ...files })
  expect((await watchAndUpdate(computer)).code).toBe(1)
  const said = `a restart now starts 1.1.0 (${commit.slice(0, 12)})${lacks}\n`
  expect(await shown(computer, 'status')).toContain(`service: not restarted; ${said}`)
  const [halt, ...others] = await wrong(computer)
  expect(halt).toContain(`halted at ${step}`)
  expect(halt).toContain(said.trim())
  expect(others).toEqual([])
})

test('a checkout whose HEAD a user moved is wrong, and put back by the command that is named', async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  await watchAndUpdate(computer)
  expect(await wrong(computer)).toEqual([])
  await computer.gitInCheckout('checkout', '--quiet', 'HEAD~1')
  expect(await shown(computer, 'status')).toMatch(
    /^checkout {3}HEAD of .* is at [0-9a-f]{12}, not at the deployed commit$/m,
  )
  const [found = '', ...others] = await wrong(computer)
  expect(others).toEqual([])
  expect(found).toMatch(/^✗ checkout .*not at the deployed commit/)
  const [, command = ''] = /put it back: git -C \S+ (.*)$/m.exec(found) ?? []
  await computer.gitInCheckout(...command.split(' '))
  expect(await wrong(computer)).toEqual([])
  expect(await computer.gitInCheckout('symbolic-ref', 'HEAD')).toBe('refs/heads/main')
})

test('a checkout that is missing is one fault, not one of each that needs it', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'make install'] })
  renameSync(computer.checkout, join(computer.folder, 'elsewhere'))
  const found = await wrong(computer)
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(/^✗ checkout .* is not a folder\n.*mount its disk, set deployment\.checkout/)
  expect(await shown(computer, 'status')).toMatch(
    /^checkout {3}.* is not a folder\n {11}what to do: mount its disk/m,
  )
})

test('Ctrl-C shows how to resume, status shows it as stopped, and the next run resumes', async () => {
  const mark = 'mark'
  const computer = await freshComputer({ initArgs: ['--install', `touch ../${mark}; sleep 60`] })
  const commit = await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const { child, said, closed } = beginUpdate(computer)
  await until('the install command to run', async () => existsSync(join(computer.folder, mark)))
  const short = commit.slice(0, 12)
  expect(await shown(computer, 'status')).toMatch(new RegExp(`^updating {3}to 1\\.1\\.0 \\(${short}\\)`, 'm'))
  child.kill('SIGINT')
  expect(await closed).toEqual([null, 'SIGINT'])
  expect(said()).toMatch(/stopped: the next poll resumes the update to .*; to resume it now: telec-update\n$/)
  const after = await shown(computer, 'status')
  expect(after).not.toMatch(/^updating/m)
  expect(after).toMatch(
    /^stopped {4}to 1\.1\.0 .*, at install\n {11}a restart now starts 1\.1\.0 .*, not yet installed$/m,
  )
  expect(after).toContain('nothing works on it; now: telec-update\n')
  expect((await wrong(computer)).join('\n')).toContain('was interrupted')
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n`)
  expect((await computer.telec('telec-update')).code).toBe(42)
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
})

test('a poll during which an update ended signals nothing', async () => {
  const computer = await freshComputer()
  const commit = await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  const update = `env -u GIT_DIR PATH="${process.env.PATH}" ${join(DIST, 'telec-update')} >/dev/null 2>&1`
  const env = await withGit(
    computer,
    `case " $* " in *" ls-remote "*) "$git" "$@"; ${update}; exit 0 ;; esac`,
  )
  expect(await computer.telec('telec-watch', [], { env })).toMatchObject({ code: 0, stderr: '' })
  expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  expect(computer.state('update_signal.json')).toBeNull()
})

test('a newer target that halts before the checkout finds there what the one before it left', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'false'] })
  const left = await computer.push(version('1.1.0'))
  expect((await watchAndUpdate(computer)).code).toBe(1)
  writeFileSync(join(computer.checkout, 'server.js'), 'mine\n')
  await computer.push({ ...version('1.2.0'), 'server.js': 'theirs\n' })
  expect((await watchAndUpdate(computer)).stderr).toContain('would overwrite 1 local file')
  expect(await shown(computer, 'status')).toContain(
    `service: not restarted; a restart now starts ${left.slice(0, 12)}\n`,
  )
})
