import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import { readInstalled } from '../state/installed.ts'
import { readPlainText } from '../system/files.ts'
import { noSuchFile, verifyPrivate, wrongPath } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { readSupervisor } from './run/manager.ts'
import { parseVariables } from './variables.ts'

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
  const { SSH_AUTH_SOCK = '', XDG_CONFIG_HOME } = world.env
  const isUsers = scope === 'user'
  const owner = isUsers ? null : checkoutOwner(config.deployment.checkout)
  const user = world.user()
  return {
    ...(manager === 'systemd' ? await environmentOfManager(service, scope) : {}),
    // launchd sets it to the system's own ssh agent.
    ...(manager === 'launchd' &&
      isUsers &&
      /\/com\.apple\.launchd\./.test(SSH_AUTH_SOCK) && { SSH_AUTH_SOCK }),
    ...(isUsers && XDG_CONFIG_HOME && { XDG_CONFIG_HOME }), // telec install writes it into the units
    USER: user,
    LOGNAME: user,
    HOME: owner?.home ?? world.home,
    PATH: unitPath(world, world.program.node, config.deployment.path),
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

function inFront(folders: readonly string[], path: string): string {
  return [...new Set([...folders, ...path.split(':')])].join(':')
}
