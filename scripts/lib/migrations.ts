// The migrations part of scripts/bench: runs of many scripts, against umzug on scripts that do the same.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { usageOf } from './usage.ts'

/** A checkout with `amount` migrations that each write a file, and the same for umzug beside it. */
export interface ManyMigrations {
  readonly amount: number
  /** Back to where nothing has run, on a disk that has nothing more to write. */
  reset(): void
  /** One whole run of telec-migrate, in a process of its own. */
  run(): void
  /** With none of them applied. */
  dryRun(): void
  runUmzug(): void
  /** The largest process of a run, in KiB. */
  peakKib(): number
  dispose(): void
}

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
  const umzugScripts = join(folder, 'umzug')
  const umzug = join(root, 'node_modules/umzug')
  const env = { ...process.env, TELEC_HOME: home, WRITTEN: written }
  for (const path of [home, scripts, umzugScripts]) mkdirSync(path, { recursive: true })
  writeFileSync(join(home, 'config.yml'), `deployment:\n  checkout: ${join(folder, 'app')}\n`)
  writeFileSync(join(home, 'update_state.json'), JSON.stringify(STATE))
  for (let number = 1; number <= amount; number += 1) {
    const name = `${String(number).padStart(5, '0')}_file`
    const target = `process.env.WRITTEN + '/${number}'`
    const head = `const { existsSync, writeFileSync } = require('node:fs')\n`
    const check = `exports.check = () => existsSync(${target})\n`
    const write = `writeFileSync(${target}, 'done')`
    writeFileSync(join(scripts, `${name}.cjs`), `${head}${check}exports.migrate = () => (${write}, true)\n`)
    writeFileSync(join(umzugScripts, `${name}.cjs`), `${head}exports.up = async () => ${write}\n`)
  }
  writeFileSync(
    join(folder, 'umzug.cjs'),
    `const { Umzug, JSONStorage } = require(${JSON.stringify(umzug)})
new Umzug({
  migrations: { glob: ${JSON.stringify(join(umzugScripts, '*.cjs'))} },
  storage: new JSONStorage({ path: ${JSON.stringify(join(folder, 'umzug.json'))} }),
  logger: undefined,
}).up()
`,
  )
  const reset = () => {
    for (const path of [written, join(folder, 'umzug.json')]) rmSync(path, { recursive: true, force: true })
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
    peakKib: () => usageOf([process.execPath, program], env).peakKib,
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}
