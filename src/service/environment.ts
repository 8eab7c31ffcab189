import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { checkoutOwner } from '../git/owner.ts'
import { readInstalled } from '../state/installed.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { noSuchFile, verifyPrivate } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { tryCommand } from './commands.ts'
import { readSupervisor } from './run/manager.ts'
import { parseVariables } from './variables.ts'

/** Set by telec's units: the environment is that of a service manager, and not that of somebody's shell. */
export const UNIT_MARK = 'TELEC_UNIT'

const FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What a user's units have under every service manager, whatever else is set there. */
const SESSION =
  /^(HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|XDG_RUNTIME_DIR|XDG_CONFIG_HOME|NO_COLOR|TELEC_\w+)$/

/** The PATH of telec's units. Managers give a bare one; by this the install command finds the node that telec runs on. */
export function unitPath({ platform }: World, node: string, folders: readonly string[]): string {
  return inFront([...folders, dirname(node), ...(platform === 'darwin' ? homebrew(node) : [])], FOLDERS)
}

/** Where Homebrew keeps what it installs: on Apple silicon, and around a Node.js of its own. */
function homebrew(node: string): string[] {
  const [, prefix] = /^(\/.+)\/(?:Cellar|opt)\/[^/]+\//.exec(node) ?? []
  const prefixes = [...(prefix === undefined ? [] : [prefix]), '/opt/homebrew']
  return prefixes.flatMap((folder) => [`${folder}/bin`, `${folder}/sbin`])
}

/**
 * The environment of the commands that people wrote: install, health, on_status and migrations. It is that of telec's
 * units, also where a person starts telec in a shell, so that what works once works always.
 *
 * @param own what goes before the environment of the units, and not before `deployment.env_file`.
 */
export async function commandEnvironment(
  service: Service,
  own: Readonly<Record<string, string>> = {},
): Promise<NodeJS.ProcessEnv> {
  const { world, config } = service
  const { path, env_file } = config.deployment
  const isOfManager = world.env[UNIT_MARK] !== undefined || readSupervisor(service) !== null
  const env = isOfManager ? world.env : await environmentOfUnits(service)
  const more = env_file === undefined ? {} : readVariables(env_file)
  const all = { ...withoutTokens(env), ...own, ...more }
  return { ...all, PATH: inFront(path, all.PATH ?? FOLDERS) }
}

/** What telec itself reads a token or a password from is not for the code of the checkout. */
export function withoutTokens(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isOurs = (name: string) => /^(GIT(HUB|LAB|EA)_TOKEN|TELEC_REDIS_URL)$/.test(name)
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isOurs(name)))
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

/**
 * The environment in which the timer's polls ask the remote: nothing of a shell's. Null where that is the one that telec has:
 * no units are installed, or it runs in one.
 */
export async function timerEnvironment(service: Service): Promise<NodeJS.ProcessEnv | null> {
  const { world, config, paths } = service
  const installed = readInstalled(paths)
  if (!installed || world.env[UNIT_MARK] !== undefined || readSupervisor(service) !== null) return null
  const { manager, scope } = installed
  const { SSH_AUTH_SOCK = '', XDG_CONFIG_HOME } = world.env
  const isUsers = scope === 'user'
  const owner = isUsers ? null : checkoutOwner(config.deployment.checkout)
  const user = world.user()
  return {
    ...(manager === 'systemd' ? await environmentOfManager(service, scope) : {}),
    // launchd gives its agents that of the system's own ssh agent.
    ...(manager === 'launchd' &&
      isUsers &&
      /\/com\.apple\.launchd\./.test(SSH_AUTH_SOCK) && { SSH_AUTH_SOCK }),
    ...(isUsers && XDG_CONFIG_HOME && { XDG_CONFIG_HOME }), // the units have it from telec install
    USER: user,
    LOGNAME: user,
    HOME: owner?.home ?? world.home,
    PATH: unitPath(world, world.program.node, config.deployment.path),
  }
}

/** What systemd gives to units; nothing where it does not answer. */
async function environmentOfManager({ world }: Service, scope: Scope): Promise<Record<string, string>> {
  const { code, stdout } = await tryCommand(world, ['systemctl', `--${scope}`, 'show-environment'])
  return parseShown(code === 0 ? stdout : '')
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
}

/** `NAME=VALUE` lines of systemctl show-environment, which writes a value that a shell would not take as `$'…'`. */
export function parseShown(text: string): Record<string, string> {
  const lines = text.split('\n').map((line) => /^(\w+)=(?:\$'(.*)'|(.*))$/.exec(line))
  return Object.fromEntries(
    lines.flatMap((found) => {
      const [, name = '', escaped, plain = ''] = found ?? []
      if (!found) return []
      const value = escaped?.replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
        code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (ESCAPES[code] ?? code),
      )
      return [[name, value ?? plain]]
    }),
  )
}

/** The variables of `deployment.env_file`. Throws a TelecError of kind `config` where they cannot be had. */
function readVariables(path: string): Record<string, string> {
  const wrong = (what: string) =>
    new TelecError('config', `deployment.env_file is ${path}, ${what}`, {
      hint: `write a line NAME=VALUE for each variable to ${path}, or remove the key`,
    })
  const text = readPlainText(path)
  if (text === null && !existsSync(path))
    throw noSuchFile(
      'deployment.env_file',
      'write a line NAME=VALUE for each variable there, or remove the key',
    )
  if (text === null) throw wrong('which is no file')
  verifyPrivate(path, true, undefined, 'deployment.env_file')
  const { variables, malformed } = parseVariables(text)
  if (malformed !== null) throw wrong(`whose line ${malformed} is not NAME=VALUE`)
  return variables
}

function inFront(folders: readonly string[], path: string): string {
  return [...new Set([...folders, ...path.split(':')])].join(':')
}
