import { statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { accountOf } from '../system/account.ts'
import { readPlainText } from '../system/files.ts'
import { wrongPath } from '../system/trust.ts'
import type { World } from '../system/world.ts'
import { verifyInPlace } from './owner.ts'

/** A checkout, as git gets it: both folders explicit, so that git never walks up into another repository. */
export interface Repository {
  readonly world: World
  readonly gitDir: string
  /** Where refs, objects and the configuration lie: elsewhere for a linked work tree (gitrepository-layout(5)). */
  readonly commonDir: string
  readonly workTree: string
}

/** Finds the repository of a checkout without asking git. Throws a TelecError of kind `config`. */
export function locateRepository(world: World, checkout: string): Repository {
  const wrong = (what: string, hint: string) => wrongPath('deployment.checkout', checkout, what, hint)
  const elsewhere = `mount its disk, set deployment.checkout to where it is now, or clone it: git clone URL ${checkout}`
  const lookAt = (path: string) => {
    try {
      return statSync(path, { throwIfNoEntry: false })
    } catch (error) {
      throw wrong('cannot be looked at', `${(error as Error).message}; telec has to run as its owner`)
    }
  }
  const folder = lookAt(checkout)
  if (!folder?.isDirectory()) throw wrong('is not a folder', elsewhere)
  const dotGit = join(checkout, '.git')
  const entry = lookAt(dotGit)
  if (!entry) throw wrong('is not a git work tree (it has no .git)', elsewhere)
  // Given --git-dir, git does not check the owner; another user's configuration can run commands.
  if (entry.uid !== world.uid) {
    const owner = world.uid === 0 ? accountOf(entry.uid) : null
    throw wrong(
      `belongs to another user (${owner?.name ?? `uid ${entry.uid}, telec runs as ${world.uid}`})`,
      owner
        ? `run telec as its owner: sudo -u ${owner.name} …`
        : 'run telec as its owner; in system scope its units take up another one with: sudo telec install',
    )
  }
  verifyInPlace(checkout, world.uid)
  if (entry.isDirectory()) return { world, gitDir: dotGit, commonDir: dotGit, workTree: checkout }
  // A linked work tree: gitrepository-layout(5), "gitdir: PATH".
  const [, path] = /^gitdir: (.+)\n?$/.exec(readPlainText(dotGit) ?? '') ?? []
  if (!path) throw wrong('has a .git file that names no folder', `look at ${dotGit}`)
  const gitDir = isAbsolute(path) ? path : resolve(checkout, path)
  const common = readPlainText(join(gitDir, 'commondir'))?.trim()
  const commonDir = common ? resolve(gitDir, common) : gitDir
  for (const folder of [gitDir, commonDir]) verifyInPlace(folder, world.uid)
  return { world, gitDir, commonDir, workTree: checkout }
}
