import { expect, test } from 'vitest'
import { count } from '../../src/system/plural.ts'

test.each<[string, Parameters<typeof count>]>([
  ['0 files', [0, 'file']],
  ['1 file', [1, 'file']],
  ['2 files', [2, 'file']],
  ['1 entry', [1, 'entry', 'entries']],
  ['2 entries', [2, 'entry', 'entries']],
])('says %s', (text, given) => {
  expect(count(...given)).toBe(text)
})
