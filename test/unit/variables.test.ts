import { expect, test } from 'vitest'
import { parseVariables } from '../../src/service/environment.ts'

test.each<[string, string, Record<string, string>]>([
  ['a variable on each line', 'A=1\nB=two words\n', { A: '1', B: 'two words' }],
  ['an equals sign in a value', 'URL=postgres://h/d?a=b\n', { URL: 'postgres://h/d?a=b' }],
  ['comments and empty lines', '# A=1\n\n; B=2\n  # C=3\nD=4', { D: '4' }],
  ['a # within a value', 'A=a#b\n', { A: 'a#b' }],
  ['quotes of both kinds', `A="a 'b'"\nB='a "b" \\n'\n`, { A: "a 'b'", B: 'a "b" \\n' }],
  ['what is escaped in quotes', 'A="a \\" \\$b \\n"\n', { A: 'a " $b \\n' }],
  [
    'quotes over several lines',
    'KEY="-----BEGIN\nabc=\n-----END"\nB=1\n',
    { KEY: '-----BEGIN\nabc=\n-----END', B: '1' },
  ],
  ['a line that is continued', 'A=one \\\ntwo\nB=1\n', { A: 'one two', B: '1' }],
  ['nothing behind the equals sign', 'A=\nB=1\n', { A: '', B: '1' }],
  ['the export of a shell', 'export A=1\n', { A: '1' }],
  ['line ends of Windows', 'A=1\r\nB="2"\r\n', { A: '1', B: '2' }],
])('%s', (_, text, variables) => {
  expect(parseVariables(text)).toEqual({ variables, malformed: null })
})

test('the first line that is no variable is named, after values over several lines, too', () => {
  expect(parseVariables('A="1\n2"\n\nwhat is this\nand this\n').malformed).toBe(4)
})
