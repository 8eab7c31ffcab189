import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { systemErrorCode } from './errors.ts'
import { printableName } from './log.ts'

/** What telec starts leads a process group of its own: these are running now, and are taken along when telec exits. */
const groups = new Set<number>()

let tellGuardian: () => unknown = () => undefined

/** Registers a group that was started; returns how to forget it once it has ended. */
export function adoptGroup(pid: number): () => void {
  groups.add(pid)
  tellGuardian()
  return () => {
    groups.delete(pid)
    tellGuardian()
  }
}

/** Kills the last groups that it read of, each line being all of them, when whoever writes to it has ended. */
const GUARDIAN = `groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- "-$group"; done`

/**
 * From now on the groups that telec started end with it even where it is killed: a shell waits for its pipe to close.
 *
 * @returns how to do without it again.
 */
export function guardGroups(): () => void {
  const { stdin } = startGuardian() // before the first group, which a kill might come right after
  tellGuardian = () => stdin.write(`${[...groups].join(' ')}\n`)
  tellGuardian()
  return () => {
    tellGuardian = () => undefined
    stdin.end('\n')
  }
}

function startGuardian() {
  const guardian = spawn('/bin/sh', ['-c', GUARDIAN], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  guardian.on('error', () => undefined) // without it a kill leaves what it left before there was one
  guardian.stdin.on('error', () => undefined)
  guardian.unref()
  ;(guardian.stdin as unknown as ChildProcess).unref()
  return guardian
}

/** Passes `signal` on to every group that is running. */
export function signalAllGroups(signal: NodeJS.Signals): void {
  for (const pid of groups) signalIfThere(-pid, signal)
}

/** Signals a process, or with a minus a group. @returns whether there is one; 0 only asks. */
export function signalIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    return systemErrorCode(error) === 'EPERM' // somebody else's
  }
}

const MARK = 'TELEC_CALL'
let calls = 0

/** An environment that what is started with it passes on, so that `processesLeft` finds also who left the group. */
export function markEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  calls += 1
  return { ...env, [MARK]: `${process.pid}-${process.hrtime.bigint()}-${calls}` }
}

/** A process that a program left running. */
export type Left = Readonly<{ pid: number; name: string }>

/** For messages: `sleep (pid 4711), …`. */
export function namesOf(left: readonly Left[]): string {
  return left.map(({ pid, name }) => `${printableName(name)} (pid ${pid})`).join(', ')
}

/**
 * The processes that the leader of a group has left running: those of its group and, on Linux, its children and those
 * that inherited its marked environment, as a daemon in a session of its own does.
 */
export function processesLeft(leader: number, env: NodeJS.ProcessEnv): Left[] {
  if (process.platform !== 'linux') {
    const table = spawnSync('ps', ['-axo', 'pid=,pgid=,comm='], { encoding: 'utf8' }).stdout
    return table.split('\n').flatMap((row) => {
      const [, pid, pgid, name = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? []
      return Number(pgid) === leader && Number(pid) !== leader ? [{ pid: Number(pid), name }] : []
    })
  }
  const mark = `${MARK}=${env[MARK]}`
  const since = statOf(process.pid).startedAt
  const pids = readdirSync('/proc').map(Number) // what is no process there is not a number
  return pids.flatMap((pid) => (pid > 0 && pid !== leader ? look(pid, leader, mark, since) : []))
}

/** The process where it belongs to a group, is a child of its leader, or has the mark in its environment. */
function look(pid: number, group: number, mark: string, since: number): Left[] {
  try {
    const { name, state, parent, group: own, startedAt } = statOf(pid)
    if (state === 'Z' || startedAt < since) return []
    const isMarked = () => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
    return own === group || parent === group || isMarked() ? [{ pid, name }] : []
  } catch {
    return [] // it has ended, or belongs to somebody else
  }
}

/** proc(5): `4711 (its name) S PARENT GROUP …`; the 22nd is its start, in clock ticks since boot. */
function statOf(pid: number) {
  const [, name = '', rest = ''] =
    /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  const [state, ...fields] = rest.split(' ')
  const [parent, group, startedAt = 0] = [fields[0], fields[1], fields[18]].map(Number)
  return { name, state, parent, group, startedAt }
}
