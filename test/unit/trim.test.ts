import { describe, expect, it } from 'vitest'
import { unneededRefs } from '../../src/git/refs.ts'

const DAY_MS = 24 * 60 * 60_000
const NOW_MS = Date.parse('2026-06-01T00:00:00Z')
const target = { version: '1.0.0', ref: 'refs/tags/v1.0.0', commit: 'a'.repeat(40) }

/** A number of a kind, newest first, one every `hours`. */
function refs(kind: string, amount: number, hours: number) {
  return Array.from({ length: amount }, (_, index) => ({
    name: `refs/telec/${kind}/${index}`,
    kind,
    commit: String(index).padStart(40, '0'),
    atMs: NOW_MS - (index * hours * DAY_MS) / 24,
  }))
}

const amountLeft = (all: ReturnType<typeof refs>) => all.length - unneededRefs(all, [target], NOW_MS).length

describe('of the refs under stash and rescued', () => {
  it.each([
    ['fifty stay, however old', 50, 24 * 365, 50],
    ['of more those stay that are younger than thirty days', 100, 24, 50],
    ['hundreds stay where all are young', 400, 1, 400],
    ['five hundred are the most', 700, 1, 500],
  ])('%s', (_, amount, hours, left) => {
    for (const kind of ['rescued', 'replaced', 'stash'])
      expect(amountLeft(refs(kind, amount, hours))).toBe(left)
  })

  it('what this computer may go back to stays', () => {
    const all = refs('replaced', 60, 24 * 365).map((ref, index) =>
      index === 59 ? { ...ref, commit: target.commit } : ref,
    )
    expect(unneededRefs(all, [target], NOW_MS)).not.toContain(all[59])
    expect(amountLeft(all)).toBe(51)
  })

  it('each kind is counted separately', () => {
    expect(amountLeft([...refs('rescued', 40, 9_999), ...refs('stash', 40, 9_999)])).toBe(80)
  })
})

it('the fetched commit of a target stays', () => {
  const [one, other] = refs('kept', 2, 1).map((ref, index) => ({
    ...ref,
    name: `refs/telec/kept/tags%2Fv1.0.${index}`,
  }))
  if (!one || !other) throw new Error('not reached: there are two')
  expect(unneededRefs([one, other], [target], NOW_MS)).toEqual([other])
})
