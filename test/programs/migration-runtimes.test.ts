import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { place } from '../helpers/migrations.ts'
import { NODE_MAJORS, nodeBinary } from '../helpers/nodes.ts'
import { DIST, type Ended, execute } from '../helpers/programs.ts'

/** How a language writes a migration: what check, migrate and the top of the file do, in its own words. */
interface Language {
  readonly file: string
  /** `check` looks for a marker, `migrate` writes it together with its surroundings. */
  readonly good: string
  readonly refuses: string
  readonly throws: string
  /** What a failure of `throws` shows. */
  readonly trace: readonly string[]
}

const NODE_BODY = `const marker = process.env.TELEC_HOME + '/marker'
const seen = () => [process.env.TELEC_CHECKOUT, process.env.TELEC_FROM, process.env.TELEC_TO, process.cwd()].join(' ')`
const node = (exported: (name: string, body: string) => string, head: string) => ({
  good: `${head}\n${NODE_BODY}\n${exported('check', 'return existsSync(marker)')}
${exported('migrate', 'writeFileSync(marker, seen()); return true')}`,
  refuses: `${head}\n${exported('check', 'return false')}\n${exported('migrate', 'return false')}`,
  throws: `${head}\n${exported('check', 'return false')}\n${exported('migrate', "console.log('nearly'); throw new Error('no such luck')")}`,
})
const ESM = "import { existsSync, writeFileSync } from 'node:fs'"
const CJS = "const { existsSync, writeFileSync } = require('node:fs')"
const asModule = (name: string, body: string) => `export function ${name}() { ${body} }`
const asAsync = (name: string, body: string) =>
  `export async function ${name}(): Promise<boolean> { ${body} }`
const asExports = (name: string, body: string) => `exports.${name} = () => { ${body} }`

const NODE_LANGUAGES: readonly Language[] = [
  { file: '001_x.ts', ...node(asAsync, ESM), trace: ['no such luck', '001_x.ts'] },
  { file: '001_x.mts', ...node(asAsync, ESM), trace: ['no such luck', '001_x.mts'] },
  { file: '001_x.js', ...node(asModule, ESM), trace: ['no such luck', '001_x.js'] },
  { file: '001_x.mjs', ...node(asModule, ESM), trace: ['no such luck', '001_x.mjs'] },
  { file: '001_x.cjs', ...node(asExports, CJS), trace: ['no such luck', '001_x.cjs'] },
]

const PYTHON = (kind: string): Language => ({
  file: '001_x.py',
  good: `import os, pathlib
MARKER = pathlib.Path(os.environ["TELEC_HOME"]) / "marker"
${kind} check() -> bool:
    return MARKER.exists()
${kind} migrate() -> bool:
    MARKER.write_text(" ".join([os.environ["TELEC_CHECKOUT"], os.environ["TELEC_FROM"], os.environ["TELEC_TO"], os.getcwd()]))
    return True
`,
  refuses: `${kind} check():\n    return False\n${kind} migrate():\n    return False\n`,
  throws: `${kind} check():\n    return False\n${kind} migrate():\n    print("nearly")\n    raise RuntimeError("no such luck")\n`,
  trace: ['RuntimeError: no such luck', '001_x.py", line 5, in migrate'],
})

const SHELL = (file: string): Language => ({
  file,
  good: `#!/bin/sh
case $1 in
check) test -e "$TELEC_HOME/marker" ;;
migrate) printf %s "$TELEC_CHECKOUT $TELEC_FROM $TELEC_TO $PWD" >"$TELEC_HOME/marker" ;;
esac
`,
  refuses: '#!/bin/sh\nexit 1\n',
  throws: '#!/bin/sh\n[ "$1" = migrate ] || exit 1\necho nearly; echo "no such luck" >&2; exit 7\n',
  trace: ['no such luck', 'exit code 7'],
})

