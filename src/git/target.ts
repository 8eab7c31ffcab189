import type { Target } from '../channel/target.ts'
import { VERSION_FILES, versionIn } from '../channel/versions.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { currentBranch, headCommit, isAncestor } from './checkout.ts'
import { git } from './git.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'

interface NamedObject {
  /** As it was asked for. */
  readonly name: string
  readonly id: string
  readonly text: string
}

/** Reads objects by their names, in their order; null for one that is not there (git-cat-file(1), --batch). */
async function readObjects(
  repository: Repository,
  commit: string,
  names: readonly string[],
): Promise<(NamedObject | null)[]> {
  // Sizes count bytes, of which a text that is not UTF-8 loses some: after each answer comes one that no tree has, and
  // no file of the commit can name.
  const nothing = `${commit}:.git`
  const input = names.map((name) => `${name}\n${nothing}\n`).join('')
  const answers = (await git(repository, ['cat-file', '--batch'], { input })).split(`${nothing} missing\n`)
  return names.map((name, index) => {
    const [, id, text] =
      /^([0-9a-f]{40,64}) (?:blob|commit) \d+\n([\s\S]*)\n$/.exec(answers[index] ?? '') ?? []
    return id !== undefined && text !== undefined ? { name, id, text } : null
  })
}

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
  return versionOf(await readObjects(repository, commit, versionNames(commit, versionFile)))
}

/**
 * What was fetched, asked with one git: the commit that the kept ref names, and the version that the target declares.
 * Throws `halted` where the target is no longer what the remote has there.
 */
export async function fetchedVersion(
  repository: Repository,
  target: Target,
  versionFile?: string,
): Promise<string | null> {
  const names = [`${keptRef(target.ref)}^{commit}`, ...versionNames(target.commit, versionFile)]
  const [kept, ...files] = await readObjects(repository, target.commit, names)
  const fetched = kept?.id ?? 'nothing'
  // A branch may have moved on meanwhile; a tag is that commit or has moved.
  const isOnBranch = target.ref.startsWith('refs/heads/')
  const isThere =
    fetched === target.commit || (isOnBranch && (await isAncestor(repository, target.commit, fetched)))
  if (!isThere)
    throw new TelecError('halted', `${target.commit.slice(0, 12)} is no longer offered at ${target.ref}`, {
      because: `the remote has ${fetched.slice(0, 12)} there now`,
      hint: 'nothing to do: the next poll decides anew',
      goOn: 'telec-watch',
    })
  return target.version ?? versionOf(files)
}

function versionNames(commit: string, versionFile?: string): string[] {
  return (versionFile ? [versionFile] : VERSION_FILES).map((name) => `${commit}:${name}`)
}

async function versionOf(files: readonly (NamedObject | null)[]): Promise<string | null> {
  for (const file of files) {
    const version = file === null ? null : await versionIn(file.name.replace(/^[^:]*:/, ''), file.text)
    if (version !== null) return version
  }
  return null
}
