import type { Target } from '../channel/target.ts'
import { VERSION_FILES, versionIn } from '../channel/versions.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { currentBranch, headCommit, isAncestor } from './checkout.ts'
import { git } from './git.ts'
import { keptCommit } from './refs.ts'
import type { Repository } from './repository.ts'

/** What the checkout's HEAD is, as a target: the record of a computer that has none yet. */
export async function headTarget(repository: Repository, deployment: Config['deployment']): Promise<Target> {
  const commit = await headCommit(repository)
  const branch = await currentBranch(repository)
  return {
    version: await versionAt(repository, commit, deployment.version_file),
    ref: branch === null ? 'HEAD' : `refs/heads/${branch}`,
    commit,
  }
}

/** The version that the tree of a commit declares; null when none of its files does. */
export async function versionAt(
  repository: Repository,
  commit: string,
  versionFile?: string,
): Promise<string | null> {
  const names = versionFile ? [versionFile] : VERSION_FILES
  // Sizes count bytes, of which a text that is not UTF-8 loses some: after each answer comes one that no tree has, and
  // no file of the commit can name (git-cat-file(1), --batch).
  const nothing = `${commit}:.git`
  const input = names.map((name) => `${commit}:${name}\n${nothing}\n`).join('')
  const answers = (await git(repository, ['cat-file', '--batch'], { input })).split(`${nothing} missing\n`)
  for (const [index, name] of names.entries()) {
    const [, text = ''] = /^[0-9a-f]{40,64} blob \d+\n([\s\S]*)\n$/.exec(answers[index] ?? '') ?? []
    const version = await versionIn(name, text)
    if (version !== null) return version
  }
  return null
}

/** The version that the fetched target declares. Throws `halted` where the remote has something else there by now. */
export async function fetchedVersion(
  repository: Repository,
  target: Target,
  versionFile?: string,
): Promise<string | null> {
  const fetched = await keptCommit(repository, target.ref)
  // A branch may have moved on meanwhile; a tag is that commit or has moved.
  const isOnBranch = target.ref.startsWith('refs/heads/')
  const isThere =
    fetched === target.commit || (isOnBranch && (await isAncestor(repository, target.commit, fetched)))
  if (!isThere) throw noLongerOffered(target, `the remote has ${fetched.slice(0, 12)} there now`)
  return target.version ?? versionAt(repository, target.commit, versionFile)
}

/** A target that the remote offered to a poll, and does not any more. */
export function noLongerOffered({ commit, ref }: Target, because: string): TelecError {
  return new TelecError('halted', `${commit.slice(0, 12)} is no longer offered at ${ref}`, {
    because,
    hint: 'nothing to do: the next poll decides anew',
    goOn: 'telec-watch',
  })
}
