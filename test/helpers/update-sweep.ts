import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Computer, makeComputer, markerMigration, version } from './computer.ts'
import type { Ended } from './programs.ts'
import { snapshot } from './snapshot.ts'
import { locksBelow } from './sweeps.ts'

/** A computer before an update with all that an update does, to be disturbed in it again and again. */
export interface Sweep {
  readonly computer: Computer
  /** What an undisturbed update leaves behind. */
  readonly undisturbed: unknown
  /** Expects another telec-update to bring it to that end, and then to have nothing more to do. */
  goesOn(where: string, args?: readonly string[]): Promise<void>
}

export const INSTALL = 'echo installed >installed'

export async function makeSweep(): Promise<Sweep> {
  const computer = await makeComputer({ initArgs: ['--install', INSTALL] })
  await computer.push({
    ...version('1.1.0'),
    '.gitignore': 'installed\n',
    'lib/new.js': 'new\n',
    ...markerMigration('1.1.0', '001_first.mjs'),
    ...markerMigration('1.1.0', '002_second.mjs'),
  })
  expect((await computer.telec('telec-watch')).code).toBe(0)
  snapshot(computer)
  const ended = await computer.telec('telec-update')
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  const undisturbed = await endState(computer)
  return {
    computer,
    undisturbed,
    async goesOn(where, args = []) {
      const again = await computer.telec('telec-update', args)
      expect([0, 42], `${where}\nthen: ${again.stderr}`).toContain(again.code)
      expect(await endState(computer), `${where}\nthen: ${again.stderr}`).toEqual(undisturbed)
      const idle = await computer.telec('telec-update')
      expect(idle, idle.stderr).toMatchObject({ code: 0 })
    },
  }
}

/** All that an update leaves behind, without times and durations. */
export async function endState(computer: Computer) {
  const { deployed, update, halted } = computer.state('update_state.json') as Record<string, object | null>
  const { status, version: to, step } = computer.state('status.json') ?? {}
  const names = readdirSync(computer.home).sort()
  return {
    deployed: { ...deployed, at: null },
    update,
    halted,
    migrations: computer.state('migration_state.json')?.applied,
    markers: names
      .filter((name) => name.endsWith('.marker'))
      .map((name) => readFileSync(join(computer.home, name), 'utf8')),
    status: { status, to, step },
    names,
    head: await computer.gitInCheckout('rev-parse', 'HEAD'),
    branch: await computer.gitInCheckout('symbolic-ref', 'HEAD'),
    changes: await computer.gitInCheckout('status', '--porcelain', '--ignored'),
    locks: locksBelow(join(computer.checkout, '.git')),
    installed: readFileSync(join(computer.checkout, 'installed'), 'utf8'),
  }
}

/** Expects every state file to be whole. */
export function expectReadable(computer: Computer, where: string): void {
  for (const name of readdirSync(computer.home).filter((one) => one.endsWith('.json'))) {
    const text = readFileSync(join(computer.home, name), 'utf8')
    expect(() => JSON.parse(text), `${name} ${where}: ${text}`).not.toThrow()
  }
}

/** Expects it to have ended as it is designed to: no trace of its insides, and where it failed, what to do. */
export function expectDesigned(ended: Ended, codes: readonly number[], where: string): void {
  expect(codes, `${where}: ${ended.signal} ${ended.stderr}`).toContain(ended.code)
  expect(ended.stderr, where).not.toMatch(/^\s+at .*:\d+:\d+\)?$|a bug in telec/m)
  if (ended.code !== 0 && ended.code !== 42) expect(ended.stderr, where).toContain('what to do: ')
}

/** What strace(1) did to a call below the folder; null where it came to none: to another call of the same number, or not at all. */
export function injectedBelow(folder: string, trace: string): string | null {
  const lines = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n') : []
  return lines.find((line) => line.includes('(INJECTED)') && line.includes(folder)) ?? null
}
