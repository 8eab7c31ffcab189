import type { Scope } from '../../config/paths.ts'
import { TelecError } from '../../system/errors.ts'
import type { RunResult } from '../../system/process.ts'
import type { World } from '../../system/world.ts'

/** A start or a stop waits for its job; units may take 90 s by default, and longer where they say so. */
const SYSTEMCTL_TIMEOUT_MS = 5 * 60_000

/** The only caller of systemctl(1). */
export function trySystemctl(world: World, scope: Scope, args: readonly string[]): Promise<RunResult> {
  return world.run('systemctl', [`--${scope}`, '--no-pager', '--no-ask-password', ...args], {
    cwd: '/',
    env: managerEnvironment(world),
    timeoutMs: SYSTEMCTL_TIMEOUT_MS,
  })
}

/** A timer or an ssh command has no session, but systemctl --user needs to know where the user's bus is. */
export function managerEnvironment(world: World): NodeJS.ProcessEnv {
  return { ...world.env, LC_ALL: 'C', XDG_RUNTIME_DIR: world.env.XDG_RUNTIME_DIR ?? `/run/user/${world.uid}` }
}

/** Throws `halted` with systemctl's own words when it fails. */
export async function systemctl(world: World, scope: Scope, args: readonly string[]): Promise<string> {
  const result = await trySystemctl(world, scope, args)
  if (result.code === 0) return result.stdout
  throw new TelecError('halted', `systemctl --${scope} ${args.join(' ')} failed`, {
    because: result.stderr.trim() || `exit code ${result.code}`,
    hint:
      scope === 'user'
        ? 'is a user manager running? loginctl enable-linger keeps one running without a login'
        : 'the system manager takes orders from root only',
  })
}

/** A name as systemctl takes it: one that says no type is that of a service (systemctl(1)). */
export function unitName(name: string): string {
  return /\.[a-z]+$/.test(name) ? name : `${name}.service`
}

/** Properties of a unit, `KEY=VALUE` lines of systemctl show. A unit that does not exist has `LoadState=not-found`. */
export async function showUnit<Key extends string>(
  world: World,
  scope: Scope,
  unit: string,
  keys: readonly Key[],
): Promise<Record<Key, string>> {
  const output = await systemctl(world, scope, ['show', unit, `--property=${keys.join(',')}`])
  const values = Object.fromEntries(keys.map((key) => [key, ''])) as Record<Key, string>
  for (const line of output.split('\n')) {
    const at = line.indexOf('=')
    if (at > 0) values[line.slice(0, at) as Key] = line.slice(at + 1)
  }
  return values
}

const TIMESPAN_MS = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
} as const

/** systemctl show prints time spans as `1min 30s` (systemd.time(7)); milliseconds, 0 for `infinity` and the like. */
export function parseTimespan(text: string): number {
  return [...text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|min|h|d|w|month|y)\b/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * TIMESPAN_MS[unit as keyof typeof TIMESPAN_MS],
    0,
  )
}
