import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutLogins } from '../../src/system/logins.ts'

describe('of a text that is shown', () => {
  test.each([
    ['https://ann:pw@host/r.git', 'https://…@host/r.git'],
    ['https://ann:p/w@host/r.git', 'https://…@host/r.git'],
    ['https://ann:p@w@host/r.git', 'https://…@host/r.git'],
    ['https://token@host:8443/r.git', 'https://…@host:8443/r.git'],
    [
      "fatal: unable to access 'https://ann:p/w@host/r.git/': timeout",
      "fatal: unable to access 'https://…@host/r.git/': timeout",
    ],
    ["remote: 'https://a:b@one/x' and https://c:d@two/y", "remote: 'https://…@one/x' and https://…@two/y"],
    ['ftps://ann:pw@host/r', 'ftps://…@host/r'],
    ['git+https://ann:pw@host/r', 'git+https://…@host/r'],
    ['--url=https://ann:pw@host/r', '--url=https://…@host/r'],
    ['redis://:pw@host:6379 refuses', 'redis://…@host:6379 refuses'],
    ['ssh://ann:pw@host/r.git', 'ssh://…@host/r.git'],
    ['ann:pw@host:r.git', '…@host:r.git'],
    ["ssh: 'ann:p'w@host': no route", "ssh: '…@host': no route"],
    [':pw@host:6379', '…@host:6379'],
    ['redis:/:pw@host', '…@host'],
    ['https://host/r.git?private_token=pw', 'https://host/r.git?…'],
    ["'https://host/r.git?a=b&c=d@e/': failed", "'https://…@e/': failed"],
  ])('%s becomes %s', (text, shown) => {
    expect(withoutLogins(text)).toBe(shown)
    expect(withoutLogins(shown)).toBe(shown)
  })

  test.each([
    'ssh://git@host:22/r.git',
    'git@host:owner/r.git',
    'https://host/r.git: is it there?',
    'in PATH=/usr/bin:/opt/node@20/bin (deployment.path adds to it)',
    'file:///srv/node_modules/.pnpm/a@1.0.0/node_modules/a/index.js:10:3',
    'systemctl status telec-watch@web.timer: failed',
    'line 4: ada@example.org has signed',
  ])('%s stays', (text) => expect(withoutLogins(text)).toBe(text))

  test('no password of a URL is left, with any characters', () => {
    const secret = fc.string({ minLength: 1 }).map((text) => `MARK${text.replace(/[\s@]/g, '')}MARK`)
    fc.assert(
      fc.property(
        secret,
        fc.constantFrom('https://ann:', 'redis://:', 'ann:', 'ssh://ann:'),
        (password, before) => {
          expect(withoutLogins(`cannot reach ${before}${password}@host/r.git now`)).not.toContain('MARK')
        },
      ),
    )
  })
})
