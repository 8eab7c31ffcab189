import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, type FSWatcher, mkdirSync, openSync, watch, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { succeed } from '../helpers/programs.ts'

/** What of a plist the double heeds. */
interface Plist {
  readonly Label: string
  readonly ProgramArguments: string[]
  readonly EnvironmentVariables?: Record<string, string>
  readonly WorkingDirectory?: string
  readonly RunAtLoad?: boolean
  readonly KeepAlive?: boolean | { readonly SuccessfulExit?: boolean }
  readonly ThrottleInterval?: number
  readonly ExitTimeOut?: number
  readonly WatchPaths?: string[]
  readonly StartCalendarInterval?: unknown[]
  readonly StandardErrorPath?: string
}

interface Job {
  readonly plist: Plist
  readonly watchers: FSWatcher[]
  child: ChildProcess | null
  runs: number
  startedMs: number
  lastExit: number | null
  isLeaving: boolean
}

interface Answer {
  readonly code: number
  readonly stdout?: string
  readonly stderr?: string
}

/** A second of launchd's own waits is that long here. */
const SECOND_MS = 50
/** So many bootstraps fail after a bootout: the real one lets go of a job only after seconds. */
const REFUSALS_AFTER_BOOTOUT = 2

/**
 * A small launchd: it follows the rules that were measured on the real one. Jobs get a bare environment; WatchPaths is a
 * hint that can be switched off; the calendar goes by `tick`, since nobody wants to wait for a minute.
 */
export class Launchd {
  readonly #jobs = new Map<string, Job>()
  readonly #disabled = new Set<string>()
  readonly #server: Server
  #refusals = 0
  /** Whether changes of watched paths are noticed; launchd.plist(5) says that they may not be. */
  isWatching = true

