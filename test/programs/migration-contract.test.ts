import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { giving, NODE_FORMS, type NodeForm, nodeMigration, taking } from '../helpers/languages.ts'
import { expectMigrationFailure } from '../helpers/messages.ts'
import { commitIndex, place, placeMarker, timesRun } from '../helpers/migrations.ts'
import { NODE_MAJORS, nodeBinary } from '../helpers/nodes.ts'
import { DIST, type Ended, execute, succeed } from '../helpers/programs.ts'

const FALSE = 'return false'
const TRUE = 'return true'

function migrateUnder(computer: Computer, binary: string): Promise<Ended> {
  return execute(binary, [join(DIST, 'telec-migrate')], { env: computer.env, cwd: computer.folder })
}

/** Puts one text after the other in place of a migration; each must fail with these parts, and apply nothing. */
async function expectFaults(
  file: string,
  binary: string,
  faults: readonly (readonly [text: string, parts: readonly string[]])[],
): Promise<void> {
  const computer = await freshComputer()
  for (const [text, parts] of faults) {
    place(computer, `migrations/v1.1.0/${file}`, text)
    const ended = await migrateUnder(computer, binary)
    expectMigrationFailure(ended, `1.1.0/${file}`, parts)
    expect(ended.stderr).not.toMatch(/\[stdin\]|<string>|data:text|importlib/)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: [] })
  }
}

const NODE_CASES = NODE_MAJORS.flatMap((nodeVersion) =>
  NODE_FORMS.map((form): [string, NodeForm, string] => [
    `${form.label} on Node.js ${nodeVersion}`,
    form,
    nodeBinary(nodeVersion),
  ]),
)

describe.each(NODE_CASES)('a migration %s', (_, form, binary) => {
  const write = (functions: Record<string, string>, head: string[] = []) =>
    nodeMigration(form, functions, head)

  test('that breaks the contract halts, and the message says how it does', async () => {
    await expectFaults(form.file, binary, [
      [write({ check: "return 'yes'", migrate: TRUE }), ['check() returned string', 'true or false']],
      [write({ check: FALSE, migrate: 'return' }), ['migrate() returned undefined']],
      [write({ check: FALSE }), ['no function migrate()']],
      [write({ migrate: TRUE }), ['no function check()']],
      [write({ check: FALSE, migrate: TRUE }), ['not idempotent']],
      [write({ check: FALSE, migrate: 'return (' }), ['SyntaxError', form.file]],
      // Its own frames, on the lines where the author finds them.
      [
        write({ check: FALSE, migrate: "deep()\n}\nfunction deep() {\nthrow new Error('no luck')" }),
        ['no luck', `${form.file}:8:`, `${form.file}:5:`],
      ],
    ])
  })

  test('takes from its neighbour and a package of the checkout; where check is true, migrate is not called', async () => {
    const computer = await freshComputer()
    place(computer, 'node_modules/leftpadlike/package.json', '{"name": "leftpadlike", "main": "pad.js"}')
    place(
      computer,
      'node_modules/leftpadlike/pad.js',
      "exports.pad = (text) => String(text).padStart(9, '-')\n",
    )
    place(computer, `migrations/v1.1.0/${form.neighbour}`, giving(form, 'word', 'beside'))
    const functions = {
      check: 'return existsSync(marker)',
      migrate: `writeFileSync(marker, pad(word))\n${TRUE}`,
    }
    const head = [
      taking(form, 'existsSync, writeFileSync', 'node:fs'),
      taking(form, 'pad', 'leftpadlike'),
      taking(form, 'word', `./${form.neighbour}`),
      "const marker = process.env.TELEC_HOME + '/marker'",
    ]
    place(computer, `migrations/v1.1.0/${form.file}`, write(functions, head))
    const satisfied = form.file.replace('001_x', '002_satisfied')
    const called = "throw new Error('must not be called')"
    place(computer, `migrations/v1.1.0/${satisfied}`, write({ check: TRUE, migrate: called }))
    const ended = await migrateUnder(computer, binary)
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(readFileSync(join(computer.home, 'marker'), 'utf8')).toBe('---beside')
    expect(computer.state('migration_state.json')).toMatchObject({
      details: { [`1.1.0/${form.file}`]: { how: 'run' }, [`1.1.0/${satisfied}`]: { how: 'satisfied' } },
    })
  })
})

