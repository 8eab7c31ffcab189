import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectMigrationFailure } from '../helpers/messages.ts'
import { place, placeMarker } from '../helpers/migrations.ts'
import { DIST } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'

const NOT_YET = 'export const check = () => false\n'
const PY_NOT_YET = 'import os, subprocess, sys, threading, time\ndef check():\n    return False\n'
const FOREVER = 'new Promise(() => setInterval(() => {}, 1000))'

/** Pids of processes whose command line holds a text. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
    } catch {
      return false // it has ended
    }
  })
}

describe('a migration has failed, and nothing but it, when', () => {
  test.each<[string, string, string, string[]]>([
    [
      'it hangs in a promise',
      '.mjs',
      `${NOT_YET}export const timeout = 1\nexport const migrate = () => ${FOREVER}`,
      ['still running after 1 s'],
    ],
    [
      'it hangs in a loop',
      '.cjs',
      'exports.timeout = 1\nexports.check = () => { for (;;); }\nexports.migrate = () => true',
      ['still running after 1 s'],
    ],
    [
      'it hangs in Python',
      '.py',
      `${PY_NOT_YET}timeout = 1\ndef migrate():\n    time.sleep(1000)`,
      ['still running after 1 s'],
    ],
    [
      'it leaves by process.exit(42)',
      '.mjs',
      `${NOT_YET}export const migrate = () => process.exit(42)`,
      ['exit code 42'],
    ],
    [
      'it leaves by sys.exit',
      '.py',
      `${PY_NOT_YET}def migrate():\n    sys.exit(3)`,
      ['sys.exit(3)', 'in migrate()'],
    ],
    ['it leaves by os._exit', '.py', `${PY_NOT_YET}def migrate():\n    os._exit(4)`, ['exit code 4']],
    ['it kills its process', '.py', `${PY_NOT_YET}def migrate():\n    os.kill(os.getpid(), 9)`, ['SIGKILL']],
    [
      'it answers 1 instead of True',
      '.py',
      `${PY_NOT_YET}def migrate():\n    return 1`,
      ['migrate() returned int'],
    ],
    [
      'it answers nothing',
      '.mjs',
      `${NOT_YET}export const migrate = () => {}`,
      ['migrate() returned undefined'],
    ],
    [
      'it floods its output',
      '.mjs',
      `${NOT_YET}export const migrate = async () => { await (async () => { for (;;) { console.log('x'.repeat(65536)); await new Promise(setImmediate) } })() }`,
      ['more than 16 MiB'],
    ],
    [
      'it floods its output from a shell',
      '.sh',
      '#!/bin/sh\n[ "$1" = migrate ] || exit 1\nyes',
      ['more than 16 MiB'],
    ],
    [
      'it leaves a timer behind',
      '.mjs',
      `${NOT_YET}export const migrate = () => { setTimeout(() => {}, 100000); return true }`,
      ['left work behind', 'Timeout'],
    ],
    [
      'it leaves a thread behind',
      '.py',
      `${PY_NOT_YET}def migrate():\n    threading.Thread(target=lambda: time.sleep(1000), name="stray").start()\n    return True`,
      ['left work behind', 'stray'],
    ],
    [
      'it leaves a rejection behind',
      '.mjs',
      `${NOT_YET}export const migrate = () => { void Promise.reject(new Error('stray')); return true }`,
      ['stray'],
    ],
    [
      'it leaves a child behind',
      '.mjs',
      `import { spawn } from 'node:child_process'\n${NOT_YET}export const migrate = () => { spawn('sleep', ['1000.25'], { stdio: 'ignore' }).unref(); return true }`,
      ['left processes running'],
    ],
    [
      'it leaves a child behind in Python',
      '.py',
      `${PY_NOT_YET}def migrate():\n    subprocess.Popen(["sleep", "1000.25"])\n    return True`,
      ['left processes running'],
    ],
    [
      'it leaves a child behind in a shell',
      '.sh',
      '#!/bin/sh\n[ "$1" = migrate ] || exit 1\nsleep 1000.25 &\nexit 0',
      ['left processes running'],
    ],
  ])('%s', async (_, extension, text, parts) => {
    const computer = await freshComputer()
    const id = `1.1.0/002_bad${extension}`
    placeMarker(computer, '1.1.0/001_before.mjs')
    place(computer, `migrations/v${id}`, text)
    placeMarker(computer, '1.1.0/003_after.mjs')
    const ended = await computer.telec('telec-migrate')
    expectMigrationFailure({ ...ended, stderr: ended.stderr.slice(-12_000) }, id, parts)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: ['1.1.0/001_before.mjs'] })
    expect(processesWith('1000.25')).toEqual([])

    place(
      computer,
      `migrations/v${id}`,
      extension === '.sh'
        ? '#!/bin/sh\n'
        : extension === '.py'
          ? 'def check():\n    return True\n'
          : extension === '.cjs'
            ? 'exports.check = () => true'
            : 'export const check = () => true',
    )
    expect((await computer.telec('telec-migrate')).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({
      applied: ['1.1.0/001_before.mjs', id, '1.1.0/003_after.mjs'],
    })
  })
})

test.each([
  [
    '.mjs',
    `import { appendFileSync } from 'node:fs'
const seen = () => [process.pid, process.cwd(), process.umask(), process.env.LEAK, process.env.TELEC_TO, globalThis.leak]
let done = false
export const check = () => done
export const migrate = () => {
  appendFileSync(process.env.TELEC_HOME + '/seen', seen().join(' ') + '\\n')
  process.chdir('/')
  process.umask(0o777)
  globalThis.leak = process.env.LEAK = process.env.TELEC_TO = 'leaked'
  return (done = true)
}
`,
  ],
  [
    '.py',
    `import os, sys
done = False
def check():
    return done
def migrate():
    global done
    umask = os.umask(0o777)
    os.umask(umask)
    seen = [os.getpid(), os.getcwd(), umask, os.environ.get("LEAK"), os.environ["TELEC_TO"], getattr(sys, "leak", None)]
    with open(os.environ["TELEC_HOME"] + "/seen", "a") as file:
        print(*seen, file=file)
    os.chdir("/")
    os.umask(0o777)
    sys.leak = os.environ["LEAK"] = os.environ["TELEC_TO"] = "leaked"
    done = True
    return True
`,
  ],
])('what a migration %s does to its process, the next one does not see', async (extension, text) => {
  const computer = await freshComputer()
  for (const name of ['001_a', '002_b', '003_c'])
    place(computer, `migrations/v1.1.0/${name}${extension}`, text)
  const ended = await computer.telec('telec-migrate')
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  const lines = readFileSync(join(computer.home, 'seen'), 'utf8').split('\n').filter(Boolean)
  const [pids, surroundings] = [/^\d+/, / .*/].map(
    (part) => new Set(lines.map((line) => part.exec(line)?.[0])),
  )
  expect(lines).toHaveLength(3)
  expect(pids?.size).toBe(3)
  expect(surroundings?.size).toBe(1)
  expect(lines.join('\n')).not.toContain('leaked')
})

