import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Long sweeps are sampled, except under scripts/test --all. */
export const isWhole = process.env.TELEC_TEST_ALL === '1'

/** Of calls that are not known before they are made, each n-th is tried; all under scripts/test --all. */
export const EVERY = isWhole ? 1 : 3

/** A computer may have other things to do. */
export const SWEEP_TIMEOUT_MS = (isWhole ? 4 * 60 : 15) * 60_000

/** All of them, or about this number, spread evenly, with other neighbours each time. */
export function sampled<Item>(items: readonly Item[], amount: number): readonly Item[] {
  if (isWhole || items.length <= amount) return items
  return Array.from({ length: amount }, (_, index) => {
    const item = items[Math.floor(((index + 0.5) * items.length) / amount)]
    if (item === undefined) throw new Error('not reached: the index is below the length')
    return item
  })
}

export interface Tally {
  /** One that was tried, and what came of it. */
  add(row: string, outcome: string): void
  /** How many were tried. */
  total(): number
}

/** What a sweep tried and what came of it, as a table for people at the end of its test, however that ends. */
export function createTally(title: string): Tally {
  const rows = new Map<string, Map<string, number>>()
  const total = () => [...rows.values()].flatMap((row) => [...row.values()]).reduce((sum, n) => sum + n, 0)
  onTestFinished(() => {
    const lines = [...rows].sort().map(([name, row]) => {
      const outcomes = [...row].sort().map(([outcome, amount]) => `${amount} ${outcome}`)
      const sum = [...row.values()].reduce((all, amount) => all + amount, 0)
      return `  ${name.padEnd(24)} ${String(sum).padStart(4)}  ${outcomes.join(', ')}\n`
    })
    process.stdout.write(`${title}: ${total()} tried\n${lines.join('')}`)
  })
  return {
    add(name, outcome) {
      const row = rows.get(name) ?? new Map<string, number>()
      rows.set(name, row.set(outcome, (row.get(outcome) ?? 0) + 1))
    },
    total,
  }
}

/** Files of a killed git, below its folder, that block the next one. */
export function locksBelow(gitDir: string): string[] {
  const names = readdirSync(gitDir, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.lock')).map((name) => join(gitDir, name))
}
