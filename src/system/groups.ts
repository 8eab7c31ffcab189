import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { systemErrorCode } from './errors.ts'
import { printableName } from './log.ts'

/** Each program that telec starts leads its own process group. These are running, and end with telec. */
const groups = new Set<number>()

let tellGuardian: () => unknown = () => undefined

/** Registers a group that was started. @returns how to remove it once it has ended. */
export function adoptGroup(pid: number): () => void {
  groups.add(pid)
  tellGuardian()
  return () => {
    groups.delete(pid)
    tellGuardian()
  }
}

/** Each line is the whole list of groups: when its input ends, this kills those of the last line. */
const GUARDIAN = `groups=
while read -r line; do groups=$line; done
for group in $groups; do kill -s KILL -- "-$group"; done`

/** From now on the groups end with telec even where it is killed: a shell waits for its pipe to close. @returns how to stop. */
export function guardGroups(): () => void {
  // Started before the first group: a kill may come right after that.
  const guardian = spawn('/bin/sh', ['-c', GUARDIAN], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  const { stdin } = guardian
  guardian.on('error', () => undefined) // no shell: a kill leaves the groups running
  stdin.on('error', () => undefined)
  guardian.unref()
  ;(stdin as unknown as ChildProcess).unref()
  tellGuardian = () => stdin.write(`${[...groups].join(' ')}\n`)
  tellGuardian()
  return () => {
    tellGuardian = () => undefined
    stdin.end('\n')
  }
}

/** Sends `signal` to every group that is running. */
export function signalAllGroups(signal: NodeJS.Signals): void {
  for (const pid of groups) signalIfThere(-pid, signal)
}

/** Signals a process, or with a negative number a group; 0 only asks. @returns whether it exists. */
export function signalIfThere(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    return systemErrorCode(error) === 'EPERM' // another user's process
  }
}

const MARK = 'TELEC_CALL'
let calls = 0

/** Adds a mark that child processes inherit, by which `leftoversOf` finds those that left the group. */
export function markEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  calls += 1
  return { ...env, [MARK]: `${process.pid}-${process.hrtime.bigint()}-${calls}` }
}

/** A process that a program left running. */
export type Leftover = Readonly<{ pid: number; name: string }>

/** `sleep (pid 4711), …`. */
export function namesOf(leftovers: readonly Leftover[]): string {
  return leftovers.map(({ pid, name }) => `${printableName(name)} (pid ${pid})`).join(', ')
}

/**
 * The processes that the leader of a group left running: those of its group and, on Linux, its children and all processes
 * with its mark, which finds also one in a session of its own.
 */
export function leftoversOf(leader: number, env: NodeJS.ProcessEnv): Leftover[] {
  if (process.platform !== 'linux') {
    const table = spawnSync('ps', ['-axo', 'pid=,pgid=,comm='], { encoding: 'utf8' }).stdout
    return table.split('\n').flatMap((row) => {
      const [, pid, pgid, name = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? []
      return Number(pgid) === leader && Number(pid) !== leader ? [{ pid: Number(pid), name }] : []
    })
  }
  const mark = `${MARK}=${env[MARK]}`
  const since = statOf(process.pid).startedAt
  const pids = readdirSync('/proc').map(Number) // NaN for entries that are no process
  return pids.flatMap((pid) => (pid > 0 && pid !== leader ? look(pid, leader, mark, since) : []))
}

/** The process, where it belongs to the group, is a child of its leader, or has the mark. */
function look(pid: number, group: number, mark: string, since: number): Leftover[] {
  try {
    const { name, state, parent, group: own, startedAt } = statOf(pid)
    if (state === 'Z' || startedAt < since) return []
    const isMarked = () => readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
    return own === group || parent === group || isMarked() ? [{ pid, name }] : []
  } catch {
    return [] // it has exited, or belongs to another user
  }
}

/** proc(5): `4711 (its name) S PARENT GROUP …`; field 22 is its start, in clock ticks since boot. */
function statOf(pid: number) {
  const [, name = '', rest = ''] =
    /^\d+ \((.*)\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  const [state, ...fields] = rest.split(' ')
  const [parent, group, startedAt = 0] = [fields[0], fields[1], fields[18]].map(Number)
  return { name, state, parent, group, startedAt }
}
