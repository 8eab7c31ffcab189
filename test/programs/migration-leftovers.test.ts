import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectMigrationFailure } from '../helpers/messages.ts'
import { place, placeMarker } from '../helpers/migrations.ts'
import { endLeftovers, processesWith } from '../helpers/processes.ts'
import { DIST } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'

const NOT_YET = 'export const check = () => false\n'
const PY = 'import os, signal, subprocess, sys, time\ntimeout = 1\ndef check():\n    return False\n'
const SH = '#!/bin/sh\n[ "$1" = migrate ] || exit 1\n'
const SPAWN = "import { spawn } from 'node:child_process'\n"
const sleeper = (options: string) =>
  `${SPAWN}${NOT_YET}export const migrate = () => { spawn('sleep', ['1000'], ${options}).unref(); return true }`

const MENDED: Readonly<Record<string, string>> = {
  '.mjs': 'export const check = () => true',
  '.cjs': 'exports.check = () => true',
  '.py': 'def check():\n    return True\n',
  '.sh': '#!/bin/sh\n',
}

describe('a migration has failed, and leaves no process, when', () => {
  test.each<[string, string, string, string[]]>([
    [
      'it loops in migrate',
      '.mjs',
      `${NOT_YET}export const timeout = 1\nexport const migrate = () => { for (;;); }`,
      ['still running after 1 s'],
    ],
    [
      'it waits for a promise that nothing will keep',
      '.cjs',
      'exports.timeout = 1\nexports.check = () => new Promise(() => {})\nexports.migrate = () => true',
      ['still running after 1 s'],
    ],
    [
      'it hangs in Python after it printed',
      '.py',
      `${PY}def migrate():\n    print("before the end")\n    time.sleep(1000)`,
      ['before the end', 'still running after 1 s'],
    ],
    [
      'it ignores SIGTERM',
      '.py',
      `${PY}def migrate():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(1000)`,
      ['still running after 1 s'],
    ],
    ['it leaves by process.exit(0) while it is loaded', '.mjs', 'process.exit(0)', ['exit code 0']],
    [
      'it leaves by process.exit(0) in check',
      '.mjs',
      'export const check = () => process.exit(0)',
      ['exit code 0'],
    ],
    ['it leaves by sys.exit while it is loaded', '.py', 'import sys\nsys.exit(0)', ['sys.exit(0)']],
    ['it leaves by os._exit(0)', '.py', `${PY}def migrate():\n    os._exit(0)`, ['exit code 0']],
    ['it kills itself in a shell', '.sh', `${SH}echo last words; kill -9 $$`, ['last words', 'SIGKILL']],
    [
      'it leaves after much output, whose end is shown',
      '.mjs',
      `${NOT_YET}export const migrate = () => { for (let n = 0; n < 9000; n++) console.log('x'.repeat(99)); console.log('last words'); process.exit(3) }`,
      ['last words', 'exit code 3'],
    ],
    [
      'it floods its errors in a loop',
      '.mjs',
      `${NOT_YET}export const migrate = () => { for (;;) console.error('x'.repeat(100)) }`,
      ['more than 16 MiB'],
    ],
    [
      'it floods without an end of line',
      '.py',
      `${PY}timeout = 60\ndef migrate():\n    while True: sys.stdout.write("x" * 65536)`,
      ['more than 16 MiB'],
    ],
    [
      'it does not wait for a file',
      '.mjs',
      `import { execFileSync } from 'node:child_process'\nimport { readFile } from 'node:fs/promises'\n${NOT_YET}
export const migrate = () => { const pipe = process.env.TELEC_HOME + '/pipe'; execFileSync('mkfifo', [pipe]); void readFile(pipe); return true }`,
      ['left work behind', 'FSReqPromise'],
    ],
    [
      'it leaves a child behind that ignores SIGTERM',
      '.sh',
      `${SH}(trap '' TERM; sleep 1000) >/dev/null 2>&1 &\nexit 0`,
      ['left processes running'],
    ],
    [
      'its check leaves a child behind',
      '.mjs',
      `${SPAWN}export const check = () => { spawn('sleep', ['1000'], { stdio: 'ignore' }).unref(); return true }`,
      ['left processes running'],
    ],
    [
      'it leaves a detached child behind',
      '.mjs',
      sleeper("{ detached: true, stdio: 'ignore' }"),
      ['left processes running'],
    ],
    [
      'it leaves a detached child behind that holds its output',
      '.mjs',
      sleeper("{ detached: true, stdio: 'inherit' }"),
      ['left processes running'],
    ],
    [
      'it leaves a session behind in Python',
      '.py',
      `${PY}def migrate():\n    subprocess.Popen(["sleep", "1000"], start_new_session=True)\n    return True`,
      ['left processes running'],
    ],
    [
      'it forks and comes back twice',
      '.py',
      `${PY}def migrate():\n    os.fork()\n    return True`,
      ['left processes running'],
    ],
    [
      'it writes where its host answers',
      '.mjs',
      `import { writeSync } from 'node:fs'\n${NOT_YET}export const migrate = () => { writeSync(4, 'null\\n'); return true }`,
      ['file descriptor 4'],
    ],
  ])('%s', async (_, extension, text, parts) => {
    const computer = await freshComputer()
    endLeftovers(computer)
    const id = `1.1.0/002_bad${extension}`
    placeMarker(computer, '1.1.0/001_before.mjs')
    place(computer, `migrations/v${id}`, text)
    placeMarker(computer, '1.1.0/003_after.mjs')
    const ended = await computer.telec('telec-migrate')
    expectMigrationFailure({ ...ended, stderr: ended.stderr.slice(-12_000) }, id, parts)
    expect(computer.state('migration_state.json')).toMatchObject({ applied: ['1.1.0/001_before.mjs'] })
    await until('the last of what was killed to be gone', async () => {
      return processesWith(`TELEC_HOME=${computer.home}`).length === 0
    })

    place(computer, `migrations/v${id}`, MENDED[extension] ?? '')
    expect((await computer.telec('telec-migrate')).code).toBe(0)
    expect(computer.state('migration_state.json')).toMatchObject({
      applied: ['1.1.0/001_before.mjs', id, '1.1.0/003_after.mjs'],
    })
  })
})

