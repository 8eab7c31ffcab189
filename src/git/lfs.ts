import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { mebibytes } from '../system/space.ts'
import { askGit, git, gitError, tryGit } from './git.ts'
import { filesBelow, removeFiles } from './leftovers.ts'
import type { Repository } from './repository.ts'
import { doesNotFit, roomIn, sizeOf } from './room.ts'

/** Large files take their time. */
const TIMEOUT_MS = 30 * 60_000
/** So many paths fit into the arguments of a program. */
const MOST_AT_ONCE = 500
/** Bytes; what git-lfs writes beside the files themselves is no larger. */
const LEAST_BOUND = 2 ** 20

/** A file that a commit has in git LFS, by what its pointer says. */
interface LargeFile {
  readonly path: string
  readonly bytes: number
}

/**
 * Fetches what the tree of a commit, which was verified, keeps in git LFS: the checkout then needs no network. A server can
 * send no more than the pointers say, and no more than fits; where it tries to, nothing of it stays.
 */
export async function fetchLargeFiles(repository: Repository, remote: string, commit: string): Promise<void> {
  const { storage, which } = await largeFileSettings(repository)
  const missing = await missingFrom(repository, commit, which)
  const room = () => roomIn(existsSync(storage) ? storage : repository.commonDir)
  const sender = `the git LFS of ${remote}`
  const bytes = missing.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes > room()) {
    const needed = `${missing.length} file(s) have ${mebibytes(bytes)}`
    throw doesNotFit(repository, sender, `${needed}, and there is room for ${mebibytes(room())}`)
  }
  for (let rest = missing; rest.length > 0; ) {
    const files = fitting(rest, room())
    await fetchFiles(repository, remote, commit, storage, files)
    rest = rest.slice(files.length)
  }
}

/** As many of these, the smallest first, as fit even where each had the size of the largest of them. */
function fitting(sorted: readonly LargeFile[], room: number): LargeFile[] {
  const isTooMany = (file: LargeFile, index: number) => index > 0 && (index + 1) * boundOf([file]) > room
  const end = sorted.findIndex((file, index) => index === MOST_AT_ONCE || isTooMany(file, index))
  return sorted.slice(0, end === -1 ? sorted.length : end)
}

/** What none of these files may exceed. */
function boundOf(files: readonly LargeFile[]): number {
  return Math.max(LEAST_BOUND, ...files.map(({ bytes }) => bytes))
}

async function fetchFiles(
  repository: Repository,
  remote: string,
  commit: string,
  storage: string,
  files: readonly LargeFile[],
): Promise<void> {
  const most = boundOf(files)
  const stored = () =>
    ['objects', 'incomplete', 'tmp'].flatMap((name) => filesBelow(join(storage, name), /./))
  const before = new Map(stored().map((path) => [path, sizeOf(path)]))
  // A tree of these files alone: patterns of paths would not fit every name.
  const list = ['ls-tree', '-z', '--full-tree', commit, '--', ...files.map(({ path }) => `:(literal)${path}`)]
  const entries = (await git(repository, list)).split('\0').filter(Boolean)
  const input = entries.map((entry, index) => `${entry.slice(0, entry.indexOf('\t'))}\t${index}\0`).join('')
  const tree = (await git(repository, ['mktree', '-z'], { input })).trim()
  const args = ['lfs', 'fetch', '--include=', '--exclude=', remote, tree]
  const result = await tryGit(repository, args, { timeoutMs: TIMEOUT_MS, limits: { f: most / 512 + 1 } })
  if (result.code === 0) return
  const left = stored().filter((path) => before.get(path) !== sizeOf(path))
  if (!left.some((path) => sizeOf(path) > most)) throw gitError(repository, args, result, 'later')
  removeFiles(repository, left)
  throw new TelecError('later', `the git LFS of ${remote} sends more than its pointers say`, {
    because: `a file that has at most ${most} bytes did not end there`,
    hint: `look at what it serves: git -C ${repository.workTree} lfs env`,
  })
}

/** Where git-lfs keeps files, and which of them it fetches here. Throws `halted` where the checkout would get pointers. */
async function largeFileSettings(repository: Repository): Promise<{ storage: string; which: string[] }> {
  const missing = (what: string, hint: string) =>
    new TelecError('halted', `the target has files in git LFS, and ${what}`, {
      hint: `${hint}, then: telec-update --retry`,
    })
  const { code, stdout } = await askGit(repository, ['lfs', 'env'])
  const setting = (name: string) => new RegExp(`^${name} ?= ?"?(.*?)"?$`, 'm').exec(stdout)?.[1] ?? ''
  if (code !== 0) throw missing('git-lfs is not installed', 'install it (apt-get install git-lfs)')
  if (setting('git config filter\\.lfs\\.process') === '')
    throw missing(
      'git does not use git-lfs for this user',
      `git -C ${repository.workTree} lfs install --skip-repo`,
    )
  return {
    storage: setting('LfsStorageDir') || join(repository.commonDir, 'lfs'),
    which: [`--include=${setting('FetchInclude')}`, `--exclude=${setting('FetchExclude')}`],
  }
}

/** What `git lfs ls-files --debug` says of a file, in its lines. */
const LISTED =
  /^filepath: ([\s\S]*?)\n *size: (\d+)\n *checkout: \w+\n *download: (true|false)\n *oid: sha256 ([0-9a-f]{64})$/gm

/** Each file of the commit that is not here, once, the smallest first. */
async function missingFrom(
  repository: Repository,
  commit: string,
  which: readonly string[],
): Promise<LargeFile[]> {
  const listed = await git(repository, ['lfs', 'ls-files', '--debug', ...which, commit])
  const missing = new Map<string, LargeFile>()
  for (const [, path = '', size, isHere, id = ''] of listed.matchAll(LISTED))
    if (isHere === 'false') missing.set(id, { path, bytes: Number(size) })
  return [...missing.values()].sort((one, other) => one.bytes - other.bytes)
}
