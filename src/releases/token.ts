import type { Service } from '../config/service.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { readText } from '../system/files.ts'
import { noSuchFile, verifyPrivate, verifySecret, wrongPath } from '../system/trust.ts'
import type { Forge } from './forges.ts'

export interface Token {
  readonly value: string
  /** For messages. */
  readonly source: string
}

const LOGIN_TIMEOUT_MS = 5_000

/** The token for an API: from the environment, a file, or a command of the forge; null where there is none. */
export async function findToken(
  { world, config: { deployment } }: Service,
  { variable, login }: Forge,
  host: string,
): Promise<Token | null> {
  const fromEnvironment = world.env[variable]?.trim()
  if (fromEnvironment) return { value: verified(fromEnvironment, variable), source: variable }
  if (deployment.token_file) return readTokenFile(deployment.token_file)
  if (!login) return null
  const [program, ...args] = login(host)
  const options = { cwd: '/', env: world.env, timeoutMs: LOGIN_TIMEOUT_MS }
  const result = await world.run(program, args, options).catch(() => null) // it is not installed
  const value = result?.code === 0 ? result.stdout.trim() : ''
  const source = `${program} auth token`
  return value ? { value: verified(value, source), source } : null
}

function readTokenFile(path: string): Token {
  const text = readText(path)?.trim()
  const setting = 'deployment.token_file'
  if (text === undefined) throw noSuchFile(setting, 'write the token there: install -m 600 /dev/stdin FILE')
  if (text === '')
    throw wrongPath(
      setting,
      path,
      'holds no token',
      `write it there: install -m 600 /dev/stdin ${shellWord(path)}`,
    )
  verifyPrivate(path, false, undefined, setting)
  verifySecret(`${setting} is`, path, false)
  return { value: verified(text, path), source: path }
}

/** A header takes printable ASCII only. The message does not quote the token. */
function verified(value: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value
  throw new TelecError('config', `the token of ${source} has invalid characters`, {
    hint: 'write the token alone: one word of printable ASCII',
  })
}