test('a migration may print much, and its log is cut', async () => {
  const computer = await freshComputer()
  place(
    computer,
    'migrations/v1.1.0/001_talks.mjs',
    'let done = false\nexport const check = () => done\nexport const migrate = () => { for (let n = 0; n < 6000; n++) console.log("line " + n); return (done = true) }\n',
  )
  const ended = await computer.telec('telec-migrate')
  expect(ended.code).toBe(0)
  expect(ended.stderr).toContain('line 4999')
  expect(ended.stderr).toContain('it prints more')
  expect(ended.stderr).not.toContain('line 5500')
})

test('a migration ends with the telec that is killed', async () => {
  const computer = await freshComputer()
  const marker = join(computer.home, 'hangs')
  place(
    computer,
    'migrations/v1.1.0/001_hangs.mjs',
    `import { writeFileSync } from 'node:fs'\n${NOT_YET}export const migrate = () => { writeFileSync(${JSON.stringify(marker)}, String(process.pid)); return ${FOREVER} }\n`,
  )
  writeFileSync(marker, '')
  const telec = spawn(process.execPath, [join(DIST, 'telec-migrate')], { env: computer.env, stdio: 'ignore' })
  const pid = await until('the migration to run', async () => readFileSync(marker, 'utf8') || undefined)
  telec.kill('SIGKILL')
  await until('its process to end', async () => !readdirSync('/proc').includes(pid))
})
