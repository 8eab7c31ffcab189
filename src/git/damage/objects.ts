import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../../channel/target.ts'
import type { Config } from '../../config/schema.ts'
import { TelecError } from '../../system/errors.ts'
import { readPlainText } from '../../system/files.ts'
import { withoutLogins } from '../../system/logins.ts'
import { explain } from '../causes.ts'
import { hasCommit, keepCommit } from '../checkout.ts'
import { git, gitError, gitInShell, tryGit } from '../git.ts'
import { asideFolder, filesBelow, moveAside, replaceFile, startOf } from '../leftovers.ts'
import { fetchAnew } from '../refetch.ts'
import type { Repository } from '../repository.ts'
import type { Damage, Patient } from './damage.ts'
import { loggedIds, refsToNothing } from './refs.ts'

/** All of a large repository is read (git-fsck(1)). */
const FSCK_TIMEOUT_MS = 60 * 60_000
const UNPACK_TIMEOUT_MS = 10 * 60_000

/** The objects of HEAD, and what refs name; a thorough look reads each object. */
export async function lookAtObjects(patient: Patient): Promise<Damage[]> {
  const { repository, isThorough, deployment, known, aside } = patient
  const { files, because } = await brokenObjects(repository, isThorough)
  const toNothing = await refsToNothing(repository)
  if (because === null && toNothing.length === 0) return []
  const remote = withoutLogins(deployment.remote)
  const moves = files.length > 0 ? `moves ${files.length} broken file(s) away, and ` : ''
  const back =
    toNothing.length > 0
      ? '; a ref whose commit is lost even so goes back to the newest that its log has, older stashes are kept under refs/telec/rescued/'
      : ''
  const details = [because ?? '', ...toNothing.map(({ ref }) => `${ref} names an object that is missing`)]
  return [
    {
      what: `objects are missing or broken in ${repository.commonDir}/objects`,
      because: details.filter(Boolean).join('\n'),
      repair: {
        plan: `${moves}fetches all objects anew from ${remote}${back}`,
        async run() {
          await salvage(repository, files, aside)
          const all = ['heads', 'tags'].map((kind) => `+refs/${kind}/*:refs/fetched/${kind}/*`)
          await fetchAnew(repository, deployment, all, known ? [known.commit] : []) // it may be on no branch any more
          await dropRefsToNothing(repository, aside)
          const head = ['rev-list', '--objects', '--quiet', 'HEAD', '--']
          if ((await tryGit(repository, head)).code === 0) return
          throw new TelecError('halted', `${remote} does not have all that HEAD needs`, {
            because: 'it needs a commit that was made here, or that was removed there',
            hint: `clone it anew beside it (git clone URL ${repository.workTree}.new), and move what git does not track over`,
          })
        },
      },
    },
  ]
}

/** The same for an update: all of the history of its target and of what is deployed, which may be on no branch any more. */
export async function refetchObjects(
  repository: Repository,
  deployment: Config['deployment'],
  target: Target,
  deployed: Target,
): Promise<void> {
  const { files } = await brokenObjects(repository, true)
  await salvage(repository, files, asideFolder(repository, target.commit.slice(0, 12)))
  await fetchAnew(
    repository,
    deployment,
    [`+${target.ref}:refs/fetched/target`],
    [deployed.ref, deployed.commit],
  )
}

const PACK = /\.(pack|idx)$/

/** What git says of refs, the index, logs and caches: they have looks of their own. */
const OF_OTHERS =
  /sha1 pointer|reflog|refs\/|commit-graph|multi-pack-index|alternate|bad index|index file (corrupt|smaller)|bad signature|invalid HEAD|bad revision 'HEAD'/