/** Each language with the Node.js that telec runs on. */
const CASES: readonly [string, Language, string][] = [
  ...NODE_MAJORS.flatMap((nodeVersion) =>
    NODE_LANGUAGES.map((language): [string, Language, string] => [
      `${language.file} on Node.js ${nodeVersion}`,
      language,
      nodeBinary(nodeVersion),
    ]),
  ),
  ['001_x.py', PYTHON('def'), process.execPath],
  ['001_x.py, async', PYTHON('async def'), process.execPath],
  ['001_x.sh', SHELL('001_x.sh'), process.execPath],
  ['001_x, without an ending', SHELL('001_x'), process.execPath],
]

function migrate(computer: Computer, binary: string): Promise<Ended> {
  return execute(binary, [join(DIST, 'telec-migrate')], { env: computer.env, cwd: computer.folder })
}

describe.each(CASES)('a migration %s', (_, { file, good, refuses, throws, trace }, binary) => {
  const id = `1.1.0/${file}`

  test('is run once, in its surroundings, and recorded; where its check is true it is satisfied', async () => {
    const computer = await freshComputer()
    place(computer, `migrations/v${id}`, good)
    const first = await migrate(computer, binary)
    expect(first, first.stderr).toMatchObject({ code: 0 })
    const { checkout, home } = computer
    expect(readFileSync(join(home, 'marker'), 'utf8')).toBe(`${checkout} 1.0.0 1.1.0 ${checkout}`)
    const state = computer.state('migration_state.json')
    expect(state).toMatchObject({ applied: [id], details: { [id]: { how: 'run' } } })
    computer.writeState('migration_state.json', '{"applied": [], "baseline": "1.0.0"}')
    expect((await migrate(computer, binary)).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({ details: { [id]: { how: 'satisfied' } } })
  })

  test('that refuses halts, and one that fails halts with its own words', async () => {
    const computer = await freshComputer()
    place(computer, `migrations/v${id}`, refuses)
    expectFailure(await migrate(computer, binary), 1, [id, 'migrate() returned false'])
    place(computer, `migrations/v${id}`, throws)
    const failed = await migrate(computer, binary)
    expect(failed.code).toBe(1)
    for (const part of [id, 'nearly', ...trace]) expect(failed.stderr).toContain(part)
    expect(failed.stderr).not.toMatch(/\[stdin\]|<string>|node:internal|data:text/)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [] })
  })
})

test('migrations of all languages run in one order, with their neighbours and packages', async () => {
  const computer = await freshComputer()
  const order = "require('node:fs').appendFileSync(process.env.TELEC_HOME + '/order', name + '\\n')"
  const listed = (name: string) =>
    `const name = '${name}'\nlet done = false\nexports.check = () => done\nexports.migrate = () => (${order}, done = true)\n`
  place(computer, 'node_modules/pad/package.json', '{"name": "pad", "main": "pad.js"}')
  place(computer, 'node_modules/pad/pad.js', "exports.pad = (text) => text.padStart(4, '-')\n")
  place(computer, 'migrations/v1.10.0/001_last.cjs', listed('1.10.0'))
  place(
    computer,
    'migrations/v1.9.0/002_python.py',
    `import os
DONE = False
def check() -> bool:
    return DONE
def migrate() -> bool:
    global DONE
    with open(os.environ["TELEC_HOME"] + "/order", "a") as order:
        order.write("python\\n")
    DONE = True
    return True
`,
  )
  place(computer, 'migrations/v1.9.0/helper.ts', "export const from: string = 'helper'\n")
  place(
    computer,
    'migrations/v1.9.0/001_typed.ts',
    `import { appendFileSync } from 'node:fs'
import { pad } from 'pad'
import { from } from './helper.ts'
interface Kept { done: boolean }
const kept = { done: false } satisfies Kept
export const check = (): boolean => kept.done
export const migrate = async <T,>(): Promise<boolean> => {
  appendFileSync(process.env.TELEC_HOME + '/order', pad('ts') + from + '\\n')
  kept.done = true
  return kept.done as boolean
}
`,
  )
  const ended = await migrate(computer, process.execPath)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(readFileSync(join(computer.home, 'order'), 'utf8')).toBe('--tshelper\npython\n1.10.0\n')
})
