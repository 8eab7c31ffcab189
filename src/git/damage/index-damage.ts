import { join } from 'node:path'
import { explain } from '../causes.ts'
import { askGit, git, tryGit } from '../git.ts'
import { indexDamage } from '../index-file.ts'
import { moveAside } from '../leftovers.ts'
import { keepIndex } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import type { Damage, Patient } from './damage.ts'

/** The index, which is made anew of HEAD: no file of the work tree is touched. */
export async function lookAtIndex({ repository, aside }: Patient): Promise<Damage[]> {
  const path = join(repository.gitDir, 'index')
  const damage = indexDamage(repository)
  const result = await tryGit(repository, ['ls-files', '--unmerged'])
  const isEmpty = async () => (await tryGit(repository, ['ls-tree', 'HEAD'])).stdout === ''
  if (result.code === 0 && (damage === null || (damage === 'missing' && (await isEmpty())))) return []
  return [
    {
      what: `${path} is ${damage ?? 'broken'}`,
      ...(result.code === 0 ? {} : { because: explain(result) }),
      repair: {
        plan: 'makes it anew of HEAD, and keeps what was staged where git can read it; no file is touched',
        async run() {
          const kept = damage === 'missing' ? null : await keepIndex(repository, 'stash')
          if (kept) repository.world.log.notice(`what was staged is kept in ${kept}`)
          moveAside(repository, [path], aside)
          await git(repository, ['read-tree', 'HEAD'])
          await hideSparse(repository)
          await askGit(repository, ['update-index', '-q', '--refresh'])
        },
      },
    },
  ]
}

/** In a sparse checkout a file that is not there is none that was removed (git-sparse-checkout(1)). */
async function hideSparse(repository: Repository): Promise<void> {
  const isSparse = await askGit(repository, ['config', '--type=bool', 'core.sparseCheckout'])
  if (isSparse.stdout.trim() !== 'true') return
  const input = await git(repository, ['ls-files', '--deleted', '-z'])
  await git(repository, ['update-index', '-z', '--skip-worktree', '--stdin'], { input })
}
