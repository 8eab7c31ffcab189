import { join } from 'node:path'
import { actAs } from '../system/account.ts'
import { readPlainText } from '../system/files.ts'
import type { Repository } from './repository.ts'

/**
 * A URL may hold a password, and git hands URLs on to programs of its own as arguments, which everybody on a computer can
 * read (ps(1)). What follows has git use the URL without it, and ask for it in a way that only this user can see.
 */

/** A URL as it is configured, and as it is once git has replaced what the user has it replace. */
export interface RemoteUrl {
  readonly configured: string
  readonly used: string
}

interface Login {
  /** The URL without it. */
  readonly url: string
  /** What a helper is for (gitcredentials(7)). */
  readonly origin: string
  readonly username: string
  readonly password: string
}

/** The user name and password in a URL of HTTP; null: there are none, or none that git could understand. */
export function loginIn(url: string): Login | null {
  const [, scheme = '', login, rest = ''] = /^(https?:\/\/)([^/\s]*)@(.*)$/i.exec(url) ?? []
  if (login === undefined) return null
  const [username = '', ...password] = login.split(':')
  try {
    return {
      url: scheme + rest,
      origin: scheme + rest.replace(/[/?#].*$/, ''),
      username: decodeURIComponent(username),
      password: decodeURIComponent(password.join(':')),
    }
  } catch {
    return null // a % that encodes nothing
  }
}

/** Answers what git asks for (git-credential(1)) from the environment, which is nobody else's to read. */
const HELPER = (number: number) =>
  `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$TELEC_USERNAME_${number}" "$TELEC_PASSWORD_${number}"; }; f`

/** The environment by which git uses these without their logins, which are asked for instead; of a host the first. */
export function hideLogins(urls: readonly RemoteUrl[]): Record<string, string> {
  const settings: string[] = []
  const env: Record<string, string> = {}
  const origins = new Set<string>()
  for (const { configured, used } of urls) {
    const login = loginIn(used)
    if (login === null || origins.has(login.origin) || /[='\n]/.test(login.url)) continue
    origins.add(login.origin)
    env[`TELEC_USERNAME_${origins.size}`] = login.username
    env[`TELEC_PASSWORD_${origins.size}`] = login.password
    settings.push(
      `url.${login.url}.insteadOf=${configured}`, // the longest that fits counts: this is the whole of it
      `credential.${login.origin}.helper=`, // none of those that are configured
      `credential.${login.origin}.helper=${HELPER(origins.size)}`,
    )
  }
  if (settings.length === 0) return {}
  // Every git reads it, and hands it on to those that it starts; GIT_CONFIG_COUNT is of 2.31.
  return { ...env, GIT_CONFIG_PARAMETERS: settings.map(quoted).join(' ') }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Whether a login may be in what git reads: most polls need not ask it. */
export function mayHoldLogins(repository: Repository): boolean {
  return settingsTexts(repository).some((text) => /https?:\/\/[^/\s"]*@/i.test(text))
}

/** The texts of those files of git's settings that are not root's. */
export function settingsTexts({ world, gitDir, commonDir, owner }: Repository): string[] {
  const { env, home } = actAs(world, owner)
  const xdg = env.XDG_CONFIG_HOME || join(home, '.config')
  const paths = [
    join(commonDir, 'config'),
    join(gitDir, 'config.worktree'),
    join(home, '.gitconfig'),
    join(xdg, 'git/config'),
  ]
  return paths.map((path) => readPlainText(path) ?? '')
}
