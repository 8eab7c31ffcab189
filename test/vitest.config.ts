import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { embedded } from './helpers/embedded.ts'
import { LongFirst } from './helpers/long-first.ts'
import { summaryReporter } from './helpers/summary-reporter.ts'

const ROOT = join(import.meta.dirname, '..')

/** Those of test/programs that show the road, and take no more than that. */
const ROAD = [
  ...[
    'documents',
    'fleet',
    'halts',
    'help',
    'init',
    'local-work',
    'migrate',
    'migration-verify',
    'no-deploy',
  ],
  ...['pause-history', 'quiet', 'rollback', 'status-watch', 'update', 'watch', 'watch-explain', 'window'],
].map((name) => `test/programs/${name}.test.ts`)
for (const file of ROAD) if (!existsSync(join(ROOT, file))) throw new Error(`there is no ${file}`)

const PROJECTS = {
  fast: { include: ['test/unit/*.test.ts', ...ROAD] },
  programs: { include: ['test/{programs,launchd}/*.test.ts'], exclude: ROAD },
  systems: { include: ['test/systemd/*.test.ts'] },
  long: { include: ['test/{crash,disks}/*.test.ts'] },
}

/** Files of tests are in memory where scripts/test found room; boxes have a /dev of their own. */
const inMemory = process.env.TELEC_TEST_MEMORY ? { TMPDIR: process.env.TELEC_TEST_MEMORY } : {}

export default defineConfig({
  root: ROOT,
  plugins: [embedded],
  define: { TELEC_VERSION: '"0.0.0-test"', TELEC_COMMIT: '"unknown"' },
  test: {
    pool: 'forks',
    sequence: { sequencer: LongFirst },
    // For two cores: each waits for processes, disks and clocks a third of its time.
    maxWorkers: 3,
    reporters: ['default', summaryReporter],
    projects: Object.entries(PROJECTS).map(([name, files]) => ({
      extends: true,
      test: {
        ...files,
        name,
        testTimeout: 120_000,
        hookTimeout: 120_000,
        env: name === 'systems' ? {} : inMemory,
      },
    })),
  },
})
