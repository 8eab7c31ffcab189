import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import { VERSION_FILES, versionIn } from '../channel/versions.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { areBehind, currentBranch, headCommit } from './checkout.ts'
import { askGit } from './git.ts'
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
async function versionAt(
  repository: Repository,
  commit: string,
  versionFile?: string,
): Promise<string | null> {
  return declaredVersion(await filesOf(repository, commit, versionFiles(versionFile)), versionFile)
}

function versionFiles(versionFile?: string): readonly string[] {
  return versionFile ? [versionFile] : VERSION_FILES
}

async function declaredVersion(
  files: ReadonlyMap<string, string>,
  versionFile?: string,
): Promise<string | null> {
  for (const name of versionFiles(versionFile)) {
    const version = await versionIn(name, files.get(name) ?? '')
    if (version !== null) return version
  }
  return null
}

/** Whatever the user's settings say of its output. */
const GREP = ['grep', '-z', '-a', '--full-name', '--no-line-number', '--no-column', '--no-color', '-e', '']

/** The text of these files in a commit, of all that fit where one is a pattern, by path; by one git, line by line. */
async function filesOf(
  repository: Repository,
  commit: string,
  names: readonly string[],
  patterns: readonly string[] = [],
): Promise<Map<string, string>> {
  const paths = [...names.map((name) => `:(top,literal)${name}`), ...patterns]
  const result = await askGit(repository, [...GREP, commit, '--', ...paths])
  const found = new Map<string, string>()
  for (const line of result.stdout.split('\n')) {
    const [where = '', text] = line.split('\0', 2)
    const path = where.slice(commit.length + 1)
    if (text !== undefined) found.set(path, `${found.get(path) ?? ''}${text}\n`)
  }
  return found
}

/** What the tree of a commit says of itself. */
export interface Declared {
  readonly version: string | null
  /** It keeps files in git LFS (gitattributes(5), `filter`). */
  readonly hasLargeFiles: boolean
}

/** Throws `halted` where what was fetched is something else than the target by now. */
export async function verifyOffered(repository: Repository, target: Target): Promise<void> {
  const fetched = await keptCommit(repository, target.ref)
  // A branch may have moved on meanwhile; a tag is that commit or has moved.
  const isOnBranch = target.ref.startsWith('refs/heads/')
  const isThere =
    fetched === target.commit || (isOnBranch && (await areBehind(repository, [target.commit], fetched)))
  if (!isThere) throw noLongerOffered(target, `the remote has ${fetched.slice(0, 12)} there now`)
}

/** What a commit declares: of a partial clone git fetches the files that say so, hence not before it is verified. */
export async function declaredBy(
  repository: Repository,
  { version, commit }: Target,
  versionFile?: string,
): Promise<Declared> {
  const files = await filesOf(repository, commit, versionFiles(versionFile), [ATTRIBUTES])
  return {
    version: version ?? (await declaredVersion(files, versionFile)),
    hasLargeFiles: haveLfs(repository, files),
  }
}

/** The same of a commit that has no version: whether it keeps files in git LFS. */
export async function hasLargeFiles(repository: Repository, commit: string): Promise<boolean> {
  return haveLfs(repository, await filesOf(repository, commit, [], [ATTRIBUTES]))
}

const ATTRIBUTES = ':(top,glob)**/.gitattributes'

function haveLfs({ commonDir }: Repository, files: ReadonlyMap<string, string>): boolean {
  const ofCommit = [...files].filter(([path]) => /(^|\/)\.gitattributes$/.test(path))
  const ofComputer = readPlainText(join(commonDir, 'info/attributes')) ?? '' // gitattributes(5)
  return [...ofCommit.map(([, text]) => text), ofComputer].some((text) => text.includes('filter=lfs'))
}

/** A target that the remote offered to a poll, and does not any more. */
export function noLongerOffered({ commit, ref }: Target, because: string): TelecError {
  return new TelecError('halted', `${commit.slice(0, 12)} is no longer offered at ${ref}`, {
    because,
    hint: 'nothing to do: the next poll decides anew; where this computer is pinned to it: telec unpin',
    retryCommand: 'telec-watch',
  })
}
