import { existsSync, lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Account, accountOf } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { isForeign, OTHERS, type Place, wayTo } from '../system/trust.ts'

/** Known without asking, which each of root's own programs would do at its start. */
const ROOT: Account = { uid: 0, gid: 0, name: 'root', home: '/root' }

/**
 * The user whose checkout it is, as whom telec runs. Throws `config` where that cannot be told, and
 * where others than root and that user could put another folder in its place, and have telec run as whoever owns that one.
 */
export function checkoutOwner(checkout: string): Account {
  const way = wayTo(checkout)
  const folder = way.at(-1)
  const git = join(checkout, '.git')
  if (!folder || !existsSync(git))
    throw new TelecError('config', `deployment.checkout is ${checkout}, which is not a git work tree`, {
      hint: `clone the service there, as the user that is to run telec: git clone URL ${checkout}`,
    })
  // Its configuration can name commands, so they are run by whoever may write it.
  const { uid } = lstatSync(git)
  // Of root's own checkout it is not asked who else may write: volumes of containers are open to all.
  const isWeak = (place: Place) => isForeign(place, uid) || (uid !== 0 && place.writers & OTHERS)
  const weak = way.find(isWeak)
  if (weak) {
    const who = isForeign(weak, uid) ? `uid ${weak.uid}` : 'anybody'
    const open = weak.writers & OTHERS ? ', writable by all' : ''
    throw new TelecError(
      'config',
      `deployment.checkout is ${checkout}, which ${who} could put something else in the place of`,
      {
        because: `its .git belongs to uid ${uid}, and ${weak.path} to uid ${weak.uid}${open}`,
        hint: `give all of it to one user (chown -R USER ${checkout}), in a folder that only they or root may write`,
      },
    )
  }
  if (uid === 0) return ROOT
  const account = accountOf(uid)
  if (account !== null) return account
  throw new TelecError('config', `deployment.checkout is ${checkout}, which belongs to nobody (uid ${uid})`, {
    because: 'telec runs as its owner',
    hint: `give that id a user (useradd --uid ${uid} NAME), or the checkout to another one: chown -R USER ${checkout}`,
  })
}
