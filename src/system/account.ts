import { spawnSync } from 'node:child_process'

/** A user of this computer. */
export type Account = Readonly<Record<'uid' | 'gid', number> & Record<'name' | 'home', string>>

/** The user with this id, whatever keeps them (passwd, LDAP, …); null where it has no name here. */
export function accountOf(uid: number): Account | null {
  const { status, stdout } = spawnSync('getent', ['passwd', String(uid)], { encoding: 'utf8' })
  const [name, , , gid, , home] = status === 0 ? stdout.trim().split(':') : []
  if (!name || !/^\d+$/.test(gid ?? '')) return null
  return { uid, gid: Number(gid), name, home: home || '/' }
}
