import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { NODE_VERSIONS, nodeBinary } from '../helpers/nodes.ts'
import { DIST, type Ended, execute, type ProgramName, ROOT } from '../helpers/programs.ts'

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate'] as const

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'telec-bundles-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A copy of one bundle, alone in a folder. */
function alone(program: ProgramName): string {
  const copy = join(temporaryFolder(), program)
  cpSync(join(DIST, program), copy)
  return copy
}

describe.each(PROGRAMS)('%s', (program) => {
  const { version: ours } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string
  }

  test('runs alone, in an empty folder, and tells its version and its commit', async () => {
    const copy = alone(program)
    const ended = await execute(copy, ['--version'], { cwd: dirname(copy) })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(
      new RegExp(`^${program} ${ours.replaceAll('.', '\\.')} \\(([0-9a-f]{40}(-dirty)?|unknown)\\)\n$`),
    )
  })

  test.each(['module', 'commonjs'])('runs beside a package.json of type %s', async (type) => {
    const copy = alone(program)
    writeFileSync(join(dirname(copy), 'package.json'), JSON.stringify({ type }))
    expect(await execute(copy, ['--version'])).toMatchObject({ code: 0, stderr: '' })
    expect(await execute(copy, ['--help'])).toMatchObject({ code: 0, stderr: '' })
  })

  test('runs by a link to it, as npm makes them', async () => {
    const copy = alone(program)
    const link = join(dirname(copy), 'linked')
    symlinkSync(copy, link)
    expect(await execute(link, ['--version'])).toMatchObject({ code: 0, stderr: '' })
  })

  test('is in package.json under its name, and executable', () => {
    const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      bin: Record<string, string>
    }
    expect(bin[program]).toBe(`dist/${program}`)
    expect(statSync(join(DIST, program)).mode & 0o111).toBe(0o111)
  })

  test('holds nothing of the folder in which it was built', () => {
    expect(readFileSync(join(DIST, program), 'utf8')).not.toContain(ROOT)
  })
})

describe.each(NODE_VERSIONS)('on Node.js %s', (nodeVersion) => {
  test('the whole road: init, a push with migrations of each kind, watch, update', async () => {
    const node = nodeBinary(nodeVersion)
    const computer = await freshComputer({ init: false })
    const bin = join(computer.folder, 'bin')
    cpSync(DIST, bin, { recursive: true })
    const run = (program: ProgramName, ...args: string[]): Promise<Ended> =>
      execute(node, [join(bin, program), ...args], { cwd: computer.folder, env: computer.env })

    const install = 'node --version > "$TELEC_HOME/installed"'
    expect(await run('telec', 'init', '--checkout', computer.checkout, '--install', install)).toMatchObject({
      code: 0,
    })
    const commit = await computer.push({
      ...version('1.1.0'),
      ...markerMigration('1.1.0', '001_typed.ts'),
      ...markerMigration('1.1.0', '002_module.mjs'),
      ...commonJs('1.1.0', '003_common.cjs'),
      ...commonJs('1.1.0', '004_plain.js'),
      ...pythonAndShell('1.1.0'),
    })
    expect(await run('telec-watch')).toMatchObject({ code: 0 })
    const updated = await run('telec-update')
    expect(updated, updated.stderr).toMatchObject({ code: 42 })
    expect(updated.stderr).not.toMatch(/Warning/)
    expect(computer.state('migration_state.json')).toMatchObject({
      applied: [
        '001_typed.ts',
        '002_module.mjs',
        '003_common.cjs',
        '004_plain.js',
        '005_python.py',
        '006_shell.sh',
      ].map((name) => `1.1.0/${name}`),
    })
    expect(computer.state('update_state.json')).toMatchObject({
      deployed: { version: '1.1.0', commit },
      halted: null,
    })
    expect(computer.state('status.json')).toMatchObject({ status: 'updated' })
    expect(await run('telec', 'status')).toMatchObject({ code: 0, stdout: expect.stringContaining('1.1.0') })
    expect(await run('telec-migrate')).toMatchObject({ code: 0, stdout: 'nothing to migrate\n' })
  })

  test.each(['.js', '.ts'])(
    'an ES module in a %s file runs where package.json does not say so',
    async (extension) => {
      const node = nodeBinary(nodeVersion)
      const computer = await freshComputer()
      await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', `001_esm${extension}`) })
      await computer.gitInCheckout('pull', '--quiet')
      const ended = await execute(node, [join(DIST, 'telec-migrate')], { env: computer.env })
      expect(ended).toMatchObject({ code: 0 })
      expect(ended.stderr).not.toMatch(/Warning/)
    },
  )
})

function pythonAndShell(versionNumber: string): Record<string, string> {
  const folder = `migrations/v${versionNumber}`
  return {
    [`${folder}/005_python.py`]: `import os
marker = os.path.join(os.environ['TELEC_HOME'], '005_python.py.marker')
def check(): return os.path.exists(marker)
def migrate():
    open(marker, 'w').close()
    return True
`,
    [`${folder}/006_shell.sh`]: `#!/bin/sh
marker=$TELEC_HOME/006_shell.sh.marker
case $1 in check) test -e "$marker" ;; migrate) : >"$marker" ;; esac
`,
  }
}

function commonJs(versionNumber: string, file: string): Record<string, string> {
  return {
    [`migrations/v${versionNumber}/${file}`]: `const { existsSync, writeFileSync } = require('node:fs')
const marker = process.env.TELEC_HOME + '/${file}.marker'
module.exports = { check: () => existsSync(marker), migrate: () => { writeFileSync(marker, ''); return true } }
`,
  }
}
