import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { FileCall } from './file-calls.ts'

/** A file, a folder or a link, with any names; times in seconds. */
export interface Inode {
  readonly kind: 'file' | 'folder' | 'link'
  mode: number
  time: number
  text: string
  /** The part of the text on the disk. */
  synced: string
}

/** All that has a name, in an order in which it can be made. */
export type Files = ReadonlyMap<string, Inode>
type Names = Map<string, Inode>

interface Change {
  readonly inode: Inode
  readonly names: readonly string[]
  readonly apply: (names: Names) => void
}

export interface CrashState {
  /** The call before it, and the lost data. */
  readonly where: string
  readonly loss: string
  /** The number of changed texts. */
  readonly lost: number
  /** How often all was synced before. */
  readonly syncs: number
  readonly files: Files
}

/** The rest of a text: all, the synced part, or its old length with nothing, or half, of the rest in it. */
const TEXTS: Readonly<Record<string, (inode: Inode, index: number) => string>> = {
  'texts kept': ({ text }) => text,
  'texts lost': ({ synced }) => synced,
  'texts torn': (inode) => partly(inode, 1 / 2),
  'each second text of zeros': (inode, index) => (index % 2 === 0 ? inode.text : partly(inode, 0)),
  'texts of zeros': (inode) => partly(inode, 0),
}

function partly({ text, synced }: Inode, share: number): string {
  const kept = text.startsWith(synced) ? synced.length : 0
  const written = kept + Math.ceil((text.length - kept) * share)
  return text.slice(0, written) + '\0'.repeat(text.length - written)
}

/** How many of the changes of names that were not synced are there: ext4 and xfs bring them to the disk in their order. */
const NAMES: Readonly<Record<string, (amount: number) => number>> = {
  'names lost': () => 0,
  'half of the names lost': (amount) => Math.floor(amount / 2),
  'the last name lost': (amount) => Math.max(0, amount - 1),
  'names kept': (amount) => amount,
}

/**
 * What can be there after a crash: after any of the calls, on a file system that keeps the order of names and no other, as
 * ext4 and xfs do. An fsync(2) syncs a file with its names, or the names in a folder; each state once; and the
 * end, as it is and as it is on the disk.
 */
export function crashStates(
  before: Files,
  calls: readonly FileCall[],
): { readonly states: CrashState[]; readonly end: Files; readonly synced: Files } {
  const disk: Names = new Map(before)
  const now: Names = new Map(before)
  const inodes = new Set(before.values())
  const changes: Change[] = []
  const seen = new Set<string>()
  const states: CrashState[] = []

  const change = (inode: Inode, names: readonly string[], apply: Change['apply']): void => {
    inodes.add(inode)
    apply(now)
    changes.push({ names, inode, apply })
  }
  const make = (
    name: string,
    kind: Inode['kind'],
    of: { time: number; mode: number; text?: string },
  ): void => {
    const { time, mode, text = '' } = of
    const inode = { kind, time, mode: mode & ~process.umask(), text, synced: kind === 'link' ? text : '' }
    change(inode, [name], (names) => names.set(name, inode))
  }
  const sync = (isSynced: (change: Change) => boolean) => {
    const synced = changes.splice(0, changes.findLastIndex(isSynced) + 1)
    for (const { apply } of synced) apply(disk)
  }

  const perform = (call: FileCall) => {
    if (call.kind === 'sync') {
      for (const inode of inodes) inode.synced = inode.text
      return sync(() => true)
    }
    const { name } = call
    if (call.kind === 'mkdir') return make(name, 'folder', call)
    if (call.kind === 'symlink') return make(name, 'link', { ...call, mode: 0o777 })
    const inode = now.get(name)
    if (inode === undefined) {
      if (call.kind === 'open') make(name, 'file', call)
      return // anything else is done to a file that was removed, and is still open
    }
    if (call.kind === 'remove') return change(inode, [name], (names) => names.delete(name))
    if (call.kind === 'rename' || call.kind === 'link') {
      if (inode.kind === 'folder') throw new Error(`the model does not rename folders: ${name}`)
      return change(inode, [name, call.to], (names) => {
        if (call.kind === 'rename') names.delete(name)
        names.set(call.to, inode)
      })
    }
    if (call.kind === 'fsync') {
      inode.synced = inode.text
      return sync((one) => one.inode === inode || one.names.some((path) => dirname(path) === name))
    }
    if (call.kind === 'chmod') inode.mode = call.mode
    else Object.assign(inode, { text: textAfter(inode.text, call), time: call.time })
  }

  let syncs = 0
  for (const [index, call] of calls.entries()) {
    perform(call)
    if (call.kind === 'sync') syncs += 1
    for (const [howNames, amount] of Object.entries(NAMES))
      for (const [howTexts, textOf] of Object.entries(TEXTS)) {
        const names = new Map(disk)
        for (const { apply } of changes.slice(0, amount(changes.length))) apply(names)
        const files = new Map(
          [...names].map(([name, inode], number) => {
            const text = inode.text === inode.synced ? inode.text : textOf(inode, number)
            return [name, { ...inode, text, synced: text }]
          }),
        )
        const lost = [...names].filter(([name, { text }]) => files.get(name)?.text !== text).length
        const key = hashOf(files)
        const loss = `${howNames}, ${howTexts}`
        const where = `call ${index + 1}, ${call.kind} ${'name' in call ? call.name : ''}: ${loss}`
        if (!seen.has(key)) states.push({ where, loss, lost, syncs, files })
        seen.add(key)
      }
  }
  return { states, end: now, synced: disk }
}

/** Of each stretch between two syncs of all the state that lost most. */
export function worstOf(states: readonly CrashState[]): CrashState[] {
  const worst = new Map<number, CrashState>()
  for (const state of states)
    if (state.lost >= (worst.get(state.syncs)?.lost ?? 0)) worst.set(state.syncs, state)
  return [...worst.values()]
}

function textAfter(text: string, call: Extract<FileCall, { kind: 'open' | 'write' | 'cut' }>): string {
  if (call.kind === 'open') return call.empties ? '' : text
  if (call.kind === 'cut') return text.slice(0, call.size)
  const from = call.at ?? text.length
  return text.slice(0, from) + call.text + text.slice(from + call.text.length)
}

function hashOf(files: Files): string {
  const hash = createHash('sha256')
  for (const [name, { kind, mode, text }] of [...files].sort(([one], [other]) => (one < other ? -1 : 1)))
    hash.update(`${name}\0${kind}${mode}\0${text.length}\0${text}`)
  return hash.digest('hex')
}
