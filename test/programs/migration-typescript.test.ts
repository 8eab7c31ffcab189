import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { place } from '../helpers/migrations.ts'
import { NODE_VERSIONS, nodeBinary } from '../helpers/nodes.ts'
import { DIST, execute } from '../helpers/programs.ts'

const CONTRACT =
  'let done = false\nexport const check = (): boolean => done\nexport const migrate = (): boolean => (done = true)\n'

/** The begin of a migration, and the message about it; null: it runs. */
const SYNTAX: Readonly<Record<string, readonly [text: string, fault: string | null]>> = {
  types: [
    'type A<T> = T extends infer U ? U : never\nconst a = { b: 1 } as const satisfies object\nlet c!: A<1>',
    null,
  ],
  enum: ['enum Color { Red }\nColor.Red', 'x.ts:1: an enum'],
  const_enum: ['\nconst enum Color { Red }', 'x.ts:2: an enum'],
  namespace: ['namespace N { export const a = 1 }', 'x.ts:1: a namespace with values'],
  namespace_of_types: ['namespace N { export type A = 1 }', null],
  parameter_property: [
    'class A { constructor(private readonly b: string) {} }',
    'x.ts:1: a parameter property',
  ],
  angle_brackets: ["const a = <string>('b' as unknown)", 'x.ts:1: a type in angle brackets'],
  import_equals: ["import fs = require('node:fs')", 'x.ts:1: import … = …'],
  decorator: ['const log = (a: any, b: any) => a\nclass A { @log m() {} }', 'x.ts:2: a decorator'],
  accessor: ['class A { accessor b = 1 }', 'x.ts:1: an accessor field'],
  using: ['{ using a = { [Symbol.dispose]() {} } }', 'x.ts:1: using'],
  not_typescript: ['const = 1', 'x.ts:1: Unexpected token'],
  require: ["const fs = require('node:fs')", 'require is not defined'],
  byte_order_mark: ['\uFEFFconst a: 1 = 1', null],
  awaits: ["const text: string = await Promise.resolve('')", null],
  imports_type: ["import { type Shape, make } from './shape.ts'\nconst a: Shape = make()", null],
  imports_type_as_value: [
    "import { Shape, make } from './shape.ts'\nconst a: Shape = make()",
    'import { type Shape }',
  ],
  imports_at_run_time: ["const { make } = await import('./shape.ts')\nmake()", null],
  imports_named_js: ["import { make } from './shape.js'", 'shape.ts'],
  imports_without_ending: ["import { make } from './shape'", 'shape.ts'],
  imports_enum: ["import { Color } from './color.ts'", 'color.ts:2: an enum'],
  imports_javascript: ["import { make } from './plain.mjs'\nmake()", null],
  imports_json: ["import data from './data.json' with { type: 'json' }\ndata.a.toFixed()", null],
  imports_json_plainly: ["import data from './data.json'", 'import attribute'],
  imports_cts: ["import './old.cts'", 'name it .ts'],
}

const NEIGHBOURS = {
  'shape.ts': 'export interface Shape { a: number }\nexport function make(): Shape { return { a: 1 } }\n',
  'color.ts': '// of old\nexport enum Color { Red }\n',
  'plain.mjs': "export { make } from './shape.ts'\n",
  'data.json': '{"a": 1}\n',
  'old.cts': 'module.exports = 1\n',
  'later.mjs': "export const later = () => import('./shape.ts')\n",
  'later.cjs': "module.exports = () => import('./shape.ts')\n",
}

/** The same in JavaScript, which may come to TypeScript, too. */
const PLAIN: typeof SYNTAX = {
  'imports.mjs': ["import { make } from './shape.ts'\nmake()", null],
  'import.mjs': ["await import('./shape.ts')", null],
  'imports_what_imports_later.mjs': ["import { later } from './later.mjs'\nawait later()", null],
  'requires_what_imports_later.cjs': ["require('./later.cjs')().then(({ make }) => make())", null],
  'requires.cjs': ["require('./shape.ts').make()", null],
  'requires_without_ending.cjs': ["require('./shape')", "Cannot find module './shape'"],
  'requires_cts.cjs': ["require('./old.cts')", 'name it .ts'],
}

test('TypeScript means the same on every Node.js, and all of them refuse the same', async () => {
  const computer = await freshComputer()
  const files = Object.entries(SYNTAX).map(([name, [text]]) => [`${name}_x.ts`, `${text}\n${CONTRACT}`])
  const plain = Object.entries(PLAIN).map(([name, [text]]) => {
    const contract = CONTRACT.replaceAll(': boolean', '')
    const module = contract.replace(/export const (\w+)/g, 'const $1 = exports.$1')
    return [name, `${text}\n${name.endsWith('.cjs') ? module : contract}`]
  })
  for (const [name, text] of Object.entries(NEIGHBOURS)) place(computer, `migrations/v1.1.0/${name}`, text)
  for (const [index, [name, text = '']] of [...files, ...plain].entries())
    place(computer, `migrations/v1.1.0/${String(index).padStart(3, '0')}_${name}`, text)
  mkdirSync(join(computer.folder, 'empty'))
  const expected = [...Object.values(SYNTAX), ...Object.values(PLAIN)]
  for (const version of NODE_VERSIONS) {
    const faults = await faultsOn(version, computer)
    expect(faults).toHaveLength(expected.length)
    for (const [index, [, fault]] of expected.entries())
      if (fault === null) expect(faults[index], `${version}`).toBe(null)
      else expect(faults[index], `${version}`).toContain(fault)
  }
})

async function faultsOn(
  version: (typeof NODE_VERSIONS)[number],
  computer: Computer,
): Promise<(string | null)[]> {
  const args = ['verify', '--json', '--home', join(computer.folder, 'empty'), '--checkout', computer.checkout]
  const { stdout } = await execute(nodeBinary(version), [join(DIST, 'telec-migrate'), ...args], {
    env: computer.env,
    cwd: computer.folder,
  })
  return (JSON.parse(stdout) as { fault: string | null }[]).map(({ fault }) => fault)
}