describe.each(NODE_MAJORS)('on Node.js %s', (nodeVersion) => {
  test('TypeScript may use types, interfaces, type imports, generics and satisfies', async () => {
    const computer = await freshComputer()
    place(computer, 'migrations/v1.1.0/shape.ts', 'export interface Shape { readonly done: boolean }\n')
    place(
      computer,
      'migrations/v1.1.0/001_typed.ts',
      `import type { Shape } from './shape.ts'
type Maybe<T> = T | null
interface Box<T extends object> { value: Maybe<T> }
const box: Box<Shape> = { value: null } satisfies Box<Shape>
function first<T>(items: readonly T[]): T | undefined { return items[0] }
export const timeout = 60 as const
export function check(): boolean { return box.value?.done ?? false }
export async function migrate(): Promise<boolean> {
  box.value = first<Shape>([{ done: true }])!
  return (box.value as Shape).done
}
`,
    )
    const ended = await migrateUnder(computer, nodeBinary(nodeVersion))
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
  })

  test('a module in JavaScript may import one in TypeScript', async () => {
    const computer = await freshComputer()
    place(computer, 'migrations/v1.1.0/helper.ts', "export const word: string = 'typed'\n")
    place(
      computer,
      'migrations/v1.1.0/001_x.mjs',
      "import { word } from './helper.ts'\nexport const check = () => word === 'typed'\n",
    )
    const ended = await migrateUnder(computer, nodeBinary(nodeVersion))
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
  })

  test('a module in TypeScript is one where package.json says commonjs, as npm init does', async () => {
    const computer = await freshComputer()
    place(computer, 'package.json', '{"name": "web", "version": "1.1.0", "type": "commonjs"}')
    place(computer, 'migrations/v1.1.0/001_x.ts', 'export const check = (): boolean => true\n')
    const ended = await migrateUnder(computer, nodeBinary(nodeVersion))
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
  })
})

test.each(['def', 'async def'])('a migration in Python, %s, that breaks the contract halts', async (kind) => {
  const write = (check: string, migrate: string) =>
    `${kind} check():\n    ${check}\n${kind} migrate():\n    ${migrate}\n`
  await expectFaults('001_x.py', process.execPath, [
    [write('return "yes"', 'return True'), ['check() returned str']],
    [write('return False', 'return None'), ['migrate() returned NoneType', 'True or False']],
    [write('return False', 'return 1'), ['migrate() returned int']],
    [write('return False', 'return True'), ['not idempotent']],
    [`${kind} check():\n    return False\n`, ['no function migrate()']],
    [`${kind} migrate():\n    return True\n`, ['no function check()']],
    [write('return (', 'return True'), ['SyntaxError', '001_x.py']],
    [
      write('return False', 'deep()\ndef deep():\n    {}["key"]'),
      ["KeyError: 'key'", '001_x.py", line 4, in migrate', '001_x.py", line 6, in deep'],
    ],
    ['import leptons\n', ["No module named 'leptons'", '001_x.py", line 1']],
  ])
})

test('Python imports neighbours and modules of the checkout, and shows what caused an error', async () => {
  const computer = await freshComputer()
  place(computer, 'shared.py', 'WORD = "shared"\n')
  place(computer, 'migrations/v1.1.0/helper.py', 'from . import other\nWORD = "helper " + other.WORD\n')
  place(computer, 'migrations/v1.1.0/other.py', 'WORD = "other"\n')
  place(
    computer,
    'migrations/v1.1.0/001_x.py',
    `import other, shared, sys
from . import helper
def check():
    return (helper.WORD, other.WORD, shared.WORD) == ("helper other", "other", "shared")
`,
  )
  const ended = await migrateUnder(computer, process.execPath)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  expect(await computer.gitInCheckout('status', '--short', '--ignored')).toBe('')
  const text =
    'def check():\n    try:\n        {}["key"]\n    except KeyError as error:\n        raise ValueError("no luck") from error\n'
  await expectFaults('001_x.py', process.execPath, [
    [
      text,
      ["KeyError: 'key'", 'direct cause', 'ValueError: no luck', 'line 3, in check', 'line 5, in check'],
    ],
  ])
})