describe('a migration is done, though', () => {
  const good = (body: string) =>
    `let done = false\nexport const check = () => done\nexport const migrate = async () => { ${body}; return (done = true) }\n`
  test.each<[string, string, string, string]>([
    ['it keeps a timer that holds nothing up', '.mjs', good('setInterval(() => {}, 1000).unref()'), ''],
    [
      'it prints 15 MiB',
      '.mjs',
      good("for (let n = 0; n < 150_000; n++) console.log('x'.repeat(99))"),
      'it prints more',
    ],
    ['its last line does not end', '.mjs', good("process.stdout.write('without end')"), '| without end\n'],
    [
      'it may take for ever',
      '.mjs',
      `export const timeout = Infinity\n${good('await new Promise((resolve) => setImmediate(resolve))')}`,
      '',
    ],
    [
      'it may take a month',
      '.py',
      'import time\ntimeout = 30 * 86400\ndef check():\n    time.sleep(0.05)\n    return True\n',
      '',
    ],
    // Each of these ends only when it sees that the migration has ended.
    [
      'a process of it ends right after it',
      '.sh',
      '#!/bin/sh\n[ $1 = check ] && exec test -e "$TELEC_HOME/done"\n>"$TELEC_HOME/done"\nme=$$\n(while kill -0 $me; do sleep 0.01; done) 2>/dev/null &\nexit 0\n',
      '',
    ],
    [
      'a process substitution of bash writes on',
      '.sh',
      '#!/bin/bash\nme=$$\nexec > >(while kill -0 $me; do sleep 0.01; done 2>/dev/null; tee -a "$TELEC_HOME/log")\necho said\n[ $1 = migrate ] || exec test -e "$TELEC_HOME/done"\n>"$TELEC_HOME/done"\n',
      '| said\n',
    ],
    [
      'a child in JavaScript ends right after it',
      '.mjs',
      `${SPAWN}${good("spawn('sh', ['-c', 'while kill -0 ' + process.pid + '; do sleep 0.01; done'], { stdio: 'ignore' }).unref()")}`,
      '',
    ],
    [
      'a server of multiprocessing ends with it',
      '.py',
      `import math, multiprocessing
DONE = []
def check():
    return bool(DONE)
def half(number):
    return number / 2
def migrate():
    for how in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(how, pool.map(half, [2.0]), pool.map(math.sqrt, [4.0]))
    DONE.append(1)
    return True
`,
      '| forkserver [1.0] [2.0]\n',
    ],
    [
      'a thread of it ends right after it',
      '.py',
      `import sys, threading, time
MAIN = threading.main_thread().ident
ENDED = []
def follow():
    frame = sys._current_frames()[MAIN]
    while frame:
        if frame.f_code.co_name == "migrate":
            time.sleep(0.05)
            return follow()
        frame = frame.f_back
    time.sleep(0.05)
    ENDED.append(1)
    print("followed")
def check():
    return bool(ENDED)
def migrate():
    threading.Thread(target=follow).start()
    return True
`,
      '| followed\n',
    ],
    [
      'it closes what it prints to',
      '.py',
      'import sys\nsys.stderr = None\nDONE = []\ndef check():\n    return bool(DONE)\ndef migrate():\n    DONE.append(1)\n    print("said")\n    sys.stdout.close()\n    return True\n',
      '| said\n',
    ],
    ['it may take for ever in Python', '.py', 'timeout = float("inf")\ndef check():\n    return True\n', ''],
  ])('%s', async (_, extension, text, logged) => {
    const computer = await freshComputer()
    place(computer, `migrations/v1.1.0/001_good${extension}`, text)
    const ended = await computer.telec('telec-migrate')
    expect(ended, ended.stderr.slice(-2_000)).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain(logged)
  })

  test('it prints characters of several bytes across the chunks in which they are read', async () => {
    const computer = await freshComputer()
    const lines = "('x' + 'é'.repeat(150) + '\\n').repeat(900)"
    place(computer, 'migrations/v1.1.0/001_good.mjs', good(`process.stdout.write(${lines})`))
    const ended = await computer.telec('telec-migrate')
    expect(ended.code).toBe(0)
    expect(ended.stderr.match(/é/g)).toHaveLength(150 * 900)
  })
})

