// The migrations part of scripts/bench: runs of many scripts, against runners of scripts that do the same in one process.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usageOf } from './usage.ts'

/** A checkout with `amount` migrations that each write a file, and the same for other runners beside it. */
export interface ManyMigrations {
  readonly amount: number
  /** Resets to no applied migrations, and syncs the disk. */
  reset(): void
  /** One whole run of telec-migrate, in a process of its own. */
  run(): void
  /** With none of them applied. */
  dryRun(): void
  runUmzug(): void
  /** npm's migrate. */
  runMigrate(): void
  /** A typical runner in Python, with a record of the applied scripts. */
  runPython(): void
  /** The largest process of a run, in KiB. */
  peakKib(): number
  dispose(): void
}

const PYTHON_SCRIPT = `import os
path = PATH
def check(): return os.path.exists(path)
def migrate():
    with open(path, "w") as file: file.write("done")
    return True
`

const PYTHON_RUNNER = `import importlib.util, json, os, sys
folder, record = sys.argv[1:]
applied = []
for name in sorted(os.listdir(folder)):
    spec = importlib.util.spec_from_file_location("migration", os.path.join(folder, name))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.check() or module.migrate() and module.check()
    applied.append(name)
    with open(record, "w") as file: json.dump(applied, file)
`

const STATE = {
  deployed: {
    version: '1.0.0',
    ref: 'refs/heads/main',
    commit: '0'.repeat(40),
    at: '2026-01-01T00:00:00.000Z',
  },
  update: null,
  last: null,
  halted: null,
}

export function makeMigrations(root: string, amount: number): ManyMigrations {
  const folder = mkdtempSync(join(tmpdir(), 'telec-bench-migrations-'))
  const home = join(folder, 'home')
  const written = join(folder, 'written')
  const scripts = join(folder, 'app/migrations/v1.1.0')
  const [nodeScripts, pythonScripts] = [join(folder, 'node'), join(folder, 'python')]
  const packageOf = (name: string) => JSON.stringify(join(root, 'node_modules', name))
  const env = { ...process.env, TELEC_HOME: home }
  for (const path of [home, scripts, nodeScripts, pythonScripts]) mkdirSync(path, { recursive: true })
  writeFileSync(join(home, 'config.yml'), `deployment:\n  checkout: ${join(folder, 'app')}\n`)
  writeFileSync(join(home, 'update_state.json'), JSON.stringify(STATE))
  for (let number = 1; number <= amount; number += 1) {
    const name = `${String(number).padStart(5, '0')}_file`
    const target = JSON.stringify(join(written, String(number)))
    const head = `const { existsSync, writeFileSync } = require('node:fs')\n`
    const check = `exports.check = () => existsSync(${target})\n`
    const write = `writeFileSync(${target}, 'done')`
    writeFileSync(join(scripts, `${name}.cjs`), `${head}${check}exports.migrate = () => (${write}, true)\n`)
    writeFileSync(join(nodeScripts, `${name}.cjs`), `${head}exports.up = async () => ${write}\n`)
    writeFileSync(join(pythonScripts, `${name}.py`), PYTHON_SCRIPT.replace('PATH', target))
  }
  const record = JSON.stringify(join(folder, 'record.json'))
  writeFileSync(
    join(folder, 'umzug.cjs'),
    `const { Umzug, JSONStorage } = require(${packageOf('umzug')})
new Umzug({
  migrations: { glob: ${JSON.stringify(join(nodeScripts, '*.cjs'))} },
  storage: new JSONStorage({ path: ${record} }),
  logger: undefined,
}).up()
`,
  )
  writeFileSync(
    join(folder, 'migrate.cjs'),
    `const options = { stateStore: ${record}, migrationsDirectory: ${JSON.stringify(nodeScripts)} }
const done = (error) => { if (error) throw error }
require(${packageOf('migrate')}).load(options, (error, set) => error ? done(error) : set.up(done))
`,
  )
  writeFileSync(join(folder, 'runner.py'), PYTHON_RUNNER)
  const git = (...args: string[]) => execFileSync('git', args, { cwd: join(folder, 'app'), stdio: 'ignore' })
  git('init', '--quiet')
  git('add', '--all')
  git('-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', 'commit', '--quiet', '--message=all')
  const reset = () => {
    for (const path of [written, join(folder, 'record.json')]) rmSync(path, { recursive: true, force: true })
    mkdirSync(written)
    writeFileSync(join(home, 'migration_state.json'), '{"applied": [], "baseline": "1.0.0"}')
    execFileSync('sync', ['-f', folder]) // what the run before left to be written is none of the next one's business
  }
  const node = (...args: string[]) => execFileSync(process.execPath, args, { env, stdio: 'ignore' })
  const program = join(root, 'dist/telec-migrate')
  reset()
  return {
    amount,
    reset,
    run: () => node(program),
    dryRun: () => node(program, '--dry-run'),
    runUmzug: () => node(join(folder, 'umzug.cjs')),
    runMigrate: () => node(join(folder, 'migrate.cjs')),
    runPython: () => {
      execFileSync('python3', [join(folder, 'runner.py'), pythonScripts, join(folder, 'record.json')], {
        env,
      })
    },
    peakKib: () => usageOf([process.execPath, program], env).peakKib,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}
