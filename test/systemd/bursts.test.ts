import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

let subscriber: Subscriber

beforeAll(async () => {
  // Nothing slows the updates down but telec's own care for the service's start limit.
  subscriber = await subscribe('user', { healthy_after: '0s' })
  await subscriber.telec('telec install')
})
afterAll(() => subscriber?.dispose())

test('twenty pushes in a row, each signalled at once, end at the last with every unit alive', async () => {
  let commit = ''
  for (let push = 1; push <= 20; push += 1) {
    commit = await subscriber.push(version(`1.1.${push}`))
    await subscriber.systemctl('start telec-watch.service')
    await until('the service to be up', async () => {
      return (await subscriber.systemctl(`is-active ${SERVICE}`)) === 'active'
    })
  }
  await subscriber.deployed(commit)
  expect(await subscriber.systemctl(`is-active ${SERVICE} telec-watch.timer telec-update.path`)).toBe(
    'active\nactive\nactive',
  )
  expect(await subscriber.systemctl('list-units --failed --plain --no-legend')).toBe('')
  const { stdout } = await subscriber.sh(`journalctl --user --quiet --output=cat --user-unit=${SERVICE}`)
  expect(stdout).toContain('web 1.1.20')
  expect(stdout).not.toMatch(/start-limit-hit|Start request repeated/)
})

test('twenty signals in three seconds start an update each time, and none is the last', async () => {
  await subscriber.sh(
    'for n in $(seq 20); do touch ~/.teleclaude/update_signal.json; rm ~/.teleclaude/update_signal.json; done',
  )
  const commit = await subscriber.push(version('1.2.0'))
  await subscriber.deployed(commit)
  expect(await subscriber.systemctl('is-active telec-update.path')).toBe('active')
})
