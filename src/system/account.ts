import { spawnSync } from 'node:child_process'

/** A user of this computer. */
export type Account = Readonly<Record<'uid' | 'gid', number> & Record<'name' | 'home', string>>

/** The user with this id, from passwd, LDAP or the like; null where the id has no name. */
export function accountOf(uid: number): Account | null {
  const isDarwin = process.platform === 'darwin' // whose id(1) prints the long form of passwd(5)
  const [program, ...args] = isDarwin ? ['id', '-P', String(uid)] : ['getent', 'passwd', String(uid)]
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' })
  const [name, , , gid, ...rest] = status === 0 ? stdout.trim().split(':') : []
  const home = rest.at(-2)
  if (!name || !/^\d+$/.test(gid ?? '')) return null
  return { uid, gid: Number(gid), name, home: home || '/' }
}
