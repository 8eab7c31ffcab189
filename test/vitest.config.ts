import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { embedded } from './helpers/embedded.ts'
import { summaryReporter } from './helpers/summary-reporter.ts'

export default defineConfig({
  root: join(import.meta.dirname, '..'),
  plugins: [embedded],
  define: { TELEC_VERSION: '"0.0.0-test"', TELEC_COMMIT: '"unknown"' },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Boxes, servers and crash sweeps share the computer with whoever works on it.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: ['default', summaryReporter],
  },
})
