import { expect, test } from 'vitest'
import { isInUnit } from '../../src/service/systemd/hand-over.ts'

test.each([
  ['0::/system.slice/web.service\n', 'web.service', true],
  ['0::/user.slice/user-1001.slice/user@1001.service/app.slice/web.service\n', 'web.service', true],
  ['0::/system.slice/web.service/nested\n', 'web.service', true],
  ['12:pids:/user.slice\n1:name=systemd:/system.slice/web.service\n', 'web.service', true],
  ['0::/system.slice/system-web.slice/web@1.service\n', 'web@1.service', true],
  ['0::/system.slice/otherweb.service\n', 'web.service', false],
  ['0::/user.slice/user-1001.slice/session-3.scope\n', 'web.service', false],
  ['', 'web.service', false],
])('%j is in %s: %s', (cgroups, unit, is) => {
  expect(isInUnit(cgroups, unit)).toBe(is)
})
