import { existsSync } from 'node:fs'
import type { Paths, Scope } from '../../config/paths.ts'
import { orNull } from '../../system/errors.ts'
import { printable } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import { runCommand, tryCommand } from '../commands.ts'

/** Whether systemd runs this computer: sd_booted(3). */
export function isSystemdBooted(): boolean {
  return existsSync('/run/systemd/system')
}

/** Throws `halted` with systemctl's own words where it fails. */
export function systemctl(
  world: World,
  scope: Scope,
  args: readonly string[],
  mayFail = false,
): Promise<string> {
  const hint =
    scope === 'user'
      ? 'start a user manager, which runs without a login: loginctl enable-linger'
      : 'run it as root: the system manager takes commands from root only'
  return runCommand(world, { argv: ['systemctl', `--${scope}`, '--no-ask-password', ...args], mayFail }, hint)
}

/** The name of one of telec's own units, with or without its type: of a named service `telec-watch@NAME.timer`. */
export function ownUnit({ name }: Paths, unit: string): string {
  return name === null ? unit : unit.replace(/(?=\.|$)/, `@${name}`)
}

/** The types of units (systemd.unit(5)): `web.co` has none. */
const UNIT_TYPES = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/

/** A name with its type: without one it is a service, as for systemctl(1). */
export function unitName(name: string): string {
  return UNIT_TYPES.test(name) ? name : `${name}.service`
}

/** The name of a unit in control groups and in the journal: `name` may be an alias. */
export async function canonicalName(world: World, scope: Scope, name: string): Promise<string> {
  const shown = await orNull(() => showUnit(world, scope, unitName(name), ['Id']))
  return shown?.Id || unitName(name)
}

/**
 * Properties of a unit, or of the manager itself (null): `KEY=VALUE` lines of systemctl show. A unit that does not exist has
 * `LoadState=not-found`.
 */
export async function showUnit<Key extends string>(
  world: World,
  scope: Scope,
  unit: string | null,
  keys: readonly Key[],
): Promise<Record<Key, string>> {
  const args = ['show', ...(unit === null ? [] : [unit]), `--property=${keys.join(',')}`]
  return properties(await systemctl(world, scope, args), keys)
}

/** The properties of several units, by their names. */
export async function showUnits<Key extends string>(
  world: World,
  scope: Scope,
  units: readonly string[],
  keys: readonly Key[],
): Promise<Map<string, Record<Key, string>>> {
  const output = await systemctl(world, scope, ['show', ...units, `--property=${keys.join(',')}`])
  const blocks = output.split('\n\n') // in the order of `units`
  return new Map(units.map((unit, index) => [unit, properties(blocks[index] ?? '', keys)]))
}

function properties<Key extends string>(text: string, keys: readonly Key[]): Record<Key, string> {
  const lines = text.matchAll(/^([^=\n]+)=(.*)$/gm)
  const shown = Object.fromEntries([...lines].map(([, key = '', value]) => [key, value]))
  return Object.fromEntries(keys.map((key) => [key, shown[key] ?? ''])) as Record<Key, string>
}

const TIMESPAN_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  month: 2_629_800_000,
  y: 31_557_600_000,
}

/** systemctl show prints time spans as `1min 30s` (systemd.time(7)); milliseconds, 0 for `infinity` and the like. */
export function parseTimespan(text: string): number {
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|min|h|d|w|month|y)\b/g)
  return [...parts].reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (TIMESPAN_MS[unit] ?? 0), 0)
}

/** The options of journalctl(1) for these units. */
export function journalSelection(scope: Scope, units: readonly string[]): string[] {
  return scope === 'user'
    ? ['--user', ...units.map((unit) => `--user-unit=${unit}`)]
    : units.map((unit) => `--unit=${unit}`)
}

/** Each call reads the lines that the journal of a unit got since the call before, oldest first. */
export function journalReader(world: World, scope: Scope, unit: string): () => Promise<string> {
  const argv = ['journalctl', ...journalSelection(scope, [unit]), '--quiet', '--output=cat', '--show-cursor']
  let from = `--since=@${Math.floor(world.now() / 1000)}`
  return async () => {
    const { stdout } = await tryCommand(world, [...argv, from])
    const [, lines = stdout, cursor] = /^([\s\S]*?)-- cursor: (.+)\n$/.exec(stdout) ?? []
    if (cursor !== undefined) from = `--after-cursor=${cursor}`
    return printable(lines) // the checkout's programs wrote them
  }
}
