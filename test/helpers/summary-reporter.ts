import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** Writes what scripts/test counts to the file that TELEC_TEST_SUMMARY names. */
export const summaryReporter: Reporter = {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]) {
    const file = process.env.TELEC_TEST_SUMMARY
    if (!file) return
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const inState = (state: string) => tests.filter((test) => test.result().state === state)
    // A file that does not load and a hook that throws are failures too, and no test's.
    const broken = modules
      .flatMap((module) => [module, ...module.children.allSuites()])
      .filter((group) => group.errors().length > 0)
    const summary = {
      passed: inState('passed').length,
      // `pending` at the end is a test that was started and never ended.
      failed: inState('failed').length + inState('pending').length + broken.length + unhandledErrors.length,
      skipped: inState('skipped').map((test) => `${test.module.relativeModuleId}: ${test.fullName}`),
    }
    writeFileSync(file, JSON.stringify(summary))
  },
}
