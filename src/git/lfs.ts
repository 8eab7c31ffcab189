import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { gitAt, TelecError } from '../system/errors.ts'
import { count } from '../system/plural.ts'
import { mebibytes } from '../system/space.ts'
import { entriesOf } from './changes.ts'
import { filesBelow, removeFiles } from './checkout-files.ts'
import { doesNotFit, roomIn, sizeOf } from './fetch.ts'
import { askGit, git, gitError, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

const TIMEOUT_MS = 30 * 60_000
/** More paths may not fit into the arguments of a program. */
const MOST_AT_ONCE = 500
/** Other files of git-lfs are smaller, in bytes. */
const LEAST_BOUND = 2 ** 20

/** A file in git LFS, by its pointer in the commit. */
interface LargeFile {
  readonly path: string
  readonly bytes: number
}

/**
 * Fetches the git LFS files of a verified commit: the checkout then needs no network. A server can send no more than the
 * pointers say, and no more than fits on the disk; files above that are removed.
 */
export async function fetchLargeFiles(repository: Repository, remote: string, commit: string): Promise<void> {
  const { storage, which } = await largeFileSettings(repository)
  const missing = await missingFrom(repository, commit, which)
  const room = () => roomIn(existsSync(storage) ? storage : repository.commonDir)
  const sender = `the git LFS of ${remote}`
  const bytes = missing.reduce((sum, file) => sum + file.bytes, 0)
  if (bytes > room()) {
    const needed = `it needs ${mebibytes(bytes)} for ${count(missing.length, 'file')}`
    throw doesNotFit(repository, sender, `${needed}, and ${mebibytes(room())} are free`)
  }
  for (let rest = missing; rest.length > 0; ) {
    const files = fitting(rest, room())
    await fetchFiles(repository, remote, commit, storage, files)
    rest = rest.slice(files.length)
  }
}

/** As many of these files, the smallest first, as fit even if each is as large as the largest of them. */
function fitting(sorted: readonly LargeFile[], room: number): LargeFile[] {
  const isTooMany = (file: LargeFile, index: number) => index > 0 && (index + 1) * boundOf([file]) > room
  const end = sorted.findIndex((file, index) => index === MOST_AT_ONCE || isTooMany(file, index))
  return sorted.slice(0, end === -1 ? sorted.length : end)
}

/** The maximum size of each of these files. */
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
  // A tree of these files alone, since git-lfs takes paths as patterns, which cannot match every name.
  const paths = files.map(({ path }) => `:(literal)${path}`)
  const entries = [...(await entriesOf(repository, commit, paths)).values()]
  const input = entries.map(({ mode, id }, index) => `${mode} blob ${id}\t${index}\0`).join('')
  const tree = (await git(repository, ['mktree', '-z'], { input })).trim()
  const args = ['lfs', 'fetch', '--include=', '--exclude=', remote, tree]
  const result = await tryGit(repository, args, { timeoutMs: TIMEOUT_MS, limits: { f: most / 512 + 1 } })
  if (result.code === 0) return
  const written = stored().filter((path) => before.get(path) !== sizeOf(path))
  if (!written.some((path) => sizeOf(path) > most)) throw gitError(repository, args, result, 'later')
  removeFiles(repository, written)
  throw new TelecError('later', `the git LFS of ${remote} sends more than its pointers say`, {
    because: `a file of at most ${most} bytes is larger`,
    hint: `check the server: ${gitAt(repository.workTree)} lfs env`,
  })
}

/** The folder of git-lfs, and which files it fetches here. Throws `halted` where the checkout would only get pointers. */
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
      `${gitAt(repository.workTree)} lfs install --skip-repo`,
    )
  return {
    storage: setting('LfsStorageDir') || join(repository.commonDir, 'lfs'),
    which: [`--include=${setting('FetchInclude')}`, `--exclude=${setting('FetchExclude')}`],
  }
}

/** One file of `git lfs ls-files --debug`. */
const LISTED =
  /^filepath: ([\s\S]*?)\n *size: (\d+)\n *checkout: \w+\n *download: (true|false)\n *oid: sha256 ([0-9a-f]{64})$/gm

/** The missing files of the commit, each content once, the smallest first. */
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
