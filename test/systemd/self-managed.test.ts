import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { bundles } from '../helpers/programs.ts'
import { type Subscriber, subscribe } from '../helpers/subscriber.ts'

let subscriber: Subscriber

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '0s' })
  await subscriber.push({ ...version('1.0.1'), ...bundles((text) => text) })
  await subscriber.sh('git -C ~/app pull --quiet && node ~/app/bin/telec install')
})
afterAll(() => subscriber?.dispose())

test('telec that comes with the service is started again as the new one, and brings its units up to date', async () => {
  const before = await subscriber.systemctl('cat telec-watch.service')
  expect(before).toContain('Description=telec: poll for a new version of')
  const reword = (code: string) =>
    code.replaceAll('telec: poll for a new version of', 'telec: poll for news of')
  const newer = (text: string) => `${reword(text)}\n// newer\n`
  const commit = await subscriber.push({ ...version('1.1.0'), ...bundles(newer) })
  await subscriber.deployed(commit)

  expect(await subscriber.systemctl('cat telec-watch.service')).toContain(
    'Description=telec: poll for news of',
  )
  const { stdout } = await subscriber.sh('journalctl --user --quiet --output=cat -t telec-update')
  expect(stdout.match(/the update brought a new telec/g)).toHaveLength(1)
  expect(stdout).toMatch(/^renew: telec is new; wrote .*telec-watch\.service/m)
  expect(await subscriber.systemctl('is-active telec-watch.timer telec-update.path telec-update.timer')).toBe(
    'active\nactive\nactive',
  )
  const next = await subscriber.push(version('1.2.0'))
  await subscriber.deployed(next)
})
