import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../../channel/target.ts'
import type { Deployment } from '../../config/deployment.ts'
import { shellWord, TelecError } from '../../system/errors.ts'
import { readBeginning, readPlainText } from '../../system/files.ts'
import { withoutLogins } from '../../system/logins.ts'
import { count } from '../../system/plural.ts'
import { explain } from '../causes.ts'
import { hasCommit } from '../checkout.ts'
import { backupFolder, filesBelow, moveToBackup, replaceFile } from '../checkout-files.ts'
import { fetchAllAgain } from '../fetch.ts'
import { git, gitError, gitInShell, tryGit } from '../git.ts'
import { keepCommit } from '../refs.ts'
import type { Repository } from '../repository.ts'
import type { CheckContext, Damage } from './damage.ts'
import { danglingRefs, loggedIds } from './refs.ts'

/** git-fsck(1) reads all of a large repository. */
const FSCK_TIMEOUT_MS = 60 * 60_000
const UNPACK_TIMEOUT_MS = 10 * 60_000

/** The objects of HEAD and of refs; a thorough check reads each object. */
export async function checkObjects(context: CheckContext): Promise<Damage[]> {
  const { repository, isThorough, deployment, recorded, backup } = context
  const { files, because } = await brokenObjects(repository, isThorough)
  const dangling = await danglingRefs(repository)
  if (because === null && dangling.length === 0) return []
  const remote = withoutLogins(deployment.remote)
  const moves = files.length > 0 ? `moves ${count(files.length, 'broken file')} away, and ` : ''
  const resets =
    dangling.length > 0
      ? '; a ref whose commit is still missing gets the newest one of its log; older stashes are kept under refs/telec/rescued/'
      : ''
  const details = [because ?? '', ...dangling.map(({ ref }) => `the object of ${ref} is missing`)]
  return [
    {
      what: `objects are missing or broken in ${repository.commonDir}/objects`,
      because: details.filter(Boolean).join('\n'),
      repair: {
        plan: `${moves}fetches all objects again from ${remote}${resets}`,
        async run() {
          await salvage(repository, files, backup)
          const all = ['heads', 'tags'].map((kind) => `+refs/${kind}/*:refs/fetched/${kind}/*`)
          await fetchAllAgain(repository, deployment, all, recorded ? [recorded.commit] : []) // perhaps on no branch
          await resetDanglingRefs(repository, backup)
          const head = ['rev-list', '--objects', '--quiet', 'HEAD', '--']
          if ((await tryGit(repository, head)).code === 0) return
          throw new TelecError('halted', `${remote} lacks objects of HEAD`, {
            because: 'a commit of HEAD was made here, or removed there',
            hint: `clone it again beside it (git clone URL ${shellWord(`${repository.workTree}.new`)}), and move untracked files over`,
          })
        },
      },
    },
  ]
}

/** The same for an update: fetches the history of its target, and of the deployed commit if the remote still has it. */
export async function refetchObjects(
  repository: Repository,
  deployment: Deployment,
  target: Target,
  deployed: Target,
): Promise<void> {
  const { files } = await brokenObjects(repository, true)
  await salvage(repository, files, backupFolder(repository, target.commit.slice(0, 12)))
  const needed = [`+${target.ref}:refs/fetched/target`]
  await fetchAllAgain(repository, deployment, needed, [deployed.ref, deployed.commit])
}

const PACK = /\.(pack|idx)$/

/** Words of git about refs, the index, logs and caches, which have checks of their own. */
const OF_OTHERS =
  /sha1 pointer|reflog|refs\/|commit-graph|multi-pack-index|alternate|bad index|index file (corrupt|smaller)|bad signature|invalid HEAD|bad revision 'HEAD'/

/** The unreadable object files, and git's words; null where there are none. */
async function brokenObjects(
  repository: Repository,
  isThorough: boolean,
): Promise<{ files: readonly string[]; because: string | null }> {
  const head = ['rev-list', '--objects', '--no-walk', '--quiet', 'HEAD', '--']
  const all = ['fsck', '--full', '--no-dangling', '--no-reflogs', '--no-progress']
  const result = await tryGit(repository, isThorough ? all : head, { timeoutMs: FSCK_TIMEOUT_MS })
  const folder = join(repository.commonDir, 'objects')
  const cut = filesBelow(join(folder, 'pack'), PACK).filter(isCutPack)
  const lines = `${result.stderr}${result.stdout}`
    .split('\n')
    .filter((line) => /^(error|fatal|missing|broken link)\b/.test(line) && !OF_OTHERS.test(line))
  if (cut.length === 0 && (result.code === 0 || lines.length === 0)) return { files: [], because: null }
  const named = lines.flatMap(
    (line) => line.match(/objects\/(pack\/pack-[0-9a-f]+|[0-9a-f]{2}\/[0-9a-f]{38,62})/g) ?? [],
  )
  const isNamed = (path: string) => named.some((name) => path.replace(PACK, '').endsWith(name))
  const files = filesBelow(folder, /^([0-9a-f]{38,62}|pack-.*\.(pack|idx))$/).filter(
    (path) => isNamed(path) || (PACK.test(path) ? isCutPack(path) : isNoObject(path)),
  )
  const because = lines.slice(0, 5).join('\n') || cut.map((path) => `${path} is broken`).join('\n')
  return { files, because: because || explain(result) }
}

