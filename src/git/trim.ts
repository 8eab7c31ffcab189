import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import { git } from './git.ts'
import { filesBelow } from './leftovers.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'

/** Of what was put aside, by kind: the newest, whatever their age, and more while they are young. */
const KEPT_OF_A_KIND = 50
const MOST_OF_A_KIND = 500
const YOUNG_MS = 30 * 24 * 60 * 60_000
/** So many new ones are worth a look. */
const MANY = 50

/** `keptRef` and `keepCommit` make these names: others are not telec's to drop. */
const OWN = /^refs\/telec\/(kept(?=\/)|[a-z]+(?=\/[0-9a-f]{12}$))/

interface Ref {
  readonly name: string
  readonly kind: string
  readonly commit: string
  readonly atMs: number
}

/** Whether telec has made many refs since git packed them. */
export function isTrimDue({ commonDir }: Repository): boolean {
  return filesBelow(join(commonDir, 'refs/telec'), /./).length > MANY
}

/** Drops telec's own refs that nothing needs any more; `inUse` is what this computer may come to again. */
export async function trimRefs(repository: Repository, inUse: readonly Target[]): Promise<void> {
  const format = '--format=%(refname) %(objectname) %(creatordate:unix)'
  const listed = await git(repository, ['for-each-ref', '--sort=-creatordate', format, 'refs/telec/'])
  const refs = listed.split('\n').flatMap((line) => {
    const [name = '', commit = '', seconds] = line.split(' ')
    const [, kind] = OWN.exec(name) ?? []
    return kind ? [{ name, kind, commit, atMs: Number(seconds) * 1000 }] : []
  })
  const dropped = droppedRefs(refs, inUse, repository.world.now())
  const input = dropped.map(({ name, commit }) => `delete ${name}\0${commit}\0`).join('')
  if (dropped.length > 0) await git(repository, ['update-ref', '--stdin', '-z'], { input })
}

/** Which of these, newest first, may go. Pure. */
export function droppedRefs(refs: readonly Ref[], inUse: readonly Target[], nowMs: number): Ref[] {
  const followed = new Set(inUse.map(({ ref }) => keptRef(ref)))
  const needed = new Set(inUse.map(({ commit }) => commit))
  const kinds = [...new Set(refs.map(({ kind }) => kind))].filter((kind) => kind !== 'kept')
  const isOld = ({ atMs }: Ref, rank: number) =>
    rank >= MOST_OF_A_KIND || (rank >= KEPT_OF_A_KIND && nowMs - atMs > YOUNG_MS)
  return [
    ...refs.filter(({ kind, name }) => kind === 'kept' && !followed.has(name)),
    ...kinds.flatMap((aside) =>
      refs
        .filter(({ kind }) => kind === aside)
        .filter((ref, rank) => isOld(ref, rank) && !needed.has(ref.commit)),
    ),
  ]
}
