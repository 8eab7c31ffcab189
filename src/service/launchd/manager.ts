import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import { shellWord, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { askRoot, type RootUnit, type RootUnitState, terminate } from '../by-root.ts'
import { runCommand } from '../commands.ts'
import { type ServiceManager, type ServiceState, UNKNOWN } from '../manager.ts'
import { ANSWERS_WITHIN_MS, isDisabled, linesOf, NO_DOMAIN, NOT_LOADED, printed, stateOf } from './print.ts'

/** The domain of a user's agents, or of the computer's daemons (launchctl(1)). */
export function launchdDomain(world: World, scope: Scope): string {
  return scope === 'system' ? 'system' : `gui/${world.uid}`
}

/** Where launchd finds the plists of that domain at login, or at boot (launchd.plist(5)). */
export function launchdFolder(world: World, scope: Scope): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
}

const ASK_EVERY_MS = 200

/** bootstrap: launchd still unloads a job of that label, for some seconds after bootout. */
export const STILL_UNLOADING = [5, 36, 37]

/** A job that was just loaded starts automatically, unless launchd forgot it; kickstart may then never answer. */
export const KICKSTART_MS = 5_000

/** kickstart: launchd does not know the loaded job yet, or starts it already. */
const ALREADY_STARTING = [NOT_LOADED, 37]

/** What bootstrap does not say. */
export const REFUSED_BY_LAUNCHD =
  'switch it on in System Settings, General, Login Items, if it is off there; then run telec install again'

/** @param root restarts the service, where launchd does not take this user's commands. */
export function launchdManager(
  world: World,
  label: string,
  scope: Scope,
  root: RootUnit | null = null,
): ServiceManager {
  // ssh sessions, `brew services` over ssh and agents of the session type Background are in user/UID.
  const domains = scope === 'system' ? ['system'] : [launchdDomain(world, scope), `user/${world.uid}`]
  const plist = join(launchdFolder(world, scope), `${label}.plist`)
  const launchctl = (args: readonly string[], target: string, againAfter: readonly number[] = []) => {
    const argv = ['launchctl', ...args, target]
    const command = { argv, againAfter, timeoutMs: ANSWERS_WITHIN_MS }
    return runCommand(world, command, `look at the job: launchctl print ${domains[0]}/${shellWord(label)}`)
  }

  /** The job, where it is loaded: of two the one that runs. Throws `later` where launchd does not answer. */
  async function find(): Promise<{ job: string; state: ServiceState } | null> {
    const answers: string[] = []
    let idle: { job: string; state: ServiceState } | null = null
    for (const domain of domains) {
      const job = `${domain}/${label}`
      const { code, stdout, stderr } = await printed(world, job)
      if (code === 0) {
        const found = { job, state: stateOf(stdout) }
        if (found.state.main) return found
        idle ??= found
        continue
      }
      if (code !== NOT_LOADED) answers.push(`launchctl print ${job}: ${stderr.trim() || `exit code ${code}`}`)
      if (code === null || ![NOT_LOADED, ...NO_DOMAIN].includes(code)) throw noAnswer(label, answers)
    }
    if (answers.length === domains.length) throw noAnswer(label, answers)
    return idle
  }

  /** kickstart blocks, or fails, while launchd throttles a job: it starts nothing that launchd is about to start. */
  async function start(): Promise<void> {
    const found = await find()
    const job = found?.job ?? (await load())
    const deadline = world.monotonic() + (found?.state.shortestRunMs ?? 0)
    for (;;) {
      if ((await find())?.state.main) return
      if (world.monotonic() >= deadline) return void (await launchctl(['kickstart'], job, ALREADY_STARTING))
      await world.sleep(ASK_EVERY_MS)
    }
  }

  /** Loads the plist. @returns the job, if plist and job have the same name. */
  async function load(): Promise<string> {
    const [first = '', last = first] = domains
    const domain = (await printed(world, first)).code === 0 ? first : last
    await launchctl(['bootstrap', domain], plist, STILL_UNLOADING)
    return `${domain}/${label}`
  }

  function byRoot({ name, request }: RootUnit): Promise<void> {
    const job = `system/${name}`
    const hint = `see launchctl print ${job}; load it: sudo telec install. Then: telec-update --retry`
    return askRoot(world, label, request, hint, () => rootJobState(world, job))
  }

  return {
    name: 'launchd',
    service: label,
    async inspect() {
      const found = await find()
      if (found) return { ...found.state, shortestRunMs: 0 } // the throttle delays a start, it never refuses one
      const disabled = await printed(world, domains[0] ?? '', 'print-disabled')
      if (isDisabled(disabled.stdout, label)) return { ...UNKNOWN, known: 'masked' }
      // A job that was booted out is back at the next login, or boot.
      return { ...UNKNOWN, known: existsSync(plist) ? 'yes' : 'no' }
    },
    members: async () => [],
    async terminate() {
      const found = await find()
      if (found === null) return
      if (root === null) await launchctl(['kill', 'SIGTERM'], found.job)
      else if (!terminate(found.state.main?.pid)) await byRoot(root)
    },
    start: () => (root === null ? start() : byRoot(root)),
    async restart() {
      if (root !== null) return byRoot(root)
      const found = await find()
      if (found) await launchctl(['kickstart', '-k'], found.job)
      else await start()
    },
  }
}

async function rootJobState(world: World, job: string): Promise<RootUnitState | string | null> {
  const { code, stdout } = await printed(world, job)
  if (code === NOT_LOADED) return 'it is not loaded'
  if (code !== 0) return null
  const { main, lastExit } = stateOf(stdout)
  const failure = lastExit === 'exit code 0' ? null : `it ended with ${lastExit}`
  return { run: linesOf(stdout).get('runs') ?? '0', isRunning: main !== null, failure }
}

function noAnswer(label: string, answers: readonly string[]): TelecError {
  return new TelecError('later', `launchd does not say the state of ${label}`, {
    because: answers.join('\n'),
    hint: 'ask it yourself, if it does not answer later: launchctl print',
  })
}
