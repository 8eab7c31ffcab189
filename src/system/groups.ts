import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Process groups: what telec starts leads one of its own, so that it can be ended with all that it started. */

/** From the polite SIGTERM to SIGKILL. Long enough for git to remove its lock files. */
const GRACE_MS = 2_000

/** Those that are running now: they are taken along when telec leaves. */
const groups = new Set<number>()

/** Says which groups there are to the guardian, where there is one. */
let tellGuardian: () => void = () => undefined

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
 * From now on the groups that telec started end with it even where it is killed, so that whoever takes its lock next
 * finds nothing at work. A process that can be killed cannot see to that itself: a shell waits for its pipe to close.
 *
 * @returns how to do without it again.
 */
export function guardGroups(): () => void {
  let guardian: ChildProcess | null = null
  tellGuardian = () => {
    if (guardian === null && groups.size === 0) return
    guardian ??= startGuardian()
    guardian.stdin?.write(`${[...groups].join(' ')}\n`)
  }
  tellGuardian()
  return () => {
    tellGuardian = () => undefined
    guardian?.stdin?.end('\n')
  }
}

function startGuardian(): ChildProcess {
  const guardian = spawn('/bin/sh', ['-c', GUARDIAN], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guardian.on('error', () => undefined) // without it a kill leaves what it left before there was one
  guardian.stdin?.on('error', () => undefined)
  guardian.unref()
  ;(guardian.stdin as unknown as { unref(): void } | null)?.unref()
  return guardian
}

/** Ends a process group: SIGTERM, and SIGKILL after a grace. Returns the timer of the latter. */
export function endGroup(pid: number): NodeJS.Timeout {
  signalGroup(pid, 'SIGTERM')
  return setTimeout(() => signalGroup(pid, 'SIGKILL'), GRACE_MS)
}

/** Passes `signal` on to every group that is running. */
export function signalAllGroups(signal: NodeJS.Signals): void {
  for (const pid of groups) signalGroup(pid, signal)
}

export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  signalIfThere(-pid, signal)
}

/** Signals a process, or with a minus a group; one that is gone is fine. */
export function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ESRCH: it is gone, which is what was wanted
  }
}

/** The variable by which the processes of a call know each other. */
const MARK = 'TELEC_CALL'
let calls = 0

/** An environment that what is started with it passes on, so that `processesLeft` finds also who left the group. */
export function markEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  calls += 1
  return { ...env, [MARK]: `${process.pid}-${process.hrtime.bigint()}-${calls}` }
}

/**
 * The processes that the leader of a group has left running, by pid: those of its group and, on Linux, its children and
 * those that inherited its marked environment, as a daemon in a session of its own does. Linux tells in /proc, others
 * by ps(1).
 */
export function processesLeft(leader: number, env: NodeJS.ProcessEnv): number[] {
  if (process.platform !== 'linux') {
    const table = spawnSync('ps', ['-axo', 'pid=,pgid='], { encoding: 'utf8' }).stdout
    return table.split('\n').flatMap((row) => {
      const [pid, pgid] = row.trim().split(/\s+/).map(Number)
      return pid !== undefined && pid !== leader && pgid === leader ? [pid] : []
    })
  }
  const mark = `${MARK}=${env[MARK]}`
  const since = statOf(leader)?.startedAt ?? 0
  return readdirSync('/proc')
    .map(Number) // what is no process there is not a number
    .filter((pid) => pid > 0 && pid !== leader && isLeft(pid, leader, since, mark))
}

function isLeft(pid: number, group: number, since: number, mark: string): boolean {
  const stat = statOf(pid)
  if (!stat || stat.state === 'Z') return false
  if (stat.group === group || stat.parent === group) return true
  if (stat.startedAt < since) return false // a file less to read
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
  } catch {
    return false // it has ended, or belongs to somebody else
  }
}

/** proc(5): the fields of `stat` that follow the name in brackets; the start is in clock ticks since boot. */
function statOf(pid: number): { state: string; parent: number; group: number; startedAt: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [parent, group, startedAt] = [fields[1], fields[2], fields[19]].map(Number)
    return { state: fields[0] ?? '', parent: parent ?? 0, group: group ?? 0, startedAt: startedAt ?? 0 }
  } catch {
    return null // it has ended
  }
}
