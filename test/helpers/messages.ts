import { expect } from 'vitest'
import type { Ended } from './programs.ts'

/**
 * Expects a program to have failed as people can bear it: with this exit code, on standard error a message that
 * contains these parts and says what to do, and no trace of its insides.
 */
export function expectFailure(ended: Ended, code: number, parts: readonly string[] = []): void {
  expect(ended).toMatchObject({ code, signal: null })
  for (const part of parts) expect(ended.stderr).toContain(part)
  expect(ended.stderr).toContain('what to do: ')
  const frames = ended.stderr.split('\n').filter((line) => /^\s+at .*:\d+:\d+\)?$|a bug in telec/.test(line))
  expect(frames.map((line) => line.slice(0, 200))).toEqual([])
}

/** The same for a migration that failed: the lines of its author's own stack are welcome. */
export function expectMigrationFailure(ended: Ended, id: string, parts: readonly string[]): void {
  for (const part of parts) expect(ended.stderr).toContain(part)
  const stderr = ended.stderr.replace(/^\s+at .*(migrations\/v|\(?node:).*$/gm, '')
  expectFailure({ ...ended, stderr }, 1, [`migration ${id}`])
  const longest = Math.max(...stderr.split('\n').map((line) => line.length))
  expect(longest, 'characters in the longest line').toBeLessThan(2_100)
}
