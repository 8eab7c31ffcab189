import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { kill } from 'node:process'
import type { Scope } from '../../config/paths.ts'
import { systemErrorCode, TelecError } from '../../system/errors.ts'
import type { World } from '../../system/world.ts'
import { runCommand } from '../commands.ts'
import { type ServiceManager, type ServiceState, UNKNOWN } from '../manager.ts'
import { askRootsJob, type RootsJob } from './by-root.ts'
import { ANSWERS_WITHIN_MS, isDisabled, NO_DOMAIN, NOT_LOADED, printed, stateOf } from './print.ts'

/** The domain in which a user's agents, or the computer's daemons, are (launchctl(1)). */
export function launchdDomain(world: World, scope: Scope): string {
  return scope === 'system' ? 'system' : `gui/${world.uid}`
}

/** Where launchd finds the plists of that domain at login, or at boot (launchd.plist(5)). */
export function launchdFolder(world: World, scope: Scope): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
}

const LOOK_EVERY_MS = 200

/** bootstrap: a job of that label is still on its way out, for some seconds after bootout. */
export const STILL_LEAVING = [5, 36, 37]

/** Of a job that has just been loaded: it runs by itself, unless launchd forgot to start it, and an answer may take for ever. */
export const KICKSTART_MS = 5_000

/** kickstart: what was just loaded is not known yet, or launchd is starting it already. */
const ON_ITS_WAY = [NOT_LOADED, 37]

/** What bootstrap's words do not say. */
export const REFUSED_BY_LAUNCHD =
  'is it switched off in System Settings, General, Login Items? Then switch it on, and run telec install again'

/** @param root the job of root's that restarts it, where launchd does not obey this user. */
export function launchdManager(
  world: World,
  label: string,
  scope: Scope,
  root: RootsJob | null = null,
): ServiceManager {
  // ssh sessions, `brew services` over ssh and agents of the session type Background are in user/UID.
  const domains = scope === 'system' ? ['system'] : [launchdDomain(world, scope), `user/${world.uid}`]
  const plist = join(launchdFolder(world, scope), `${label}.plist`)
  const launchctl = (args: readonly string[], target: string, againAfter: readonly number[] = []) => {
    const argv = ['launchctl', ...args, target]
    const command = { argv, againAfter, timeoutMs: ANSWERS_WITHIN_MS }
    return runCommand(world, command, `look at the job: launchctl print ${domains[0]}/${label}`)
  }

  /** The job, where it is loaded: where it is twice, the one that runs. Throws `later` where launchd says nothing about it. */
  async function find(): Promise<{ job: string; state: ServiceState } | null> {
    const said: string[] = []
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
      if (code !== NOT_LOADED) said.push(`launchctl print ${job}: ${stderr.trim() || `exit code ${code}`}`)
      if (code === null || ![NOT_LOADED, ...NO_DOMAIN].includes(code)) throw silent(label, said)
    }
    if (said.length === domains.length) throw silent(label, said)
    return idle
  }

  /** Nothing is started that launchd is about to start: kickstart blocks, or is refused, while it throttles a job. */
  async function start(): Promise<void> {
    if (root !== null) return askRootsJob(world, label, root)
    const found = await find()
    const job = found?.job ?? (await load())
    const deadline = world.monotonic() + (found?.state.shortestRunMs ?? 0)
    for (;;) {
      if ((await find())?.state.main) return
      if (world.monotonic() >= deadline) return void (await launchctl(['kickstart'], job, ON_ITS_WAY))
      await world.sleep(LOOK_EVERY_MS)
    }
  }

  /** @returns the job that its plist makes of it, by the names of both. */
  async function load(): Promise<string> {
    const [first = '', last = first] = domains
    const domain = (await printed(world, first)).code === 0 ? first : last
    await launchctl(['bootstrap', domain], plist, STILL_LEAVING)
    return `${domain}/${label}`
  }

  return {
    name: 'launchd',
    service: label,
    async inspect() {
      const found = await find()
      if (found) return { ...found.state, shortestRunMs: 0 } // the throttle delays a start, it never refuses one
      const disabled = await printed(world, domains[0] ?? '', 'print-disabled')
      if (isDisabled(disabled.stdout, label)) return { ...UNKNOWN, known: 'masked' }
      // Somebody booted it out: it is back at the next login, or boot.
      return { ...UNKNOWN, known: existsSync(plist) ? 'yes' : 'no' }
    },
    members: async () => [],
    async askToLeave() {
      const found = await find()
      if (found === null) return
      if (root === null) await launchctl(['kill', 'SIGTERM'], found.job)
      else if (!leaves(found.state.main?.pid)) await askRootsJob(world, label, root)
    },
    start,
    async restart() {
      if (root !== null) return askRootsJob(world, label, root)
      const found = await find()
      if (found) await launchctl(['kickstart', '-k'], found.job)
      else await start()
    },
  }
}

function silent(label: string, said: readonly string[]): TelecError {
  return new TelecError('later', `launchd does not say how ${label} is`, {
    because: said.join('\n'),
    hint: 'it is asked again; try it by hand: launchctl print',
  })
}

/** SIGTERM to a process of the same user; false where it is another user's. */
function leaves(pid: number | null | undefined): boolean {
  try {
    if (pid) kill(pid, 'SIGTERM')
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'EPERM') return false
    if (systemErrorCode(error) === 'ESRCH') return true // it has left by itself
    throw error
  }
}