test.each(['.venv', '.venv/bin/python3'])('Python is that of deployment.python: %s', async (python) => {
  const computer = await freshComputer()
  await succeed('python3', ['-m', 'venv', '--without-pip', join(computer.checkout, '.venv')])
  const text = 'import sys\ndef check():\n    return sys.prefix.endswith("/app/.venv")\n'
  place(computer, 'migrations/v1.1.0/001_x.py', text)
  expectMigrationFailure(await migrateUnder(computer, process.execPath), '1.1.0/001_x.py', [
    'no function migrate()',
  ])
  const config = readFileSync(join(computer.home, 'config.yml'), 'utf8')
  computer.writeConfig(config.replace(/^deployment:$/m, `deployment:\n  python: ${python}`))
  const ended = await migrateUnder(computer, process.execPath)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  computer.writeConfig(config.replace(/^deployment:$/m, 'deployment:\n  python: pythonx'))
  computer.writeState('migration_state.json', '{"applied": [], "baseline": "1.0.0"}')
  place(computer, 'migrations/v1.1.0/000_first.mjs', "throw new Error('it ran')")
  expectMigrationFailure(await migrateUnder(computer, process.execPath), '1.1.0/001_x.py', [
    'pythonx is missing',
  ])
})

test.each([
  ['of Windows', '#!/bin/sh\r\n', 'carriage return'],
  ['of Windows, by env', '#!/usr/bin/env sh\r\n', 'carriage return'],
  ['with a byte order mark', '\uFEFF#!/bin/sh\n', 'byte order mark'],
  ['without an interpreter', 'exit 0\n', '#!/bin/sh'],
  ['for one that is missing', '#!/no/such/interpreter\n', 'interpreter is missing: /no/such/interpreter'],
  [
    'for one that env does not find',
    '#!/usr/bin/env -S A=b nosuch -x\n',
    'interpreter is missing: nosuch; searched: PATH=',
  ],
  ['whose options env takes for its name', '#!/usr/bin/env sh -e\n', 'interpreter is missing: sh -e'],
  ['for a folder', '#!/usr\n', 'interpreter is missing: /usr'],
])('an executable %s is named before anything runs', async (_, text, part) => {
  const computer = await freshComputer()
  placeMarker(computer, '1.1.0/000_first.sh')
  place(computer, 'migrations/v1.1.0/001_x', text)
  await computer.gitInCheckout('update-index', '--chmod=+x', 'migrations/v1.1.0/001_x')
  commitIndex(computer)
  chmodSync(join(computer.checkout, 'migrations/v1.1.0/001_x'), 0o644)
  const unset = await migrateUnder(computer, process.execPath)
  expectMigrationFailure(unset, '1.1.0/001_x', ['its file is not executable here: chmod +x'])
  chmodSync(join(computer.checkout, 'migrations/v1.1.0/001_x'), 0o755)
  const rehearsed = await computer.telec('telec-migrate', ['plan', '--check', '--json'])
  expect(JSON.parse(rehearsed.stdout)).toMatchObject({
    answers: [{ says: 'false' }, { says: 'failed', error: expect.stringContaining(part) }],
  })
  expectMigrationFailure(await migrateUnder(computer, process.execPath), '1.1.0/001_x', [part])
  expect(timesRun(computer, '1.1.0/000_first.sh')).toBe(0)
})

test.each([
  '-S -u FOO sh',
  '-S "sh"',
  '-S -C / sh',
  '-Ssh -e',
  '-S PATH=/opt:/bin:/usr/bin A=b sh',
  '-S A=b sh',
])('what env alone can tell is left to it: #!/usr/bin/env %s', async (line) => {
  const computer = await freshComputer()
  place(computer, 'migrations/v1.1.0/001_x', `#!/usr/bin/env ${line}\nexit 0\n`)
  const ended = await migrateUnder(computer, process.execPath)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
})

test.each(['001_x.sh', '001_x'])('an executable %s that breaks the contract halts', async (file) => {
  await expectFaults(file, process.execPath, [
    ['#!/bin/sh\nexit 2\n', ['failed in check()', 'exit code 2']],
    ['#!/bin/sh\n[ $1 = check ] && exit 1\nexit 42\n', ['failed in migrate()', 'exit code 42']],
    ['#!/bin/sh\n[ $1 = check ] && exit 1\nexit 1\n', ['migrate() returned false']],
    ['#!/bin/sh\n[ $1 = check ] && exit 1\nexit 0\n', ['not idempotent']],
    ['#!/no/such/interpreter\n', ['cannot be run']],
    ['#!/bin/sh\nif\n', ['failed in check()', 'exit code 2']],
  ])
})
