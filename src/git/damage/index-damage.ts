import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gitHash } from '../../system/hash.ts'
import { explain } from '../causes.ts'
import { keepCommit } from '../checkout.ts'
import { askGit, git, tryGit } from '../git.ts'
import { moveAside } from '../leftovers.ts'
import { TELEC_IDENTITY } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import type { Damage, Patient } from './damage.ts'

/** The index, which is made anew of HEAD: no file of the work tree is touched. */
export async function lookAtIndex({ repository, aside }: Patient): Promise<Damage[]> {
  const path = join(repository.gitDir, 'index')
  const isThere = existsSync(path)
  const result = await tryGit(repository, ['ls-files', '--unmerged'])
  const isEmpty = async () => (await tryGit(repository, ['ls-tree', 'HEAD'])).stdout === ''
  if (result.code === 0 && (isThere ? isAsWritten(path) : await isEmpty())) return []
  return [
    {
      what: `${path} is ${isThere ? 'broken' : 'missing'}`,
      ...(result.code === 0 ? {} : { because: explain(result) }),
      repair: {
        plan: 'makes it anew of HEAD, and keeps what was staged where git can read it; no file is touched',
        async run() {
          if (isThere) await keepStaged(repository)
          await moveAside(repository, [path], aside)
          await git(repository, ['read-tree', 'HEAD'])
          await hideSparse(repository)
          await askGit(repository, ['update-index', '-q', '--refresh'])
        },
      },
    },
  ]
}

/** Whether its last bytes are a hash of all others, or zeros (index.skipHash): else git fsck ends there, without a look at what is missing. */
function isAsWritten(path: string): boolean {
  const data = readFileSync(path)
  return [20, 32].some((bytes) => {
    const noted = data.toString('hex', data.length - bytes)
    return /^0+$/.test(noted) || noted === gitHash(data.subarray(0, -bytes), bytes)
  })
}

async function keepStaged(repository: Repository): Promise<void> {
  const { code, stdout } = await tryGit(repository, ['write-tree'])
  const tree = stdout.trim()
  if (code !== 0 || tree === (await git(repository, ['rev-parse', 'HEAD^{tree}'])).trim()) return
  const commit = ['commit-tree', '-p', 'HEAD', '-m', 'What was staged in an index that broke', tree]
  const kept = (await git(repository, [...TELEC_IDENTITY, ...commit])).trim()
  repository.world.log.notice(`what was staged is kept in ${await keepCommit(repository, 'stash', kept)}`)
}

/** In a sparse checkout a file that is not there is none that was removed (git-sparse-checkout(1)). */
async function hideSparse(repository: Repository): Promise<void> {
  const isSparse = await askGit(repository, ['config', '--type=bool', 'core.sparseCheckout'])
  if (isSparse.stdout.trim() !== 'true') return
  const input = await git(repository, ['ls-files', '--deleted', '-z'])
  await git(repository, ['update-index', '-z', '--skip-worktree', '--stdin'], { input })
}
