import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  began,
  ended,
  failed,
  firstState,
  isEnded,
  runningTarget,
  startUpdate,
  type Update,
  type UpdateState,
  wasInterrupted,
} from '../../src/state/update-state.ts'
import { commit, head } from '../helpers/commits.ts'

const AT = '2026-05-04T12:00:00.000Z'
const LATER = '2026-05-04T12:01:00.000Z'
const SETUP: UpdateState = firstState(head('one', '1.0.0'), AT)

const fresh = (): Update => startUpdate(SETUP, 'alpha', head('two'), [], AT)
const under = (update: Update): UpdateState => ({ ...SETUP, update })

describe('an update', () => {
  test('begins from the deployed version, with an empty journal', () => {
    expect(fresh()).toEqual({
      channel: 'alpha',
      from: head('one', '1.0.0'),
      target: head('two'),
      started_at: AT,
      attempts: 1,
      failures: 0,
      steps: [],
      left_at: null,
      left_running: null,
      permits: [],
      rollback: null,
      put_aside: [],
      local: null,
      changed: [],
      running: [],
      restarts: [],
      service: null,
    })
  })

  test('that was interrupted continues where it was, and counts the attempt', () => {
    const before = ended(began(fresh(), 'fetch', AT), 'fetch', AT, 'done')
    expect(startUpdate(under(before), 'alpha', head('two'), [], LATER)).toEqual({ ...before, attempts: 2 })
  })

  test('keeps a permission for its target, over kills, and no longer', () => {
    const permitted = startUpdate(SETUP, 'alpha', head('two'), ['rewrite'], AT)
    expect(startUpdate(under(permitted), 'alpha', head('two'), ['stash'], LATER).permits).toEqual([
      'rewrite',
      'stash',
    ])
    expect(startUpdate(under(permitted), 'alpha', head('three'), [], LATER).permits).toEqual([])
  })

  test('to a newer target begins again', () => {
    const before = ended(began(fresh(), 'fetch', AT), 'fetch', AT, 'done')
    expect(startUpdate(under(before), 'alpha', head('three'), [], LATER)).toMatchObject({
      target: head('three'),
      from: head('one', '1.0.0'),
      started_at: LATER,
      attempts: 1,
      steps: [],
      left_at: null,
    })
  })

  test('to a newer target knows where the one before it left the checkout', () => {
    const moved = ended(began(fresh(), 'checkout', AT), 'checkout', AT, 'done')
    const next = startUpdate(under(moved), 'alpha', head('three'), [], LATER)
    expect(next.left_at).toBe(commit('two'))
    expect(startUpdate(under(next), 'alpha', head('four'), [], LATER).left_at).toBe(commit('two'))
  })

  test('that had the service restarted left it running that, until another one restarts it', () => {
    const restarts = [{ unit: 'web.service', before: '1@1', asked: true }]
    const state = (update: Update | null) => runningTarget({ ...SETUP, update })
    expect(state(null)).toEqual(head('one', '1.0.0'))
    expect(state(fresh())).toEqual(head('one', '1.0.0'))
    const restarted = { ...fresh(), restarts }
    expect(state(restarted)).toEqual(head('two'))
    const next = startUpdate(under(restarted), 'alpha', head('three'), [], LATER)
    expect(state(next)).toEqual(head('two'))
    expect(state({ ...next, restarts })).toEqual(head('three'))
  })

  test('that was killed before it moved the checkout left it nowhere', () => {
    const interrupted = began(fresh(), 'checkout', AT)
    expect(startUpdate(under(interrupted), 'alpha', head('three'), [], LATER).left_at).toBeNull()
  })
})

describe('a step', () => {
  test('that began and did not end was interrupted', () => {
    const update = began(fresh(), 'install', AT)
    expect(wasInterrupted(update, 'install')).toBe(true)
    expect(isEnded(update, 'install')).toBe(false)
  })

  test('that ended has its time and its note', () => {
    const update = ended(began(fresh(), 'install', AT), 'install', LATER, 'exit code 0')
    expect(update.steps).toEqual([{ name: 'install', began_at: AT, ended_at: LATER, note: 'exit code 0' }])
    expect(isEnded(update, 'install')).toBe(true)
    expect(wasInterrupted(update, 'install')).toBe(false)
  })

  test('that failed is as if it had not begun', () => {
    const update = failed(began(fresh(), 'install', AT), 'install')
    expect(isEnded(update, 'install') || wasInterrupted(update, 'install')).toBe(false)
  })

  test('that begins again is in the journal once, at its end', () => {
    const twice = began(began(began(fresh(), 'fetch', AT), 'verify', AT), 'fetch', LATER)
    expect(twice.steps.map(({ name }) => name)).toEqual(['verify', 'fetch'])
  })

  test('changes no other step, and not the journal that it was given', () => {
    const name = fc.constantFrom('preflight', 'fetch', 'verify', 'checkout')
    const operation = fc.tuple(fc.constantFrom('began', 'ended', 'failed'), name)
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 20 }), operation, (history, [what, step]) => {
        const apply = (update: Update, [kind, on]: [string, string]) => {
          if (kind === 'began') return began(update, on, AT)
          return kind === 'ended' ? ended(update, on, AT, null) : failed(update, on)
        }
        const before = history.reduce(apply, fresh())
        const copy = structuredClone(before)
        const after = apply(before, [what, step])
        const others = (update: Update) => update.steps.filter((one) => one.name !== step)
        expect(others(after)).toEqual(others(before))
        expect(before).toEqual(copy)
        const names = after.steps.map((one) => one.name)
        expect(new Set(names).size).toBe(names.length)
      }),
    )
  })
})
