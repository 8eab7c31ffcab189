import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { execute } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import { runInjected } from '../helpers/strace.ts'
import { telecRun } from '../helpers/supervised.ts'
import { until } from '../helpers/until.ts'

/** Says its version as it starts; a service that is restarted needlessly says it twice. */
const SERVER = `process.on('SIGTERM', () => process.exit(42))
console.log('web ' + require('./package.json').version)
setInterval(() => {}, 60000)
`

let computer: Computer
let base: string

beforeAll(async () => {
  computer = await makeComputer({ init: false })
  base = await computer.push({ 'server.js': SERVER })
  await computer.gitInCheckout('pull', '--quiet')
  await computer.telec('telec', ['init', '--checkout', computer.checkout, '--service', 'web'])
  await execute('sed', ['-i', 's/# healthy_after: 5s/healthy_after: 0s/', join(computer.home, 'config.yml')])
  snapshot(computer)
})
afterAll(() => computer.dispose())

/** SIGKILL as telec-update puts a file into its home for the n-th time: its journal, a status, the history. */
async function killUpdate(occurrence: number): Promise<boolean> {
  const ended = await runInjected('telec-update', [], {
    call: 'rename',
    occurrence,
    paths: [],
    alone: true,
    env: computer.env,
  })
  if (ended.signal !== 'SIGKILL') expect(ended.code, ended.stderr).toBe(0)
  return ended.signal === 'SIGKILL'
}

test('an update of a running service, killed anywhere, restarts it once', async () => {
  const first = process.env.TELEC_TEST_ALL ? 1 : 5 // from where the restart is near
  let kills = 0
  for (let killed = true; killed; ) {
    restore(computer)
    await computer.git('reset', '--quiet', '--hard', base)
    await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
    const run = await telecRun(computer, [process.execPath, 'server.js'])
    const commit = await computer.push(version(`1.1.${kills}`))
    await computer.telec('telec-watch')
    const pid = run.mainPid()
    killed = await killUpdate(first + kills)
    if (killed) kills += 1
    const again = await computer.telec('telec-update')
    expect(again.code, `after kill ${kills}: ${again.stderr}`).toBe(0)
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { commit },
      update: null,
      halted: null,
    })
    expect(computer.state('status.json')).toMatchObject({ status: 'updated', commit })
    expect(run.mainPid()).not.toBe(pid)
    await until('the new version to run', async () => /^web 1\.1\.\d+$/m.test(run.output()))
    expect(await run.stop()).toBe(42)
    expect(run.output().match(/^web 1\.1\.\d+$/gm), `kill ${kills}: ${run.output()}`).toHaveLength(1)
  }
  process.stdout.write(`${kills} kills around the restart, each gone on from\n`)
  expect(kills).toBeGreaterThan(5)
}, 300_000)