/** Files of objects that cannot be read, and what git says; null where all is well. */
async function brokenObjects(
  repository: Repository,
  isThorough: boolean,
): Promise<{ files: readonly string[]; because: string | null }> {
  const head = ['rev-list', '--objects', '--no-walk', '--quiet', 'HEAD', '--']
  const all = ['fsck', '--full', '--no-dangling', '--no-reflogs', '--no-progress']
  const result = await tryGit(repository, isThorough ? all : head, { timeoutMs: FSCK_TIMEOUT_MS })
  const folder = join(repository.commonDir, 'objects')
  const cut = filesBelow(join(folder, 'pack'), PACK).filter(isCutPack)
  const said = `${result.stderr}${result.stdout}`
    .split('\n')
    .filter((line) => /^(error|fatal|missing|broken link)\b/.test(line) && !OF_OTHERS.test(line))
  if (cut.length === 0 && (result.code === 0 || said.length === 0)) return { files: [], because: null }
  const named = said.flatMap(
    (line) => line.match(/objects\/(pack\/pack-[0-9a-f]+|[0-9a-f]{2}\/[0-9a-f]{38,62})/g) ?? [],
  )
  const isNamed = (path: string) => named.some((name) => path.replace(PACK, '').endsWith(name))
  const files = filesBelow(folder, /^([0-9a-f]{38,62}|pack-.*\.(pack|idx))$/).filter(
    (path) => isNamed(path) || (PACK.test(path) ? isCutPack(path) : isNoObject(path)),
  )
  const because = said.slice(0, 5).join('\n') || cut.map((path) => `${path} is broken`).join('\n')
  return { files, because: because || explain(result) }
}

/** Whether a pack or its index is alone, does not begin as one, or is shorter than any (gitformat-pack(5)). */
function isCutPack(path: string): boolean {
  const isIndex = path.endsWith('.idx')
  const [other, begins, least] = isIndex ? ['pack', '\u00fftOc', 1_072] : ['idx', 'PACK', 32]
  if (!existsSync(path.replace(/(pack|idx)$/, String(other)))) return true
  return startOf(path, 4).toString('latin1') !== begins || statSync(path).size < Number(least)
}

/** Whether a loose object cannot be one: it does not begin as zlib's streams do (RFC 1950). */
function isNoObject(path: string): boolean {
  const [method = 0, flags = 0] = startOf(path, 2)
  return (method & 0x0f) !== 8 || (method * 256 + flags) % 31 !== 0
}

/** Puts what cannot be read aside, and unpacks what a pack still has: what was made here is nowhere else. */
async function salvage(repository: Repository, files: readonly string[], aside: string): Promise<void> {
  const objects = join(repository.commonDir, 'objects')
  const derived = ['pack/multi-pack-index', 'info/commit-graph', 'info/commit-graphs/commit-graph-chain']
  const loose = files.filter((path) => !PACK.test(path))
  moveAside(repository, [...loose, ...derived.map((name) => join(objects, name))], aside)
  const packs = files.filter((path) => PACK.test(path)).map((path) => path.replace(PACK, ''))
  for (const pack of new Set(packs)) {
    // Without its index git does not take what is in it for there already; the pack itself goes last, for the sake of a kill.
    const parts = ['idx', 'rev', 'bitmap', 'promisor', 'keep', 'mtimes'].map((part) => `${pack}.${part}`)
    moveAside(repository, parts, aside)
    await unpackFrom(repository, `${pack}.pack`)
    moveAside(repository, [`${pack}.pack`], aside)
  }
}

/** It fails where the pack ends too early; where it was killed (a shell's exit code is above 128) more is in there. */
async function unpackFrom(repository: Repository, pack: string): Promise<void> {
  const { world } = repository
  const unpack = '[ ! -e "$0" ] || env "$@" <"$0" 2>/dev/null || [ $? -le 128 ]'
  const git = gitInShell(repository, ['unpack-objects', '-r', '-q'], UNPACK_TIMEOUT_MS)
  const options = { cwd: '/', env: world.env, timeoutMs: UNPACK_TIMEOUT_MS }
  const result = await world.run('/bin/sh', ['-c', unpack, pack, ...git], options)
  if (result.code !== 0) throw gitError(repository, ['unpack-objects'], result, 'interrupted')
}

/**
 * A ref whose object nobody has is in the way of every fetch: its name and id are noted, and it goes back to what its log
 * has; the older ones of a stash, which has nothing but its log, are kept under refs.
 */
async function dropRefsToNothing(repository: Repository, aside: string): Promise<void> {
  const head = readPlainText(join(repository.gitDir, 'HEAD'))?.trim()
  const refs = (await refsToNothing(repository)).filter(({ ref }) => head !== `ref: ${ref}`)
  if (refs.length === 0) return
  await replaceFile(
    repository,
    join(aside, 'lost-refs'),
    refs.map(({ id, ref }) => `${id} ${ref}\n`).join(''),
    aside,
  )
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
