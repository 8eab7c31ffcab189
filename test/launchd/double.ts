import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, type FSWatcher, mkdirSync, watch, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { constants } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { succeed } from '../helpers/programs.ts'

/** What of a plist the double respects. */
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
  readonly Umask?: number
  readonly UserName?: string
}

interface Job {
  readonly plist: Plist
  readonly domain: string
  readonly watchers: FSWatcher[]
  child: ChildProcess | null
  runs: number
  startedMs: number
  /** As `print` has it: an exit code, or a signal in its place. */
  lastEnd: string
  lastExit: number | null
  isLeaving: boolean
  /** What it watches changed while it ran. */
  isCalled: boolean
  /** It starts when its throttle is over. */
  throttle: NodeJS.Timeout | null
}

interface Answer {
  readonly code: number
  readonly stdout?: string
  readonly stderr?: string
}

/** The number of bootstraps that fail after a bootout: the real one releases a job only after seconds. */
const REFUSALS_AFTER_BOOTOUT = 2

/**
 * A small launchd: it follows the rules that were measured on the real one. Jobs get a bare environment; what they watch goes
 * by events of files, which start them again after a run in which they came; the calendar goes by `tick`, since nobody wants
 * to wait for a minute. Unknown behaviour of the real one is a switch.
 */
export class Launchd {
  readonly #jobs = new Map<string, Job>()
  readonly #disabled = new Set<string>()
  readonly #server: Server
  #refusals = 0
  /** Whether changes of watched paths are noticed; launchd.plist(5) says that they may not be. */
  isWatching = true
  /** A second of its own waits is that long. */
  secondMs = 50
  /** What kickstart does to a job that is only throttled. */
  kickstartOfThrottled: 'waits' | 'is refused' | 'hangs' = 'waits'
  /** Whether a job starts when it is loaded; macOS 26 is said to forget it. */
  startsAtLoad = true
  /** Whether Login Items has all of it switched off: bootstrap says 5, and nothing else. */
  isSwitchedOff = false

  private constructor(
    /** Holds launchctl and the node that runs the jobs; it comes first in their PATH. */
    readonly bin: string,
    /** Those that there are; a service may be in any of them. */
    readonly domains: readonly string[],
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

  static async start(bin: string, domains: readonly string[]): Promise<Launchd> {
    mkdirSync(bin, { recursive: true })
    for (const [from, name] of [
      [process.execPath, 'node'],
      [join(import.meta.dirname, 'launchctl.mjs'), 'launchctl.mjs'],
    ] as const)
      if (from !== join(bin, name)) copyFileSync(from, join(bin, name))
    writeFileSync(join(bin, 'launchctl'), `#!/bin/sh\nexec '${bin}/node' '${bin}/launchctl.mjs' "$@"\n`, {
      mode: 0o755,
    })
    const launchd = new Launchd(bin, domains)
    launchd.#server.listen(join(bin, 'launchd.socket'))
    await once(launchd.#server, 'listening')
    chmodSync(join(bin, 'launchd.socket'), 0o666) // anybody may ask
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

  /** Whether it starts when its throttle is over. */
  isThrottled(label: string): boolean {
    return this.#jobs.get(label)?.throttle !== null
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

  async #answer([uid, verb = '', ...args]: readonly [number, ...string[]]): Promise<Answer> {
    const target = args.at(-1) ?? ''
    const asked = ['bootstrap', 'print-disabled'].includes(verb) ? args[0] : target
    const domain = this.domains.find((one) => asked === one || asked?.startsWith(`${one}/`))
    if (domain === undefined)
      return { code: verb === 'print' ? 112 : 125, stderr: 'Domain does not support specified action\n' }
    if (domain === 'system' && uid !== 0 && !verb.startsWith('print'))
      return { code: 1, stderr: 'Operation not permitted\n' }
    const label = target.slice(domain.length + 1)
    if (verb === 'print' && target === domain) return { code: 0, stdout: `${domain} = {\n}\n` }
    if (verb === 'print-disabled') return { code: 0, stdout: this.#printDisabled() }
    if (verb === 'enable' || verb === 'disable') {
      this.#disabled[verb === 'disable' ? 'add' : 'delete'](label)
      return { code: 0 }
    }
    if (verb === 'bootstrap') return this.#bootstrap(domain, target)
    const job = this.#jobs.get(label)
    if (job?.domain !== domain)
      return { code: verb === 'bootout' ? 3 : 113, stderr: `Could not find service "${label}" in domain\n` }
    if (verb === 'print') return { code: 0, stdout: print(target, job) }
    if (verb === 'bootout') return this.#bootout(label)
    if (verb === 'kill') {
      job.child?.kill(args[0] as NodeJS.Signals)
      return { code: 0 }
    }
    if (verb === 'kickstart') {
      if (job.throttle && this.kickstartOfThrottled === 'is refused')
        return { code: 37, stderr: 'Could not kickstart service: 37: Operation already in progress\n' }
      if (job.throttle && this.kickstartOfThrottled === 'hangs') await new Promise(() => undefined)
      if (args.includes('-k')) await this.#end(job)
      this.#start(job)
      return { code: 0 }
    }
    return { code: 64, stderr: `Unrecognized subcommand: ${verb}\n` }
  }

  async #bootstrap(domain: string, path: string): Promise<Answer> {
    const script = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))'
    const plist = JSON.parse(await succeed('python3', ['-c', script, path])) as Plist
    const failed = { code: 5, stderr: 'Bootstrap failed: 5: Input/output error\n' }
    const { Label } = plist
    if (this.isSwitchedOff || this.#jobs.has(Label) || this.#disabled.has(Label)) return failed
    if (this.#refusals > 0) {
      this.#refusals -= 1
      return this.#refusals % 2 === 0
        ? failed
        : { code: 37, stderr: 'Bootstrap failed: 37: Operation already in progress\n' }
    }
    const job: Job = {
      plist,
      domain,
      watchers: [],
      child: null,
      runs: 0,
      startedMs: 0,
      lastEnd: 'last exit code = (never exited)',
      lastExit: null,
      isLeaving: false,
      isCalled: false,
      throttle: null,
    }
    this.#jobs.set(plist.Label, job)
    for (const watched of plist.WatchPaths ?? []) {
      // Of one that is missing its folder is watched, and its name waited for.
      const isThere = existsSync(watched)
      const call = (_: string, name: string | null) => {
        if (!this.isWatching || (!isThere && name !== basename(watched))) return
        job.isCalled = job.child !== null
        this.#start(job)
      }
      job.watchers.push(watch(isThere ? watched : dirname(watched), call))
    }
    if (this.startsAtLoad && (plist.RunAtLoad || plist.KeepAlive)) this.#start(job)
    return { code: 0 }
  }

  async #bootout(label: string): Promise<Answer> {
    const job = this.#jobs.get(label)
    if (!job) return { code: 3 }
    job.isLeaving = true
    clearTimeout(job.throttle ?? undefined)
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
      (plist.ExitTimeOut ?? 20) * this.secondMs,
    )
    await exit
    clearTimeout(timer)
  }

