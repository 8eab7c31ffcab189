import { TelecError } from '../system/errors.ts'
import { askGit, gitError, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/** Large files take their time. */
const TIMEOUT_MS = 30 * 60_000

/** Fetches what the commit's tree keeps in git LFS: the checkout then needs no network. */
export async function fetchLargeFiles(repository: Repository, remote: string, commit: string): Promise<void> {
  // Without it the files of the checkout would be pointers.
  const missing = (what: string, hint: string) =>
    new TelecError('halted', `the target has files in git LFS, and ${what}`, {
      hint: `${hint}, then: telec-update --retry`,
    })
  if ((await askGit(repository, ['lfs', 'version'])).code !== 0)
    throw missing('git-lfs is not installed', 'install it (apt-get install git-lfs)')
  if ((await askGit(repository, ['config', '--get', 'filter.lfs.process'])).code !== 0)
    throw missing(
      'git does not use git-lfs for this user',
      `git -C ${repository.workTree} lfs install --skip-repo`,
    )
  const args = ['lfs', 'fetch', remote, commit]
  const result = await tryGit(repository, args, { timeoutMs: TIMEOUT_MS })
  if (result.code !== 0) throw gitError(repository, args, result, 'later')
}
