import type { Paths, Scope } from '../../config/paths.ts'
import { orNull } from '../../system/errors.ts'
import { printable } from '../../system/log.ts'
import type { World } from '../../system/world.ts'
import { runCommand, tryCommand } from '../commands.ts'

/** Throws `halted` with systemctl's own words when it fails, unless it may. */
export function systemctl(
  world: World,
  scope: Scope,
  args: readonly string[],
  mayFail = false,
): Promise<string> {
  const hint =
    scope === 'user'
      ? 'is a user manager running? loginctl enable-linger keeps one running without a login'
      : 'the system manager takes orders from root only'
  return runCommand(world, { argv: ['systemctl', `--${scope}`, '--no-ask-password', ...args], mayFail }, hint)
}

/** One of telec's own units, for a service that has a name: `telec-watch@NAME.timer`. */
export function ownUnit({ name }: Paths, unit: string): string {
  return name === null ? unit : unit.replace('.', `@${name}.`)
}

/** All that end the name of a unit (systemd.unit(5)): `web.co` is the name of a service. */
const UNIT_TYPES = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/

/** A name as systemctl takes it: one that says no type is that of a service (systemctl(1)). */
export function unitName(name: string): string {
  return UNIT_TYPES.test(name) ? name : `${name}.service`
}

/** What systemd itself calls a unit, in control groups and in the journal, where `name` is an alias. */
export async function canonicalName(world: World, scope: Scope, name: string): Promise<string> {
  const shown = await orNull(() => showUnit(world, scope, unitName(name), ['Id']))
  return shown?.Id || unitName(name)
}

/** Properties of a unit, `KEY=VALUE` lines of systemctl show. A unit that does not exist has `LoadState=not-found`. */
export async function showUnit<Key extends string>(
  world: World,
  scope: Scope,
  unit: string,
  keys: readonly Key[],
): Promise<Record<Key, string>> {
  return properties(await systemctl(world, scope, ['show', unit, `--property=${keys.join(',')}`]), keys)
}

/** The same of the manager itself. */
export async function showManager<Key extends string>(
  world: World,
  scope: Scope,
  keys: readonly Key[],
): Promise<Record<Key, string>> {
  return properties(await systemctl(world, scope, ['show', `--property=${keys.join(',')}`]), keys)
}

/** The same of several units, by their names. */
export async function showUnits<Key extends string>(
  world: World,
  scope: Scope,
  units: readonly string[],
  keys: readonly Key[],
): Promise<Map<string, Record<Key, string>>> {
  const output = await systemctl(world, scope, ['show', ...units, `--property=${keys.join(',')}`])
  const blocks = output.split('\n\n') // in the order that was asked for
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

/** What selects the lines of these units: journalctl(1) reads a user's units by another option. */
export function journalSelection(scope: Scope, units: readonly string[]): string[] {
  return scope === 'user'
    ? ['--user', ...units.map((unit) => `--user-unit=${unit}`)]
    : units.map((unit) => `--unit=${unit}`)
}

/** Reads on in the journal of a unit: each call gives the lines that came since the one before, oldest first. */
export function journalReader(world: World, scope: Scope, unit: string): () => Promise<string> {
  const argv = ['journalctl', ...journalSelection(scope, [unit]), '--quiet', '--output=cat', '--show-cursor']
  let from = `--since=@${Math.floor(world.now() / 1000)}`
  return async () => {
    const { stdout } = await tryCommand(world, [...argv, from])
    const [, lines = stdout, cursor] = /^([\s\S]*?)-- cursor: (.+)\n$/.exec(stdout) ?? []
    if (cursor !== undefined) from = `--after-cursor=${cursor}`
    return printable(lines) // whoever wrote them: the unit's programs are the checkout's
  }
}
