import { expect, test } from 'vitest'
import { similarTo } from '../../src/system/similar.ts'

test.each<[string, string, string[], string[]]>([
  ['a letter that is missing', 'atic', ['attic', 'studio'], ['attic']],
  ['a letter too many', 'studioo', ['studio'], ['studio']],
  ['capitals', 'STUDIO', ['studio'], ['studio']],
  ['two that are swapped', 'sutdio', ['studio'], ['studio']],
  ['the computer of a named service', 'cellar', ['cellar/web', 'attic'], ['cellar/web']],
  ['several, the closest first', 'web1', ['web33', 'web2', 'web'], ['web', 'web2', 'web33']],
  ['nothing that is close', 'garage', ['attic', 'studio'], []],
  ['nothing at all', 'garage', [], []],
  ['an empty name', '', ['attic'], []],
])('%s', (_, given, names, found) => {
  expect(similarTo(given, names)).toEqual(found)
})
