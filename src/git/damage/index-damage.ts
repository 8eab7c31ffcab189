import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { explain } from '../causes.ts'
import { keepCommit } from '../checkout.ts'
import { askGit, git, tryGit } from '../git.ts'
import { type IndexEntry, indexPath, isAsWritten, readIndex } from '../index-file.ts'
import { removeFiles } from '../leftovers.ts'
import { TELEC_IDENTITY } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import type { Damage, Patient } from './damage.ts'

/** The index, which is made anew of HEAD: no file of the work tree is touched. */
export async function lookAtIndex({ repository }: Patient): Promise<Damage[]> {
  const path = indexPath(repository)
  const isThere = existsSync(path)
  const result = await tryGit(repository, ['ls-files', '--unmerged'])
  const isEmpty = async () => (await tryGit(repository, ['ls-tree', 'HEAD'])).stdout === ''
  const isWell = async () => (isThere ? isAsWritten(path, await idBytes(repository)) : isEmpty())
  if (result.code === 0 && (await isWell())) return []
  return [
    {
      what: `${path} is ${isThere ? 'broken' : 'missing'}`,
      ...(result.code === 0 ? {} : { because: explain(result) }),
      repair: {
        plan: 'makes it anew of HEAD, and keeps what was staged and can be read; no file is touched',
        async run(aside) {
          const staged = await keepStaged(repository)
          if (staged) repository.world.log.notice(`what was staged is kept in ${staged}`)
          await aside.move([path])
          await git(repository, ['read-tree', 'HEAD'])
          await hideSparse(repository)
          await askGit(repository, ['update-index', '-q', '--refresh'])
        },
      },
    },
  ]
}

async function idBytes(repository: Repository): Promise<number> {
  return (await git(repository, ['rev-parse', 'HEAD'])).trim().length / 2
}

/** Keeps what a broken index had beside HEAD, as far as it and its objects can be read; the ref that has it. */
async function keepStaged(repository: Repository): Promise<string | null> {
  const committed = new Set((await git(repository, ['ls-tree', '-r', '-z', 'HEAD'])).split('\0'))
  const line = ({ mode, blob, path }: IndexEntry) =>
    `${mode.toString(8).padStart(6, '0')} blob ${blob}\t${path}`
  const { entries } = readIndex(indexPath(repository), await idBytes(repository))
  const beside = entries.filter((entry) => entry.stage === 0 && !committed.has(line(entry)))
  const input = beside.map(({ blob }) => `${blob}\n`).join('')
  const asked = (await git(repository, ['cat-file', '--batch-check'], { input })).split('\n')
  const staged = beside.filter((_, index) => / blob \d+$/.test(asked[index] ?? ''))
  if (staged.length === 0) return null
  const indexFile = join(repository.gitDir, 'telec-staged-index')
  const env = { GIT_INDEX_FILE: indexFile }
  await removeFiles(repository, [indexFile, `${indexFile}.lock`])
  try {
    await git(repository, ['read-tree', 'HEAD'], { env })
    const lines = staged.map((entry) => `${line(entry)}\0`).join('')
    await git(repository, ['update-index', '-z', '--index-info'], { env, input: lines })
    const tree = (await git(repository, ['write-tree'], { env })).trim()
    const commit = ['commit-tree', '-p', 'HEAD', '-m', 'What was staged in an index that broke', tree]
    return await keepCommit(
      repository,
      'stash',
      (await git(repository, [...TELEC_IDENTITY, ...commit])).trim(),
    )
  } finally {
    await removeFiles(repository, [indexFile, `${indexFile}.lock`])
  }
}

/** In a sparse checkout a file that is not there is none that was removed (git-sparse-checkout(1)). */
async function hideSparse(repository: Repository): Promise<void> {
  const isSparse = await askGit(repository, ['config', '--type=bool', 'core.sparseCheckout'])
  if (isSparse.stdout.trim() !== 'true') return
  const input = await git(repository, ['ls-files', '--deleted', '-z'])
  await git(repository, ['update-index', '-z', '--skip-worktree', '--stdin'], { input })
}
