import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import * as v from 'valibot'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { UNNAMED } from '../config/services.ts'
import { checkoutOwner } from '../git/repository.ts'
import { readInstalled } from '../state/installed.ts'
import type { Account } from '../system/account.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { readPlainText, readText } from '../system/files.ts'
import { fromJson } from '../system/schemas.ts'
import { noSuchFile, verifyPrivate, wrongPath } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { readSupervisor } from './run/manager.ts'
import { unitName } from './systemd/systemctl.ts'

/** telec's units set it: the environment comes from a service manager, and not from a shell. */
export const UNIT_MARK = 'TELEC_UNIT'

const FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Variables that a user's units have under every service manager. */
const SESSION =
  /^(HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|NO_COLOR|TELEC_\w+)$/

/** The PATH of telec's units: with it the install command finds the node of telec, which the managers' PATH may lack. */
export function unitPath({ platform }: World, node: string, folders: readonly string[]): string {
  return inFront([...folders, dirname(node), ...(platform === 'darwin' ? homebrew(node) : [])], FOLDERS)
}

/** Homebrew's folders: around its own Node.js, and those of Apple silicon. */
function homebrew(node: string): string[] {
  const [, prefix] = /^(\/.+)\/(?:Cellar|opt)\/[^/]+\//.exec(node) ?? []
  const prefixes = [...(prefix === undefined ? [] : [prefix]), '/opt/homebrew']
  return prefixes.flatMap((folder) => [`${folder}/bin`, `${folder}/sbin`])
}

/**
 * The environment of install, health, on_status and migrations: that of telec's units, also for a telec in a shell, so that
 * both give the same result.
 *
 * @param own replaces variables of the units, but none of `deployment.env_file`.
 */
export async function commandEnvironment(
  service: Service,
  own: Readonly<Record<string, string>> = {},
): Promise<NodeJS.ProcessEnv> {
  const { world, config } = service
  const { path, env_file } = config.deployment
  const env = isStartedByManager(service) ? world.env : await environmentOfUnits(service)
  const more = env_file === undefined ? {} : readVariables(env_file)
  const all = { ...withoutTokens(env), ...own, ...more }
  return { ...all, PATH: inFront(path, all.PATH ?? FOLDERS) }
}

/** telec's own tokens and passwords are not for the code of the checkout. */
export function withoutTokens(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSecret = (name: string) => /^(GIT(HUB|LAB|EA)_TOKEN|TELEC_REDIS_URL)$/.test(name)
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isSecret(name)))
}

async function environmentOfUnits(service: Service): Promise<NodeJS.ProcessEnv> {
  const { world, paths } = service
  const session = Object.entries(world.env).filter(([name]) => SESSION.test(name))
  const { manager, scope } = readInstalled(paths) ?? {}
  return {
    ...(manager === 'systemd' && scope ? await environmentOfManager(service, scope) : {}),
    ...Object.fromEntries(session),
    PATH: unitPath(world, world.program.node, []),
  }
}

function isStartedByManager(service: Service): boolean {
  return service.world.env[UNIT_MARK] !== undefined || readSupervisor(service) !== null
}

/** The environment of the timer's polls. Null where telec has the same: no units are installed, or it runs in one. */
export async function timerEnvironment(service: Service): Promise<NodeJS.ProcessEnv | null> {
  const { world, config, paths } = service
  const installed = readInstalled(paths)
  if (!installed || isStartedByManager(service)) return null
  const { manager, scope } = installed
  const { SSH_AUTH_SOCK = '' } = world.env
  const isOfLaunchd =
    manager === 'launchd' && scope === 'user' && /\/com\.apple\.launchd\./.test(SSH_AUTH_SOCK)
  const owner = scope === 'system' ? checkoutOwner(config.deployment.checkout) : null
  const user = world.user()
  return {
    ...(manager === 'systemd' ? await environmentOfManager(service, scope) : {}),
    ...(isOfLaunchd && { SSH_AUTH_SOCK }), // the system's own ssh agent
    USER: user,
    LOGNAME: user,
    ...unitEnvironment(service, manager, owner, world.program.node),
  }
}

/** The variables in telec's units. */
export function unitEnvironment(
  { world, config, paths }: Service,
  manager: 'systemd' | 'launchd',
  owner: Account | null,
  node: string,
): Record<string, string> {
  const { XDG_CONFIG_HOME } = world.env
  const first = manager === 'launchd' ? [dirname(node)] : [] // launchd starts the programs themselves, which find node in PATH
  return {
    TELEC_HOME: paths.home,
    // A home in `services/` has the name of its service; the home around it belongs to the service without a name.
    ...(paths.name === null && { TELEC_NAME: UNNAMED }),
    HOME: owner?.home ?? world.home,
    ...(owner === null && XDG_CONFIG_HOME && { XDG_CONFIG_HOME }),
    PATH: unitPath(world, node, [...first, ...config.deployment.path]),
    [UNIT_MARK]: '1',
  }
}

/** Empty where systemd does not answer. */
async function environmentOfManager({ world }: Service, scope: Scope): Promise<Record<string, string>> {
  const { code, stdout } = await tryCommand(world, ['systemctl', `--${scope}`, 'show-environment'])
  return parseShown(code === 0 ? stdout : '')
}

const ESCAPES = new Map(Object.entries({ n: '\n', t: '\t', r: '\r', a: '\u0007', b: '\b', f: '\f', v: '\v' }))

