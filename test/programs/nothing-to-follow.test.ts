import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { execute } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** What follows main, where the project's default branch is trunk by now. */
async function renamed(initArgs: readonly string[] = []): Promise<Computer> {
  const computer = await freshComputer({ initArgs })
  await computer.telec('telec-watch')
  await computer.git('push', '--quiet', 'origin', 'HEAD:refs/heads/trunk')
  await execute('git', ['-C', computer.remote, 'symbolic-ref', 'HEAD', 'refs/heads/trunk'])
  await computer.git('push', '--quiet', 'origin', ':main')
  return computer
}

async function doctor(computer: Computer): Promise<string> {
  return (await computer.telec('telec', ['doctor'])).stdout
}

test('a branch that was renamed is an error for a user, who reads of the new one', async () => {
  const computer = await renamed()
  for (const program of ['telec-watch', 'telec'] as const)
    expectFailure(await computer.telec(program, program === 'telec' ? ['watch'] : []), 1, [
      'the remote has no branch main; its default branch is trunk',
      'deployment.branch: trunk',
    ])
  const explained = await computer.telec('telec-watch', ['--explain', '--dry-run'])
  expect(explained).toMatchObject({ code: 1 })
  expect(explained.stdout).toMatch(/^nothing to follow: the remote has no branch main/)
})

test('it is a warning once in the log of the timer, whose polls do not fail', async () => {
  const computer = await renamed()
  const [first, second] = [
    await computer.telec('telec-watch', ['--scheduled']),
    await computer.telec('telec-watch', ['--scheduled']),
  ]
  expect(first).toMatchObject({ code: 0 })
  expect(first.stderr).toMatch(
    /^nothing to follow: the remote has no branch main; its default branch is trunk/,
  )
  expect(second).toMatchObject({ code: 0, stderr: '' })
})

test('it is in status, doctor and the metrics, until the branch is back', async () => {
  const computer = await renamed()
  await computer.telec('telec-watch', ['--scheduled'])
  const shown = (await computer.telec('telec', ['status'])).stdout
  expect(shown).toMatch(
    /^available {2}nothing to follow: the remote has no branch main;.*\n {11}what to do: .*trunk/m,
  )
  expect(await doctor(computer)).toMatch(/^✗ remote {4}origin: the remote has no branch main; .* trunk$/m)
  expect((await computer.telec('telec', ['metrics'])).stdout).toContain('\ntelec_nothing_to_follow 1\n')
  await computer.git('push', '--quiet', 'origin', 'HEAD:refs/heads/main')
  expect(await computer.telec('telec-watch', ['--scheduled'])).toMatchObject({ code: 0 })
  expect((await computer.telec('telec', ['metrics'])).stdout).toContain('\ntelec_nothing_to_follow 0\n')
  expect(await doctor(computer)).toMatch(/^✓ remote/m)
})

test('the fleet sees who is stuck, and why', async () => {
  const redis = await startRedis()
  const computer = await renamed()
  computer.writeConfig(
    `computer: attic\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  await computer.telec('telec-watch', ['--scheduled'])
  const { stdout } = await computer.telec('telec', ['status', '--fleet'])
  expect(stdout).toMatch(/^attic .* stuck /m)
  expect(stdout).toContain('\nattic is stuck: nothing to follow: the remote has no branch main')
})

test('a remote that answers with nothing at all is not one without news, and a mirror that does so is skipped', async () => {
  const computer = await freshComputer()
  await computer.telec('telec-watch')
  const portal = join(computer.folder, 'portal.git')
  await execute('git', ['init', '--quiet', '--bare', portal])
  await computer.gitInCheckout('remote', 'set-url', 'origin', portal)
  expectFailure(await computer.telec('telec-watch'), 1, ['the remote has no branch main', 'ls-remote'])
  writeFileSync(
    join(computer.home, 'config.yml'),
    `deployment:\n  checkout: ${computer.checkout}\n  mirrors: [${portal}]\n`,
  )
  rmSync(computer.remote, { recursive: true })
  await computer.gitInCheckout('remote', 'set-url', 'origin', computer.remote)
  expectFailure(await computer.telec('telec-watch'), 75, ['out of reach'])
})

test.each<[string, readonly string[], (computer: Computer) => unknown, RegExp]>([
  [
    'whose releases are all gone',
    ['--channel', 'beta'],
    ({ git }) => git('push', '--quiet', 'origin', ':v1.1.0'),
    /no release fits beta; the deployed 1\.1\.0 .* is a release/,
  ],
  [
    'that pins a minor version of which there is none',
    ['--channel', 'stable', '--pinned-minor', '1.1'],
    (computer) =>
      computer.writeConfig(
        `deployment:\n  checkout: ${computer.checkout}\n  channel: stable\n  pinned_minor: "11.1"\n`,
      ),
    /no release fits stable \(11\.1\); the deployed 1\.1\.0 .* is a release/,
  ],
])('a computer with a release %s is told so', async (_, initArgs, change, said) => {
  const computer = await freshComputer({ initArgs })
  await computer.push(version('1.1.0'), { tag: 'v1.1.0' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  await change(computer)
  const ended = await computer.telec('telec-watch')
  expect(ended).toMatchObject({ code: 1 })
  expect(ended.stderr).toMatch(said)
  expect(await doctor(computer)).toMatch(new RegExp(`^✗ remote .*${said.source}`, 'm'))
})

test('a waiting update is not taken back', async () => {
  const computer = await freshComputer()
  const commit = await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  await computer.git('push', '--quiet', 'origin', 'HEAD:refs/heads/trunk')
  await execute('git', ['-C', computer.remote, 'symbolic-ref', 'HEAD', 'refs/heads/trunk'])
  await computer.git('push', '--quiet', 'origin', ':main')
  expect(await computer.telec('telec-watch')).toMatchObject({ code: 1 })
  expect(computer.state('update_signal.json')).toMatchObject({ target: { commit } })
})
