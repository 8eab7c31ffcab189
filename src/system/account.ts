import { spawnSync } from 'node:child_process'
import type { World } from './world.ts'

/** A user of this computer, in whose name programs are run. */
export type Account = Readonly<Record<'uid' | 'gid', number> & Record<'name' | 'home' | 'shell', string>>

/** The user with this id, whatever keeps them (passwd, LDAP, …); null where it has no name here. */
export function accountOf(uid: number): Account | null {
  const { status, stdout } = spawnSync('getent', ['passwd', String(uid)], { encoding: 'utf8' })
  const [name, , , gid, , home, shell] = status === 0 ? stdout.trim().split(':') : []
  if (!name || !/^\d+$/.test(gid ?? '')) return null
  return { uid, gid: Number(gid), name, home: home || '/', shell: shell || '/bin/sh' }
}

/** The command, run by that user. Spawn's `uid` and `gid` would drop the user's other groups, such as docker. */
export function commandAs(account: Account | null, command: readonly string[]): readonly string[] {
  if (account === null) return command
  const { uid, gid } = account
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--inh-caps=-all', '--', ...command]
}

/** What belongs to root's own session: folders that others cannot enter, agents that are not theirs to ask. */
const OWN_SESSION = /^(XDG_|SUDO_|DBUS_|SSH_AUTH_SOCK$|SSH_AGENT_PID$|GNUPGHOME$|MAIL$|TMPDIR$|TMP$|TEMP$)/

/** The world as that user has it, as far as programs are concerned: what is run there runs in their name. */
export function actAs(world: World, account: Account | null): World {
  if (account === null) return world
  const { uid, name, home, shell } = account
  const kept = Object.entries(world.env).filter(([key]) => !OWN_SESSION.test(key))
  return {
    ...world,
    env: { ...Object.fromEntries(kept), HOME: home, USER: name, LOGNAME: name, SHELL: shell },
    home,
    uid,
    user: () => name,
    run(command, args, options) {
      const [program = '', ...rest] = commandAs(account, [command, ...args])
      return world.run(program, rest, options)
    },
  }
}