/** `NAME=VALUE` lines of systemctl show-environment; a value that a shell would change is `$'…'`. */
export function parseShown(text: string): Record<string, string> {
  const lines = text.matchAll(/^(\w+)=(?:\$'(.*)'|(.*))$/gm)
  const decode = (escaped: string) =>
    escaped.replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
      code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (ESCAPES.get(code) ?? code),
    )
  return Object.fromEntries(
    [...lines].map(([, name = '', escaped, plain = '']) => [
      name,
      escaped === undefined ? plain : decode(escaped),
    ]),
  )
}

/** The variables of `deployment.env_file`. */
function readVariables(path: string): Record<string, string> {
  const setting = 'deployment.env_file'
  const hint = 'write a line NAME=VALUE for each variable there, or remove the key'
  const text = readPlainText(path)
  if (text === null)
    throw existsSync(path) ? wrongPath(setting, path, 'is no file', hint) : noSuchFile(setting, hint)
  verifyPrivate(path, true, undefined, setting)
  const { variables, malformed } = parseVariables(text)
  if (malformed !== null) throw wrongPath(setting, path, `has no NAME=VALUE in line ${malformed}`, hint)
  return variables
}

/**
 * The service's own `Environment=` and `EnvironmentFile=`, as systemd knows them, with `service.environment`. Of several units
 * that of the first: together no process of the service has them. Under `telec run` the service has telec's own.
 */
export async function serviceEnvironment(service: Service): Promise<Record<string, string>> {
  const { world, config } = service
  if (!config.service?.environment || readSupervisor(service) !== null) return {}
  if (world.platform === 'darwin')
    throw new TelecError('config', 'service.environment is true, and needs systemd', {
      hint: 'write the variables to a file, and name it in deployment.env_file',
    })
  const unit = unitName(config.service.names[0])
  const get = async <Shape extends v.GenericSchema>(property: string, shape: Shape) => {
    // systemctl show quotes values, JSON does not.
    const argv = ['busctl', `--${config.service?.scope}`, '--json=short', 'get-property', BUS, objectOf(unit)]
    const { stdout, stderr } = await tryCommand(world, [...argv, `${BUS}.Service`, property])
    const answer = fromJson(v.object({ data: shape }), stdout)
    if (answer) return answer.data as v.InferOutput<Shape>
    throw new TelecError('later', `systemd does not say the environment of ${unit}`, {
      because: stderr.trim() || 'busctl prints no value',
      hint: `ask it: systemctl --${config.service?.scope} show ${shellWord(unit)} --property=${property}`,
    })
  }
  const set = await get('Environment', v.array(v.string()))
  const files = await get('EnvironmentFiles', v.array(v.tuple([v.string(), v.boolean()])))
  const variables = Object.fromEntries(
    set.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  )
  // A file goes before Environment=, and a later file before an earlier one (systemd.exec(5)).
  for (const [path, mayBeMissing] of files) Object.assign(variables, readFileOf(unit, path, mayBeMissing))
  return variables
}

function readFileOf(unit: string, path: string, mayBeMissing: boolean): Record<string, string> {
  const text = readText(path)
  if (text !== null || mayBeMissing) return parseVariables(text ?? '').variables
  throw new TelecError('halted', `EnvironmentFile= of ${unit} names ${path}, which does not exist`, {
    hint: 'write it, or remove the line from the unit; then: telec-update --retry',
  })
}

const BUS = 'org.freedesktop.systemd1'

/** The unit's object on the bus: all but letters and digits as `_HEX` (sd_bus_path_encode(3)). */
function objectOf(unit: string): string {
  const bytes = Buffer.from(unit).toString('latin1') // a character for each
  const hex = (byte: string) => `_${byte.charCodeAt(0).toString(16).padStart(2, '0')}`
  return `/org/freedesktop/systemd1/unit/${bytes.replace(/[^A-Za-z0-9]/g, hex)}`
}

/**
 * Reads lines `NAME=VALUE` as systemd reads an EnvironmentFile= (systemd.exec(5)): comments begin with `#` or `;`, quotes are
 * removed, a backslash at the end of a line continues it, nothing is expanded. Pure.
 *
 * @returns also the first other line, counted from 1.
 */
export function parseVariables(text: string): {
  readonly variables: Record<string, string>
  readonly malformed: number | null
} {
  const variables: Record<string, string> = {}
  let malformed: number | null = null
  let line = 1
  for (const [entry] of text.matchAll(ENTRY)) {
    const [, name, value = ''] = /^\s*(?:export\s+)?([A-Za-z_]\w*)=([\s\S]*)$/.exec(entry) ?? []
    if (name !== undefined) variables[name] = unquote(value.trim())
    else if (!/^\s*([#;].*)?$/.test(entry)) malformed ??= line
    line += entry.split('\n').length
  }
  return { variables, malformed }
}

/** A comment, or a line, which quotes and backslashes may continue. */
const ENTRY =
  /^(?:[ \t]*[#;].*|(?:[^=\n]*=[ \t]*(?:"(?:[^"\\]|\\[\s\S])*"|'[^']*'))[ \t]*$|(?:\\[\s\S]|[^\\\n])*)$/gm

function unquote(value: string): string {
  const [, double, single] = /^(?:"((?:[^"\\]|\\[\s\S])*)"|'([^']*)')$/.exec(value) ?? []
  if (single !== undefined) return single
  if (double !== undefined) return double.replace(/\\(["\\`$])/g, '$1').replace(/\\\n/g, '')
  return value.replace(/\\([\s\S])/g, (_, next: string) => (next === '\n' ? '' : next))
}

function inFront(folders: readonly string[], path: string): string {
  return [...new Set([...folders, ...path.split(':')])].join(':')
}
