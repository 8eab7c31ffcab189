import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/config/parse.ts'
import { pathsOf, SYSTEM_HOME } from '../../src/config/paths.ts'
import { planLaunchd } from '../../src/service/launchd/plan.ts'
import type { UnitValues } from '../../src/service/plan.ts'
import { realWorld, type World } from '../../src/system/world.ts'
import { succeed } from '../helpers/programs.ts'

const OWNER = { uid: 502, gid: 20, name: 'web', home: '/Users/web' }

function planOf(home: string, owner: UnitValues['owner'], more = '') {
  const world: World = { ...realWorld('telec'), platform: 'darwin', uid: 501, home: '/Users/ann' }
  const paths = pathsOf(home, null)
  const config = parseConfig(world, paths.config, `deployment:\n  checkout: /srv/web\n${more}`)
  const scope = owner ? 'system' : 'user'
  const bin = '/usr/local/bin'
  return planLaunchd({
    world,
    config,
    paths,
    scope,
    node: `${bin}/node`,
    bin,
    environment: { PATH: '/bin' },
    owner,
  })
}

async function read(text: string): Promise<Record<string, unknown>> {
  const script = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
  return JSON.parse(await succeed('python3', ['-c', script], { input: text }))
}

test('of a user: the real path of the signal alone is watched, and nothing holds git or the install back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'telec-plan-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'real'))
  symlinkSync('real', join(folder, 'link'))
  const plan = planOf(join(folder, 'link/home'), null)
  expect(plan.folders).toEqual(['/Users/ann/Library/Logs/telec'])
  const [watch, update] = await Promise.all(plan.files.map(({ text }) => read(text)))
  expect(update).toMatchObject({
    Label: 'telec-update',
    WatchPaths: [join(realpathSync(folder), 'real/home/update_signal.wake')],
    StandardErrorPath: '/Users/ann/Library/Logs/telec/telec-update.log',
  })
  for (const key of ['Umask', 'ProcessType', 'LowPriorityIO', 'UserName'])
    expect(update).not.toHaveProperty(key)
  expect(watch).toMatchObject({ Label: 'telec-watch', ProcessType: 'Background' })
  expect(watch).not.toHaveProperty('Umask')
})

test('of the computer: telec runs as the owner of the checkout, and a job of root restarts each of the service', async () => {
  const plan = planOf(SYSTEM_HOME, OWNER, 'service:\n  name: [org.example.web, org.example.worker]\n')
  expect(plan.files.map(({ path }) => path)).toEqual(
    ['telec-watch', 'telec-update', 'telec-restart', 'telec-restart-2'].map(
      (job) => `/Library/LaunchDaemons/${job}.plist`,
    ),
  )
  expect(plan.folders).toEqual(['/var/log/telec', SYSTEM_HOME])
  const [watch, update, first, second] = await Promise.all(plan.files.map(({ text }) => read(text)))
  for (const own of [watch, update]) expect(own).toMatchObject({ UserName: 'web' })
  expect(first).toMatchObject({
    ProgramArguments: ['/bin/launchctl', 'kickstart', '-k', 'system/org.example.web'],
    WatchPaths: [`${SYSTEM_HOME}/restart`],
  })
  expect(second).toMatchObject({ WatchPaths: [`${SYSTEM_HOME}/restart-2`] })
  for (const roots of [first, second]) expect(roots).not.toHaveProperty('UserName')
})