/** Whether a pack or its index is alone, has the wrong first bytes, or is too short (gitformat-pack(5)). */
function isCutPack(path: string): boolean {
  const isIndex = path.endsWith('.idx')
  const [other, start, least] = isIndex ? ['pack', '\u00fftOc', 1_072] : ['idx', 'PACK', 32]
  if (!existsSync(path.replace(/(pack|idx)$/, String(other)))) return true
  return readBeginning(path, 4, 'latin1') !== start || statSync(path).size < Number(least)
}

/** Whether the first bytes of a loose object are not those of a zlib stream (RFC 1950). */
function isNoObject(path: string): boolean {
  const [method = 0, flags = 0] = Buffer.from(readBeginning(path, 2, 'latin1') ?? '', 'latin1')
  return (method & 0x0f) !== 8 || (method * 256 + flags) % 31 !== 0
}

/** Moves unreadable files away, and unpacks the readable objects of a pack: no remote has those that were made here. */
async function salvage(repository: Repository, files: readonly string[], backup: string): Promise<void> {
  const objects = join(repository.commonDir, 'objects')
  const derived = ['pack/multi-pack-index', 'info/commit-graph', 'info/commit-graphs/commit-graph-chain']
  const loose = files.filter((path) => !PACK.test(path))
  moveToBackup(repository, [...loose, ...derived.map((name) => join(objects, name))], backup)
  const packs = files.filter((path) => PACK.test(path)).map((path) => path.replace(PACK, ''))
  for (const pack of new Set(packs)) {
    // The index first, or git would skip its objects as present; the pack last, so that a kill loses nothing.
    const parts = ['idx', 'rev', 'bitmap', 'promisor', 'keep', 'mtimes'].map((part) => `${pack}.${part}`)
    moveToBackup(repository, parts, backup)
    await unpackFrom(repository, `${pack}.pack`)
    moveToBackup(repository, [`${pack}.pack`], backup)
  }
}

/** A truncated pack makes git fail, which is fine; after a kill (exit code above 128 in a shell) it has more objects. */
async function unpackFrom(repository: Repository, pack: string): Promise<void> {
  const { world } = repository
  const unpack = '[ ! -e "$0" ] || env "$@" <"$0" 2>/dev/null || [ $? -le 128 ]'
  const git = gitInShell(repository, ['unpack-objects', '-r', '-q'], UNPACK_TIMEOUT_MS)
  const options = { cwd: '/', env: world.env, timeoutMs: UNPACK_TIMEOUT_MS }
  const result = await world.run('/bin/sh', ['-c', unpack, pack, ...git], options)
  if (result.code !== 0) throw gitError(repository, ['unpack-objects'], result, 'interrupted')
}

/**
 * A ref to a missing object makes every fetch fail. Its name and id are written to a file; a branch gets the newest commit
 * of its log, and any other ref is removed, with the commits of its log kept under refs: a stash has only its log.
 */
async function resetDanglingRefs(repository: Repository, backup: string): Promise<void> {
  const head = readPlainText(join(repository.gitDir, 'HEAD'))?.trim()
  const refs = (await danglingRefs(repository)).filter(({ ref }) => head !== `ref: ${ref}`)
  if (refs.length === 0) return
  const lost = refs.map(({ id, ref }) => `${id} ${ref}\n`).join('')
  await replaceFile(repository, join(backup, 'lost-refs'), lost, backup)
  for (const { ref } of refs) {
    const older: string[] = []
    for (const id of new Set(loggedIds(repository, ref))) if (await hasCommit(repository, id)) older.push(id)
    const [newest] = older
    if (newest && ref.startsWith('refs/heads/')) await git(repository, ['update-ref', ref, newest])
    else {
      for (const id of older) await keepCommit(repository, 'rescued', id)
      await git(repository, ['update-ref', '-d', ref])
    }
  }
}
