import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Account, accountOf } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { verifyPrivate } from '../system/trust.ts'

/** Known without asking, which each of root's own programs would do at its start. */
const ROOT: Account = { uid: 0, gid: 0, name: 'root', home: '/root' }

/**
 * The user whose checkout it is, as whom telec runs. Throws `config` where that cannot be told, and
 * where others than root and that user could put another folder in its place, and have telec run as whoever owns that one.
 */
export function checkoutOwner(checkout: string): Account {
  const git = lstatSync(join(checkout, '.git'), { throwIfNoEntry: false })
  if (!git)
    throw new TelecError('config', `deployment.checkout is ${checkout}, which is not a git work tree`, {
      hint: `clone the service there, as the user that is to run telec: git clone URL ${checkout}`,
    })
  // Its configuration can name commands, so they are run by whoever may write it.
  const { uid } = git
  verifyInPlace(checkout, uid)
  if (uid === 0) return ROOT
  const account = accountOf(uid)
  if (account !== null) return account
  throw new TelecError('config', `deployment.checkout is ${checkout}, which belongs to nobody (uid ${uid})`, {
    because: 'telec runs as its owner',
    hint: `give that id a user (useradd --uid ${uid} NAME), or the checkout to another one: chown -R USER ${checkout}`,
  })
}

/**
 * Throws `config` where others than root and the owner could put another folder in the place of a checkout's, between two
 * looks at it. A group may share the checkout of a user; who can write to root's can become root.
 */
export function verifyInPlace(folder: string, uid: number): void {
  verifyPrivate(folder, uid !== 0, uid, 'deployment.checkout')
}