  #start(job: Job): void {
    if (job.child || job.isLeaving || job.throttle) return
    const waitMs =
      job.startedMs === 0
        ? 0
        : job.startedMs + (job.plist.ThrottleInterval ?? 10) * this.secondMs - performance.now()
    if (waitMs > 0) {
      job.throttle = setTimeout(() => {
        job.throttle = null
        this.#start(job)
      }, waitMs)
      return
    }
    const { ProgramArguments, EnvironmentVariables, WorkingDirectory, StandardErrorPath, Umask, UserName } =
      job.plist
    // The user first, then the files: a log has to be in a folder of that user's.
    const as = UserName ? ['setpriv', `--reuid=${UserName}`, `--regid=${UserName}`, '--init-groups'] : []
    const mask = Umask === undefined ? '' : `umask ${Umask.toString(8)}; `
    const script = `${mask}exec >>"$1" 2>&1; shift; exec "$@"`
    const log = StandardErrorPath ?? '/dev/null'
    const [program = '', ...args] = [...as, 'sh', '-c', script, 'sh', log, ...ProgramArguments]
    job.runs += 1
    job.startedMs = performance.now()
    const child = spawn(program, args, {
      detached: true,
      cwd: WorkingDirectory ?? '/',
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', ...EnvironmentVariables, NODE_OPTIONS: nodeOptions() },
      stdio: 'ignore',
    })
    job.child = child
    child.on('error', () => this.#ended(job, 78, null))
    child.on('exit', (code, signal) => {
      // The rest of the group ends with it (AbandonProcessGroup is false).
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL')
      } catch {
        // nothing is left
      }
      this.#ended(job, code, signal)
    })
  }

  #ended(job: Job, code: number | null, signal: NodeJS.Signals | null): void {
    job.child = null
    job.lastExit = code
    job.lastEnd =
      signal === null
        ? `last exit code = ${code}`
        : `last terminating signal = ${signal}: ${constants.signals[signal]}`
    if (job.isCalled) {
      job.isCalled = false
      this.#start(job)
    }
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
export function nodeOptions(folder = import.meta.dirname): string {
  return `--import=${join(folder, 'darwin.mjs')}`
}

/** As launchctl prints a job, as far as anybody may rely on it. */
function print(target: string, { child, runs, lastEnd, throttle, plist }: Job): string {
  return [
    `${target} = {`,
    `\tactive count = ${child ? 1 : 0}`,
    `\tpath = ${plist.Label}.plist`,
    `\tstate = ${child ? 'running' : throttle ? 'spawn scheduled' : 'not running'}`,
    '\tminimum runtime = 1',
    `\truns = ${runs}`,
    ...(child ? [`\tpid = ${child.pid}`] : []),
    `\t${lastEnd}`,
    '}',
    '',
  ].join('\n')
}
