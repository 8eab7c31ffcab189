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
  expectNoStack(ended)
}

/** Expects that nothing the program printed looks like a crash of it. */
export function expectNoStack({ stdout, stderr }: Ended): void {
  expect(`${stdout}${stderr}`).not.toMatch(/^\s+at .*:\d+:\d+\)?$|a bug in telec|node:internal/m)
}
