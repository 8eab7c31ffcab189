import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eraseTypes } from '../../src/migrate/runtimes/erase-types.ts'
import { nodeBinary } from '../helpers/nodes.ts'
import { ROOT } from '../helpers/programs.ts'

/** TypeScript, and the JavaScript that is left of it, runs of spaces as one. */
const ERASED: readonly [string, string][] = [
  ['let a: number = 1, b!: string', 'let a = 1, b ;'],
  ['const a = b as any\n(c)', 'const a = b ;\n(c)'],
  ['const a = b\ntype A = 1\n(c)', 'const a = b\n; \n(c)'],
  ['if (a) b as any\nelse c!', 'if (a) b ;\nelse c;'],
  ['for (let i: number = 0 as number; ; ) {}', 'for (let i = 0 ; ; ) {}'],
  ['const a = { b: 1 } as const satisfies object', 'const a = { b: 1 } ;'],
  ["class A {\n  b: 1;\n  private ['c'] = 2\n}", "class A {\n b ;\n ; ['c'] = 2\n}"],
  ['class A {\n  b = 1;\n  [k: string]: any\n  *c() {}\n}', 'class A {\n b = 1;\n ; \n *c() {}\n}'],
  [
    'abstract class A<T> extends B<T> implements C, D<T> { abstract e(): void; declare f: 1; g?: 1 }',
    ' class A extends B { ; ; g ; }',
  ],
  ['class A extends B { override readonly a = 1; b?(): void {} }', 'class A extends B { ; a = 1; b () {} }'],
  ['function a(this: Date, b?: 1, ...c: 1[]): b is 1 {}', 'function a( b , ...c ) {}'],
  ['function a(b: 1): 1\nfunction a(b: any) {}', '; \nfunction a(b ) {}'],
  ['export default function a(): void\nexport default function a() {}', '; \nexport default function a() {}'],
  ['const a = async <T,>(\n  b: T\n): Promise<\n  T\n> => b', 'const a = async (\n b \n \n \n) => b'],
  ['const a = <\n  T\n>(b: T) => b', 'const a = (\n \n b ) => b'],
  ['a<string>(b!.c as any)?.[d!]', 'a (b .c )?.[d ]'],
  ["import a, { type B, c } from 'd'", "import a, { c } from 'd'"],
  ["import type { A } from 'b'\nexport type { A }", '; \n; '],
  ["import { a as b } from 'c'\nexport { type b as A, b }", "import { a as b } from 'c'\nexport { b }"],
  ["export type * from 'a'", '; '],
  ["import type a = require('a')", '; '],
  ['declare global { interface A {} }', '; '],
  ['declare enum A { B }', '; '],
  ['namespace A { export type B = 1 }', '; '],
  ['try {} catch (e: unknown) {}', 'try {} catch (e ) {}'],
  ['const type = 1, declare = 2\ntype\ndeclare', 'const type = 1, declare = 2\ntype\ndeclare'],
  ['a = b ? (c): any => c : (d as any)', 'a = b ? (c) => c : (d )'],
  ["const ä = '𝒳' as string // grüß", "const ä = '𝒳' ; // grüß"],
]

describe('of TypeScript is left', () => {
  test.each(ERASED)('%s', (text, left) => {
    const erased = eraseTypes(text, '/x.ts')
    expect(erased.replace(/ +/g, ' ')).toBe(left)
    const widths = (code: string) => code.split('\n').map(({ length }) => length)
    expect(widths(erased)).toEqual(widths(text)) // what an error says of its place holds for both
  })
})

const REFUSED: readonly [text: string, because: string, instead: string][] = [
  ['enum A { B }', 'an enum is more than a type', 'const A = { … } as const'],
  ['export const enum A { B }', 'an enum', 'const A = { … } as const'],
  ['namespace A { export const b = 1 }', 'a namespace with values', 'const A = { … }'],
  ['module A { export type B = 1 }', 'a module', 'const A = { … }'],
  ['class A { constructor(private readonly b: string = "") {} }', 'a parameter property', '{ this.b = b }'],
  ["import fs = require('node:fs')", 'import … = …', "import fs from 'node:fs'"],
  ['import a = b.c', 'import … = …', 'const a = b.c'],
  ['const a = 1\nexport = a', 'export = …', 'export function check()'],
  ['const a = <string>b', 'angle brackets', 'b as string'],
  ['class A { @b c() {} }', 'a decorator', 'call the function'],
  ['class A { accessor b = 1 }', 'an accessor field', 'get and set'],
  ['{ using a = b }', 'using is not in every version', 'finally'],
]

describe('refused, with its line, the reason and what to write, is', () => {
  test.each(REFUSED)('%s', (text, because, instead) => {
    const above = 'let first: 1\n\n'
    const line = (text.split('\n').length + 2).toString()
    const run = () => eraseTypes(above + text, '/app/x.ts')
    expect(run).toThrow(SyntaxError)
    for (const part of [`/app/x.ts:${line}: `, because, text.split('\n').at(-1) ?? '', instead])
      expect(run).toThrow(part)
  })
})

test('what Node.js erases from our own sources, we do', () => {
  const files = ['src', 'test', 'scripts', 'migrations'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(ROOT, folder, name)),
  )
  const program = `
const { stripTypeScriptTypes } = require('node:module'), { readFileSync } = require('node:fs')
const strip = (file) => { try { return stripTypeScriptTypes(readFileSync(file, 'utf8')) } catch { return null } }
console.log(JSON.stringify(${JSON.stringify(files)}.map(strip)))`
  const options = { encoding: 'utf8', input: program, maxBuffer: 64 << 20 } as const
  const theirs: readonly (string | null)[] = JSON.parse(
    execFileSync(nodeBinary('24'), ['--no-warnings', '-'], options),
  )
  const ours = files.map((file) => {
    try {
      return eraseTypes(readFileSync(file, 'utf8'), file)
    } catch {
      return null
    }
  })
  const code = (text: string | null) => text?.replace(/[\s;]+/g, '') ?? null // where Node.js needs no semicolon it puts none
  expect(ours.map(code)).toEqual(theirs.map(code))
  expect(ours.filter((text) => text !== null).length).toBeGreaterThan(300)
})
