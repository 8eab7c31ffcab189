import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import { readPlainText } from '../system/files.ts'
import { filesBelow } from './checkout-files.ts'
import { git, gitLines, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

// telec's own refs: the fetched ones, under refs/telec/kept/, and commits that git would else forget.

/** `fetchTarget` keeps a ref of the remote here, with slashes escaped: so none is a folder in the way of another. */
export function keptRef(ref: string): string {
  const name = ref
    .replace(/^refs\//, '')
    .replaceAll('%', '%25')
    .replaceAll('/', '%2F')
  return `refs/telec/kept/${name}`
}

/** The commit of a kept ref. */
export async function keptCommit(repository: Repository, ref: string): Promise<string> {
  const kept = keptRef(ref)
  // A branch was just written, most often to a plain file (gitrepository-layout(5)).
  const text = ref.startsWith('refs/heads/') ? readPlainText(join(repository.commonDir, kept)) : null
  if (text && /^[0-9a-f]{40,64}\n$/.test(text)) return text.trim()
  // --end-of-options: a remote may publish refs whose names look like options.
  const name = ['--verify', '--quiet', '--end-of-options', `${kept}^{commit}`]
  return (await git(repository, ['rev-parse', ...name])).trim()
}

/** Creates the target's tag in the checkout, for `git describe`; `rewrite`: also where the name is taken. */
export async function createTag(repository: Repository, ref: string, rewrite: boolean): Promise<void> {
  if (!ref.startsWith('refs/tags/')) return
  const onlyNew = rewrite ? [] : ['0'.repeat(40)] // git-update-ref(1): only where there is none yet
  await tryGit(repository, ['update-ref', '--', ref, keptRef(ref), ...onlyNew])
}

/** Keeps a commit under `refs/telec/KIND/`, and returns the ref. */
export async function keepCommit(
  repository: Repository,
  kind: 'rescued' | 'replaced' | 'stash',
  commit: string,
): Promise<string> {
  const ref = `refs/telec/${kind}/${commit.slice(0, 12)}`
  await git(repository, ['update-ref', ref, commit])
  return ref
}

/** The newest kept commits of a kind stay at any age, and more while they are young. */
const KEPT_OF_A_KIND = 50
const MOST_OF_A_KIND = 500
const YOUNG_MS = 30 * 24 * 60 * 60_000
/** With fewer new refs trimming is not worth a git. */
const MANY = 50

/** The names that `keptRef` and `keepCommit` make: others are not telec's to delete. */
const OWN = /^refs\/telec\/(kept(?=\/)|[a-z]+(?=\/[0-9a-f]{12}$))/

interface Ref {
  readonly name: string
  readonly kind: string
  readonly commit: string
  readonly atMs: number
}

/** Whether telec has made many refs since git packed them. */
export function shouldTrim({ commonDir }: Repository): boolean {
  return filesBelow(join(commonDir, 'refs/telec'), /./).length > MANY
}

/** Deletes telec's own refs that nothing needs; `inUse`: the versions that this computer may still deploy. */
export async function trimRefs(repository: Repository, inUse: readonly Target[]): Promise<void> {
  const format = '--format=%(refname) %(objectname) %(creatordate:unix)'
  const listed = await gitLines(repository, ['for-each-ref', '--sort=-creatordate', format, 'refs/telec/'])
  const refs = listed.flatMap((line) => {
    const [name = '', commit = '', seconds] = line.split(' ')
    const [, kind] = OWN.exec(name) ?? []
    return kind ? [{ name, kind, commit, atMs: Number(seconds) * 1000 }] : []
  })
  const unneeded = unneededRefs(refs, inUse, repository.world.now())
  const input = unneeded.map(({ name, commit }) => `delete ${name}\0${commit}\0`).join('')
  if (unneeded.length > 0) await git(repository, ['update-ref', '--stdin', '-z'], { input })
}

/** Which of these, newest first, nothing needs. Pure. */
export function unneededRefs(refs: readonly Ref[], inUse: readonly Target[], nowMs: number): Ref[] {
  const followed = new Set(inUse.map(({ ref }) => keptRef(ref)))
  const needed = new Set(inUse.map(({ commit }) => commit))
  const ranks = new Map<string, number>()
  return refs.filter(({ name, kind, commit, atMs }) => {
    if (kind === 'kept') return !followed.has(name)
    const rank = ranks.get(kind) ?? 0
    ranks.set(kind, rank + 1)
    const isOld = rank >= MOST_OF_A_KIND || (rank >= KEPT_OF_A_KIND && nowMs - atMs > YOUNG_MS)
    return isOld && !needed.has(commit)
  })
}
