import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import type { Repository } from './repository.ts'

/**
 * What is removed from a checkout, always as its owner: a link there may lead anywhere, and is followed only where they
 * could have gone themselves.
 */

const TIMEOUT_MS = 5 * 60_000

/** Removes files; those that are not there are fine. */
export async function removeFiles(repository: Repository, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return
  const input = paths.map((path) => `${path}\0`).join('')
  await runAsOwner(repository, 'xargs', ['-0', 'rm', '-f', '--'], input)
}

/** Runs what is no git on the checkout. Throws `halted` where it fails. */
async function runAsOwner(
  { world, workTree, owner }: Repository,
  command: string,
  args: readonly string[],
  input = '',
): Promise<void> {
  const as = actAs(world, owner)
  const options = { cwd: '/', env: as.env, timeoutMs: TIMEOUT_MS, input }
  const { code, signal, stderr } = await as.run(command, args, options)
  if (code === 0) return
  throw new TelecError(code === null ? 'later' : 'halted', `${command} failed in ${workTree}`, {
    because: stderr.trim() || `it ended with ${signal ?? `exit code ${code}`}`,
    hint: `look whose it is: ls -l ${workTree}`,
    interrupted: true, // what is to be removed is still there
  })
}

const REMOVE_LOCKS = `cd "$1" && rm -f index.lock HEAD.lock ORIG_HEAD.lock
cd "$2" && rm -f config.lock packed-refs.lock shallow.lock
for folder in refs modules; do
  [ ! -d "$folder" ] || find "$folder" -name '*.lock' -type f -exec rm -f {} +
done`

/** Lock files of a git that was killed: they block every later git. Only for the holder of telec's own lock. */
export async function removeStaleLocks(repository: Repository): Promise<void> {
  const { gitDir, commonDir } = repository
  await runAsOwner(repository, '/bin/sh', ['-ec', REMOVE_LOCKS, 'sh', gitDir, commonDir])
}
