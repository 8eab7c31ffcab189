import { dirname } from 'node:path'
import gt from 'semver/functions/gt'
import valid from 'semver/functions/valid'
import type { Service } from '../config/service.ts'
import { describeNewer, type Newer, recordNewer } from '../state/newer.ts'
import { orNull } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import { leadsInto } from '../system/places.ts'
import { COMMIT, VERSION } from '../system/version.ts'
import type { World } from '../system/world.ts'
import type { Checks } from './check.ts'

/** telec itself. That there is a newer one is no fault. */
export const TELEC_CHECKS: Checks = { telec }

async function telec({ world, config }: Service): Promise<string> {
  const own = `${VERSION} (${COMMIT.slice(0, 12)})`
  const { checkout } = config.deployment
  const newer = leadsInto(world.program.path, checkout) ? undefined : await findNewer(world)
  if (newer !== undefined) await recordNewer(world, newer)
  return newer ? `${own}; ${describeNewer(newer)}` : own
}

/** Asks whence this telec was installed. Undefined: from neither npm nor a package, or there was no answer. */
async function findNewer(world: World): Promise<Newer | null | undefined> {
  const { path } = world.program
  if (/\/lib\/node_modules\/telec\/dist\/telec$/.test(path)) {
    const version = parseNpm(await said(world, NPM))
    return typeof version === 'string'
      ? { version, command: `${mayAccess(dirname(path), 'write') ? '' : 'sudo '}npm install --global telec` }
      : version
  }
  if (!/^\/usr\/(?!local\/)/.test(path)) return undefined
  const [, name] =
    /^([a-z\d][a-z\d+.-]+)(?::\w+)?: \//.exec(await said(world, ['dpkg', '--search', path])) ?? []
  if (name === undefined) return undefined
  const version = parseApt(await said(world, ['apt-cache', 'policy', name]))
  return typeof version === 'string' ? { version, command: `sudo apt-get install ${name}` } : version
}

/** npm knows its registry, proxy, certificates and logins; it asks once, and keeps no log. */
const NPM = [
  ...['npm', 'view', 'telec', 'version', '--prefer-online', '--fetch-retries=0', '--logs-max=0'],
  '--no-update-notifier',
]
const TIMEOUT_MS = 5_000

/** What a program prints; nothing where it is missing, fails or takes too long. */
async function said(world: World, [program = '', ...args]: readonly string[]): Promise<string> {
  const options = {
    cwd: '/', // npm reads the .npmrc of the folder that it runs in
    env: { ...world.env, LC_ALL: 'C' },
    timeoutMs: TIMEOUT_MS,
    maxOutput: 64 * 1024,
  }
  const result = await orNull(() => world.run(program, args, options))
  return result?.code === 0 ? result.stdout : ''
}

/** The version in the answer where it is newer than this one; null: none is, undefined: no answer. Pure. */
export function parseNpm(text: string): string | null | undefined {
  const version = valid(text.trim())
  return version === null ? undefined : gt(version, VERSION) ? version : null
}

/** As `parseNpm`. apt never offers an older one, unless the administrator told it to. Pure. */
export function parseApt(text: string): string | null | undefined {
  const [, installed] = /^ {2}Installed: (\S+)$/m.exec(text) ?? []
  const [, candidate] = /^ {2}Candidate: ([\w.+~:-]+)$/m.exec(text) ?? []
  if (installed === undefined || candidate === undefined) return undefined
  return candidate === installed ? null : candidate
}