describe('with a telec that is killed ends', () => {
  test.each([
    [
      'a child of a migration',
      '.mjs',
      `${SPAWN}import { writeFileSync } from 'node:fs'\n${NOT_YET}export const migrate = () => { spawn('sleep', ['1000']); writeFileSync(process.env.TELEC_HOME + '/runs', ''); return new Promise(() => {}) }`,
    ],
    [
      'a loop in JavaScript',
      '.mjs',
      `import { writeFileSync } from 'node:fs'\n${NOT_YET}export const migrate = () => { writeFileSync(process.env.TELEC_HOME + '/runs', ''); for (;;); }`,
    ],
    [
      'a migration in Python',
      '.py',
      'import os, time\ndef check():\n    return False\ndef migrate():\n    open(os.environ["TELEC_HOME"] + "/runs", "w")\n    time.sleep(1000)\n',
    ],
    ['an executable', '.sh', `${SH}>"$TELEC_HOME/runs"; sleep 1000`],
  ])('%s', async (_, extension, text) => {
    const computer = await freshComputer()
    endLeftovers(computer)
    place(computer, `migrations/v1.1.0/001_hangs${extension}`, text)
    const telec = spawn(process.execPath, [join(DIST, 'telec-migrate')], {
      env: computer.env,
      stdio: 'ignore',
    })
    await until('the migration to run', async () => readdirSync(computer.home).includes('runs'))
    telec.kill('SIGKILL')
    const home = `TELEC_HOME=${computer.home}`
    await until('all of its processes to end', async () => processesWith(home).length === 0)
  })
})
