import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import { runCommand, tryCommand } from '../commands.ts'
import { type ServiceManager, type ServiceState, UNKNOWN } from '../manager.ts'

/** The domain in which a user's agents, or the computer's daemons, are (launchctl(1)). */
export function launchdDomain(world: World, scope: Scope): string {
  return scope === 'system' ? 'system' : `gui/${world.uid}`
}

/** Where launchd finds the plists of that domain at login, or at boot (launchd.plist(5)). */
export function launchdFolder(world: World, scope: Scope): string {
  return scope === 'system' ? '/Library/LaunchDaemons' : join(world.home, 'Library/LaunchAgents')
}

/** launchd starts a job at most once in its ThrottleInterval, 10 s by default, counted from the last start. */
const THROTTLE_MS = 10_000

/** bootstrap: a job of that label is still on its way out, for some seconds after bootout. */
export const STILL_LEAVING = [5, 36, 37]

export function launchdManager(world: World, label: string, scope: Scope): ServiceManager {
  const domain = launchdDomain(world, scope)
  const job = `${domain}/${label}`
  const plist = join(launchdFolder(world, scope), `${label}.plist`)
  const launchctl = async (...args: string[]) => {
    await runCommand(world, { argv: ['launchctl', ...args, job] }, `look at the job: launchctl print ${job}`)
  }
  return {
    name: 'launchd',
    service: label,
    async inspect() {
      const printed = await tryCommand(world, ['launchctl', 'print', job])
      if (printed.code === 0) return stateOf(printed.stdout)
      const disabled = await tryCommand(world, ['launchctl', 'print-disabled', domain])
      if (isDisabled(disabled.stdout, label)) return { ...UNKNOWN, known: 'masked' }
      // Somebody booted it out: it is back at the next login, or boot.
      return { ...UNKNOWN, known: existsSync(plist) ? 'yes' : 'no' }
    },
    members: async () => [],
    askToLeave: () => launchctl('kill', 'SIGTERM'),
    async start() {
      const isLoaded = (await tryCommand(world, ['launchctl', 'print', job])).code === 0
      const load = { argv: ['launchctl', 'bootstrap', domain, plist], againAfter: STILL_LEAVING }
      if (!isLoaded) await runCommand(world, load, `look at the job: plutil -lint ${plist}`)
      await launchctl('kickstart')
    },
    restart: () => launchctl('kickstart', '-k'),
  }
}

/** Whether a label is told never to start, as `launchctl print-disabled` lists them: `"LABEL" => disabled`, or `true`. */
export function isDisabled(printed: string, label: string): boolean {
  return printed.split('\n').some((line) => {
    const [, name, state = ''] = /^\s*"(.+)" => (\w+)/.exec(line) ?? []
    return name === label && ['disabled', 'true'].includes(state)
  })
}

/** Reads what `launchctl print` says. It is "not API in any sense": of all its lines only these are relied on. */
export function stateOf(printed: string): ServiceState {
  const pid = Number(/^\tpid = (\d+)$/m.exec(printed)?.[1] ?? 0)
  const runs = /^\truns = (\d+)$/m.exec(printed)?.[1] ?? '0'
  const exit = /^\tlast exit code = (\d+)/m.exec(printed)?.[1]
  return {
    ...UNKNOWN, // the throttle delays a start, it never refuses one
    known: 'yes',
    activity: pid > 0 ? 'running' : exit === undefined || exit === '0' ? 'stopped' : 'failed',
    // launchd does not say when it started a job: the count of its runs tells one run from the next.
    main: pid > 0 ? { pid, identity: `${pid}@${runs}`, uptimeMs: THROTTLE_MS } : null,
    lastExit: pid > 0 || exit === undefined ? null : `exit code ${exit}`,
  }
}