  private constructor(
    /** Holds launchctl and the node that runs the jobs; it comes first in their PATH. */
    readonly bin: string,
    readonly domain: string,
  ) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      let asked = ''
      socket.setEncoding('utf8').on('data', (part: string) => {
        asked += part
      })
      socket.on('end', async () => {
        const { code, stdout = '', stderr = '' } = await this.#answer(JSON.parse(asked))
        socket.end(JSON.stringify({ code, stdout, stderr }))
      })
    })
  }

  static async start(bin: string, uid: number): Promise<Launchd> {
    mkdirSync(bin, { recursive: true })
    copyFileSync(process.execPath, join(bin, 'node'))
    copyFileSync(join(import.meta.dirname, 'launchctl.mjs'), join(bin, 'launchctl.mjs'))
    writeFileSync(join(bin, 'launchctl'), `#!/bin/sh\nexec '${bin}/node' '${bin}/launchctl.mjs' "$@"\n`, {
      mode: 0o755,
    })
    const launchd = new Launchd(bin, `gui/${uid}`)
    launchd.#server.listen(join(bin, 'launchd.socket'))
    await once(launchd.#server, 'listening')
    return launchd
  }

  async stop(): Promise<void> {
    for (const label of [...this.#jobs.keys()]) await this.#bootout(label)
    this.#server.close()
  }

  /** A minute of the calendar: every job that has an entry is started, if it does not run. */
  tick(): void {
    for (const job of this.#jobs.values()) if (job.plist.StartCalendarInterval) this.#start(job)
  }

  /** The pid of a job; null while it does not run. */
  pid(label: string): number | null {
    return this.#jobs.get(label)?.child?.pid ?? null
  }

  runs(label: string): number {
    return this.#jobs.get(label)?.runs ?? 0
  }

  lastExit(label: string): number | null {
    return this.#jobs.get(label)?.lastExit ?? null
  }

  labels(): string[] {
    return [...this.#jobs.keys()].toSorted()
  }

  async #answer([verb = '', ...args]: readonly string[]): Promise<Answer> {
    const target = args.at(-1) ?? ''
    const label = target.slice(this.domain.length + 1)
    const inDomain =
      verb === 'bootstrap' || verb === 'print-disabled'
        ? args[0] === this.domain
        : target === this.domain || target.startsWith(`${this.domain}/`)
    if (!inDomain)
      return { code: verb === 'print' ? 112 : 125, stderr: 'Domain does not support specified action\n' }
    if (verb === 'print' && target === this.domain) return { code: 0, stdout: `${this.domain} = {\n}\n` }
    if (verb === 'print-disabled') return { code: 0, stdout: this.#printDisabled() }
    if (verb === 'enable' || verb === 'disable') {
      this.#disabled[verb === 'disable' ? 'add' : 'delete'](label)
      return { code: 0 }
    }
    if (verb === 'bootstrap') return this.#bootstrap(target)
    const job = this.#jobs.get(label)
    if (!job)
      return { code: verb === 'bootout' ? 3 : 113, stderr: `Could not find service "${label}" in domain\n` }
    if (verb === 'print') return { code: 0, stdout: print(target, job) }
    if (verb === 'bootout') return this.#bootout(label)
    if (verb === 'kill') {
      job.child?.kill(args[0] as NodeJS.Signals)
      return { code: 0 }
    }
    if (verb === 'kickstart') {
      if (args.includes('-k')) await this.#end(job)
      this.#start(job)
      return { code: 0 }
    }
    return { code: 64, stderr: `Unrecognized subcommand: ${verb}\n` }
  }

  async #bootstrap(path: string): Promise<Answer> {
    const script = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))'
    const plist = JSON.parse(await succeed('python3', ['-c', script, path])) as Plist
    const failed = { code: 5, stderr: 'Bootstrap failed: 5: Input/output error\n' }
    if (this.#jobs.has(plist.Label) || this.#disabled.has(plist.Label)) return failed
    if (this.#refusals > 0) {
      this.#refusals -= 1
      return this.#refusals % 2 === 0
        ? failed
        : { code: 37, stderr: 'Bootstrap failed: 37: Operation already in progress\n' }
    }
    const job: Job = {
      plist,
      watchers: [],
      child: null,
      runs: 0,
      startedMs: 0,
      lastExit: null,
      isLeaving: false,
    }
    this.#jobs.set(plist.Label, job)
    for (const watched of plist.WatchPaths ?? [])
      job.watchers.push(watch(watched, () => void (this.isWatching && this.#start(job))))
    if (plist.RunAtLoad || plist.KeepAlive) this.#start(job)
    return { code: 0 }
  }

  async #bootout(label: string): Promise<Answer> {
    const job = this.#jobs.get(label)
    if (!job) return { code: 3 }
    job.isLeaving = true
    for (const watcher of job.watchers) watcher.close()
    await this.#end(job)
    this.#jobs.delete(label)
    this.#refusals = REFUSALS_AFTER_BOOTOUT
    return { code: 0 }
  }

  /** SIGTERM, and SIGKILL for the whole group after ExitTimeOut. */
  async #end({ child, plist }: Job): Promise<void> {
    if (!child?.pid) return
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    const timer = setTimeout(
      () => process.kill(-(child.pid ?? 0), 'SIGKILL'),
      (plist.ExitTimeOut ?? 20) * SECOND_MS,
    )
    await exit
    clearTimeout(timer)
  }

  #start(job: Job): void {
    if (job.child || job.isLeaving) return // what happens while it runs is missed
    const waitMs =
      job.startedMs === 0
        ? 0
        : job.startedMs + (job.plist.ThrottleInterval ?? 10) * SECOND_MS - performance.now()
    if (waitMs > 0) {
      setTimeout(() => this.#start(job), waitMs)
      return
    }
    const { ProgramArguments, EnvironmentVariables, WorkingDirectory, StandardErrorPath } = job.plist
    const [program = '', ...args] = ProgramArguments
    const output = openSync(StandardErrorPath ?? '/dev/null', 'a')
    job.runs += 1
    job.startedMs = performance.now()
    const child = spawn(program, args, {
      detached: true,
      cwd: WorkingDirectory ?? '/',
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ...EnvironmentVariables, NODE_OPTIONS: nodeOptions() },
      stdio: ['ignore', output, output],
    })
    job.child = child
    child.on('error', () => this.#ended(job, 78))
    child.on('exit', (code, signal) => {
      // Whatever is left of the group ends with it (AbandonProcessGroup is false).
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL')
      } catch {
        // nothing is left
      }
      this.#ended(job, code ?? (signal === null ? 1 : 128))
    })
  }

  #ended(job: Job, code: number): void {
    job.child = null
    job.lastExit = code
    const { KeepAlive } = job.plist
    const isKept =
      KeepAlive === true ||
      (typeof KeepAlive === 'object' && KeepAlive.SuccessfulExit === false && code !== 0)
    if (isKept) this.#start(job)
  }

  #printDisabled(): string {
    return `disabled services = {\n${[...this.#disabled].map((label) => `\t"${label}" => disabled\n`).join('')}}\n`
  }
}

/** What makes a Node.js take this computer for a Mac. */
export function nodeOptions(): string {
  return `--import=${join(import.meta.dirname, 'darwin.mjs')}`
}

/** As launchctl prints a job, as far as anybody may rely on it. */
function print(target: string, { child, runs, lastExit, plist }: Job): string {
  return [
    `${target} = {`,
    `\tactive count = ${child ? 1 : 0}`,
    `\tpath = ${plist.Label}.plist`,
    `\tstate = ${child ? 'running' : 'not running'}`,
    `\truns = ${runs}`,
    ...(child ? [`\tpid = ${child.pid}`] : []),
    `\tlast exit code = ${lastExit ?? '(never exited)'}`,
    '}',
    '',
  ].join('\n')
}
