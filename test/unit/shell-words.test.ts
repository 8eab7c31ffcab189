import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gitAt, shellWord } from '../../src/system/errors.ts'
import { succeed } from '../helpers/programs.ts'

test.each([
  ['/srv/web', '/srv/web'],
  ['refs/heads/main', 'refs/heads/main'],
  ['https://example.org:8080/a@b,c+d=e%20', 'https://example.org:8080/a@b,c+d=e%20'],
  ['', "''"],
  ['/srv/my web', "'/srv/my web'"],
  ["/srv/ada's", "'/srv/ada'\\''s'"],
  ['/srv/$HOME;rm', "'/srv/$HOME;rm'"],
  ['~/web', "'~/web'"],
  ['#1001', "'#1001'"],
  ['a\\x2db.service', "'a\\x2db.service'"],
  ['/srv/büro', "'/srv/büro'"],
])('%s', (text, word) => {
  expect(shellWord(text)).toBe(word)
})

test('a shell reads every text back from its word', async () => {
  const text = fc.string({ unit: 'binary-ascii' }).map((given) => given.replaceAll('\0', ''))
  await fc.assert(
    fc.asyncProperty(text, async (given) => {
      expect(await succeed('sh', ['-c', `printf .%s. ${shellWord(given)}`])).toBe(`.${given}.`)
    }),
    { numRuns: 50 },
  )
})

test('a git command names its checkout', () => {
  expect(gitAt('/srv/web')).toBe('git -C /srv/web')
  expect(gitAt('/srv/my web')).toBe("git -C '/srv/my web'")
})
