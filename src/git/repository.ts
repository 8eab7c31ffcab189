import { statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { type Account, accountOf } from '../system/account.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { lstat, readPlainText } from '../system/files.ts'
import { verifyPrivate, wrongPath } from '../system/trust.ts'
import type { World } from '../system/world.ts'

/** A checkout, with explicit folders: so git never searches the folders above for a repository. */
export interface Repository {
  readonly world: World
  readonly gitDir: string
  /** The folder of refs, objects and the configuration: another one for a linked work tree (gitrepository-layout(5)). */
  readonly commonDir: string
  readonly workTree: string
}

/** Finds the repository of a checkout without a git. Throws a TelecError of kind `config`. */
export function locateRepository(world: World, checkout: string): Repository {
  const wrong = (what: string, hint: string) => wrongPath('deployment.checkout', checkout, what, hint)
  const elsewhere = `mount its disk, set deployment.checkout to its new place, or clone it: git clone URL ${shellWord(checkout)}`
  const statOf = (path: string) => {
    try {
      return statSync(path, { throwIfNoEntry: false })
    } catch (error) {
      throw wrong('telec cannot access', `run telec as its owner (${(error as Error).message})`)
    }
  }
  if (!statOf(checkout)?.isDirectory()) throw wrong('is not a folder', elsewhere)
  const dotGit = join(checkout, '.git')
  const entry = statOf(dotGit)
  if (!entry) throw wrong('is not a git work tree (it has no .git)', elsewhere)
  // Given --git-dir, git does not check the owner; another user's configuration can run commands.
  if (entry.uid !== world.uid) {
    const owner = world.uid === 0 ? accountOf(entry.uid) : null
    throw wrong(
      `belongs to another user (${owner?.name ?? `uid ${entry.uid}, telec runs as ${world.uid}`})`,
      owner
        ? `run telec as its owner: sudo -u ${shellWord(owner.name)} …`
        : 'run telec as its owner; in system scope update the units for a new owner: sudo telec install',
    )
  }
  verifyInPlace(checkout, world.uid)
  if (entry.isDirectory()) return { world, gitDir: dotGit, commonDir: dotGit, workTree: checkout }
  // A linked work tree: gitrepository-layout(5), "gitdir: PATH".
  const [, path] = /^gitdir: (.+)\n?$/.exec(readPlainText(dotGit) ?? '') ?? []
  if (!path) throw wrong('has a .git file that names no folder', `check ${dotGit}`)
  const gitDir = isAbsolute(path) ? path : resolve(checkout, path)
  const common = readPlainText(join(gitDir, 'commondir'))?.trim()
  const commonDir = common ? resolve(gitDir, common) : gitDir
  for (const folder of [gitDir, commonDir]) verifyInPlace(folder, world.uid)
  return { world, gitDir, commonDir, workTree: checkout }
}

/** Without a look-up, which each of root's programs would need at its start. */
const ROOT: Account = { uid: 0, gid: 0, name: 'root', home: '/root' }

/**
 * The owner of a checkout; in system scope telec runs as this user. Throws `config` where there is none, or where another
 * user could replace the checkout by a folder of a third one.
 */
export function checkoutOwner(checkout: string): Account {
  const git = lstat(join(checkout, '.git'))
  if (!git)
    throw new TelecError('config', `deployment.checkout is ${checkout}, which is not a git work tree`, {
      hint: `clone the service there, as the user for telec: git clone URL ${shellWord(checkout)}`,
    })
  const { uid } = git // git's configuration can name commands: its owner runs them
  verifyInPlace(checkout, uid)
  if (uid === 0) return ROOT
  const account = accountOf(uid)
  if (account !== null) return account
  throw new TelecError(
    'config',
    `deployment.checkout is ${checkout}, and its owner, uid ${uid}, is no user`,
    {
      because: 'telec runs as the owner of the checkout',
      hint: `create the user (useradd --uid ${uid} NAME), or give the checkout to another one: chown -R USER ${shellWord(checkout)}`,
    },
  )
}

/** Throws `config` where users beside root and the owner could replace the folder. A group may share a user's, but not root's. */
function verifyInPlace(folder: string, uid: number): void {
  verifyPrivate(folder, uid !== 0, uid, 'deployment.checkout')
}
