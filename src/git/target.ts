import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import { VERSION_FILES, versionIn } from '../channel/versions.ts'
import type { Deployment } from '../config/deployment.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'
import { currentBranch, headCommit, isBehind } from './checkout.ts'
import { askGit } from './git.ts'
import { keptCommit } from './refs.ts'
import type { Repository } from './repository.ts'

/** HEAD as a target: the deployed version of a computer that has no record yet. */
export async function headTarget(repository: Repository, deployment: Deployment): Promise<Target> {
  const commit = await headCommit(repository)
  const branch = await currentBranch(repository)
  const names = versionFiles(deployment.version_file)
  // Without attributes: in a sparse partial clone git would have to fetch those of other folders.
  const version = await versionOf(await filesOf(repository, commit, names, []), names)
  return { version, ref: branch === null ? 'HEAD' : `refs/heads/${branch}`, commit }
}

/** What files of a commit declare. */
interface Declared {
  readonly version: string | null
  /** It has files in git LFS (gitattributes(5), `filter`). */
  readonly hasLargeFiles: boolean
}

/** Reads what a commit declares. Only for verified commits: in a partial clone git fetches these files. */
export async function declaredBy(
  repository: Repository,
  { version: known, commit }: Pick<Target, 'version' | 'commit'>,
  versionFile?: string,
): Promise<Declared> {
  const names = versionFiles(versionFile)
  const files = await filesOf(repository, commit, names)
  return { version: known ?? (await versionOf(files, names)), hasLargeFiles: haveLfs(repository, files) }
}

function versionFiles(configured: string | undefined): readonly string[] {
  return configured ? [configured] : VERSION_FILES
}

async function versionOf(
  files: ReadonlyMap<string, string>,
  names: readonly string[],
): Promise<string | null> {
  for (const name of names) {
    const version = await versionIn(name, files.get(name) ?? '')
    if (version !== null) return version
  }
  return null
}

/** Whether a commit has files in git LFS. */
export async function hasLargeFiles(repository: Repository, commit: string): Promise<boolean> {
  return haveLfs(repository, await filesOf(repository, commit, []))
}

function haveLfs({ commonDir }: Repository, files: ReadonlyMap<string, string>): boolean {
  const ofCommit = [...files].filter(([path]) => /(^|\/)\.gitattributes$/.test(path))
  const ofComputer = readPlainText(join(commonDir, 'info/attributes')) ?? '' // gitattributes(5)
  return [...ofCommit.map(([, text]) => text), ofComputer].some((text) => text.includes('filter=lfs'))
}

/** Options for output that no setting of the user changes. */
const GREP = ['grep', '-z', '-a', '--full-name', '--no-line-number', '--no-column', '--no-color', '-e', '']

/** The text of these files of a commit and of those of `patterns`, by path: all lines, by one git. */
async function filesOf(
  repository: Repository,
  commit: string,
  names: readonly string[],
  patterns: readonly string[] = [':(top,glob)**/.gitattributes'],
): Promise<Map<string, string>> {
  const paths = [...names.map((name) => `:(top,literal)${name}`), ...patterns]
  const { stdout } = await askGit(repository, [...GREP, commit, '--', ...paths])
  const found = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const [where = '', text] = line.split('\0', 2)
    const path = where.slice(commit.length + 1)
    if (text !== undefined) found.set(path, `${found.get(path) ?? ''}${text}\n`)
  }
  return found
}

/** Throws `later` where the fetched ref no longer has the target's commit. */
export async function verifyFetched(repository: Repository, target: Target): Promise<void> {
  const fetched = await keptCommit(repository, target.ref)
  if (fetched === target.commit) return
  // A branch may have newer commits; a tag may not.
  const isOnBranch = target.ref.startsWith('refs/heads/')
  if (isOnBranch && (await isBehind(repository, target.commit, fetched))) return
  throw noLongerAvailable(target, `the remote has ${fetched.slice(0, 12)} there now`)
}

/** The remote removed or replaced the target since a poll, or something else answered in its place. */
export function noLongerAvailable({ commit, ref }: Target, because: string): TelecError {
  return new TelecError('later', `${commit.slice(0, 12)} is no longer available at ${ref}`, {
    because,
    hint: 'wait for the next poll; if this computer is pinned to it, run telec unpin',
    retryCommand: 'telec-watch',
  })
}
