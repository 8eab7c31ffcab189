import { expect, test } from 'vitest'
import { expiredSigners } from '../../src/git/signatures.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA'

test.each<[string, string, string[]]>([
  ['a key without an end', `a@x namespaces="git" ${KEY}`, []],
  ['one that ends later', `a@x valid-before="20260602Z" ${KEY}`, []],
  ['one that ended on a day', `a@x valid-before="20250102Z" ${KEY}`, ['a@x 2025-01-02T00:00:00.000Z']],
  ['to the minute', `a@x valid-before="202606011159Z" ${KEY}`, ['a@x 2026-06-01T11:59:00.000Z']],
  [
    'to the second, which has just come',
    `a@x valid-before="20260601120000Z" ${KEY}`,
    ['a@x 2026-06-01T12:00:00.000Z'],
  ],
  [
    'without quotes, among others',
    `a@x,b@x cert-authority,Valid-Before=20250102Z,namespaces="git, file" ${KEY}`,
    ['a@x,b@x 2025-01-02T00:00:00.000Z'],
  ],
  [
    'a key on a hardware token',
    `a@x valid-before="20250102Z" sk-${KEY}@openssh.com AAAA`,
    ['a@x 2025-01-02T00:00:00.000Z'],
  ],
  ['by local time', `a@x valid-before="20250102" ${KEY}`, [`a@x ${new Date(2025, 0, 2).toISOString()}`]],
  ['its start, which is not its end', `a@x valid-after="20250102Z" ${KEY}`, []],
  ['words after the key', `a@x ${KEY} was valid-before="20250102Z"`, []],
  ['a comment', `# a@x valid-before="20250102Z" ${KEY}`, []],
  ['what is no key', 'a@x valid-before="20250102Z"', []],
])('keys that have expired: %s', (_, line, expected) => {
  const found = expiredSigners(`\n${line}\n`, NOW)
  expect(found.map(({ name, at }) => `${name} ${at.toISOString()}`)).toEqual(expected)
  for (const one of found) expect(one.line).toBe(2)
})
