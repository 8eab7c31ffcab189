import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DIST, type Ended, execute, type ProgramName } from './programs.ts'

export interface Injection {
  /** The system call, by strace's name. */
  readonly call: string
  /** Which of them, counted from 1 in each process and thread. */
  readonly occurrence: number
  /** `signal=SIGKILL` as the call begins, or `error=ENOSPC` instead of it. */
  readonly effect?: string
  /** Only calls on these paths count; a folder's own entry, not its content. */
  readonly paths: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** Where to write the calls that were looked at; those that got another result are marked INJECTED there. */
  readonly trace?: string
  /** Leave alone what the program starts. */
  readonly alone?: boolean
  /** In a namespace where its pid, and with that the names of its temporary files, are the same in each run. */
  readonly apart?: boolean
}

/** Runs a bundle under strace(1), which does something to one of its system calls. */
export function runInjected(
  program: ProgramName,
  args: readonly string[],
  injection: Injection,
): Promise<Ended> {
  const { call, occurrence, effect = 'signal=SIGKILL', paths, env, trace = '/dev/null' } = injection
  const options = ['-f', '-qq', '-y', '-o', trace, ...paths.flatMap((path) => ['-P', path])]
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:${effect}:when=${occurrence}`]
  const traced = [...options, ...(injection.alone ? ALONE : []), ...inject]
  return underStrace(traced, program, args, env, injection.apart)
}

/** Threads are followed, programs that are started are not. */
const ALONE = ['--detach-on=execve']

/** The init of a process namespace: runs a command, and ends after all its descendants. */
const INIT = '"$@"; code=$?; while set -- /proc/[0-9]* && [ $# -gt 1 ]; do sleep 0.01; done; exit $code'

async function underStrace(
  options: readonly string[],
  program: ProgramName,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  apart = false,
): Promise<Ended> {
  // Node's threads are counted one by one: with a single one, the n-th call is the program's n-th.
  const oneThread = { ...env, UV_THREADPOOL_SIZE: '1' }
  const command = ['strace', ...options, process.execPath, join(DIST, program), ...args]
  const namespace = ['--pid', '--fork', '--kill-child', '--mount-proc', '/bin/sh', '-c', INIT, 'sh']
  const ended = await execute(apart ? 'unshare' : 'env', [...(apart ? namespace : []), ...command], {
    env: oneThread,
  })
  return ended.code === 128 + 9 ? { ...ended, code: null, signal: 'SIGKILL' } : ended // as a shell says it
}

/** A folder and its present content: the paths of a telec home. */
export function pathsIn(folder: string, ...more: readonly string[]): string[] {
  return [folder, ...[...readdirSync(folder), ...more].map((name) => join(folder, name))]
}

/** What changes something: files, or which processes there are. Not every processor has all of them. */
export const MUTATING = [
  ...['openat', 'write', 'pwrite64', 'fsync', 'fdatasync', 'syncfs', 'ftruncate'],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir'],
  ...['link', 'linkat', 'symlink', 'symlinkat', 'chmod', 'fchmod', 'fchmodat'],
  ...['clone', 'clone3', 'fork', 'vfork', 'execve'],
] as const

/** A system call of a program, by how many of its kind its process or thread had made. */
export interface Call {
  readonly call: string
  readonly occurrence: number
  /** The file that is opened, where its calls alone are counted: paths in /proc differ each time. */
  readonly path?: string
}

/** strace's options to record what a program changes, for `callsIn`. */
export function recordOptions(trace: string): string[] {
  return ['-f', '-qq', '-y', '-o', trace, '-e', `trace=${MUTATING.map((call) => `?${call}`).join(',')}`]
}

/** Runs a bundle to its end and lists what it changes itself, for `runInjected` with `alone` and `apart`. */
export async function callsOf(
  program: ProgramName,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { trace, folder, reads }: { readonly trace: string; readonly folder: string; readonly reads?: boolean },
): Promise<Call[]> {
  await underStrace([...recordOptions(trace), ...ALONE], program, args, env, true)
  return callsIn(readFileSync(trace, 'utf8'), folder, { reads, byPath: true })
}

/**
 * The calls of a recorded run, each once, in their order: those that change files below `folder`, or start something.
 * A write to a pipe or a terminal is left out, and so is a file that is opened to be read, unless `reads` says otherwise.
 */
export function callsIn(
  trace: string,
  folder: string,
  { reads = false, byPath = false }: { reads?: boolean | undefined; byPath?: boolean } = {},
): Call[] {
  const counts = new Map<string, number>()
  const calls = new Map<string, Call>()
  for (const line of trace.split('\n')) {
    const [, pid = '', call = '', rest = ''] = /^(\d+) +(\w+)\((.*)$/.exec(line) ?? []
    if (call === '') continue
    const path = byPath && call === 'openat' ? (/"([^"]*)"/.exec(rest)?.[1] ?? '') : undefined
    const counted = `${pid} ${call} ${path}`
    const occurrence = (counts.get(counted) ?? 0) + 1
    counts.set(counted, occurrence)
    const isStart = /^(clone3?|v?fork|execve)$/.test(call) && !/CLONE_THREAD/.test(rest)
    const isRead = !reads && call === 'openat' && !/O_(WRONLY|RDWR|CREAT)/.test(rest)
    if (isStart || (rest.includes(folder) && !isRead))
      calls.set(`${call} ${occurrence} ${path}`, { call, occurrence, ...(path && { path }) })
  }
  return [...calls.values()]
}
