import { lstatSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { printableName } from '../system/log.ts'
import type { Repository } from './repository.ts'

const TIMEOUT_MS = 10 * 60_000

/** Where what is in the way of a commit is kept: inside the repository, so that moving it there is one rename. */
function asideFolder({ gitDir }: Repository, commit: string): string {
  return join(gitDir, 'telec-aside', commit.slice(0, 12))
}

/** Moves a file or folder out of the way of a commit, whole. A kill leaves it at its place or in the new one. */
export async function putAside(repository: Repository, path: string, commit: string): Promise<void> {
  const folder = asideFolder(repository, commit)
  const name = relative(repository.workTree, path).replaceAll('%', '%25').replaceAll('/', '%2F')
  let to = join(folder, name)
  for (let number = 1; lstatSync(to, { throwIfNoEntry: false }); number++)
    to = join(folder, `${name}.${number}`)
  repository.world.log.notice(`put aside: ${printableName(path)} is now ${printableName(to)}`)
  await runAsOwner(repository, 'mkdir', ['-p', '-m', '700', '--', folder])
  await runAsOwner(repository, 'mv', ['--', path, to])
}

/** What was put aside for a commit, also by an update that was killed. */
export function asideFor(repository: Repository, commit: string): string[] {
  const folder = asideFolder(repository, commit)
  const isThere = lstatSync(folder, { throwIfNoEntry: false }) !== undefined
  return isThere ? readdirSync(folder).map((name) => printableName(join(folder, name))) : []
}

export async function removeTree(repository: Repository, path: string): Promise<void> {
  await runAsOwner(repository, 'rm', ['-rf', '--', path])
}

async function runAsOwner(
  { world, workTree, owner }: Repository,
  program: string,
  args: readonly string[],
): Promise<void> {
  const as = actAs(world, owner)
  const { code, signal, stderr } = await as.run(program, args, {
    cwd: '/',
    env: as.env,
    timeoutMs: TIMEOUT_MS,
  })
  if (code === 0) return
  throw new TelecError(code === null ? 'later' : 'halted', `${program} failed in ${workTree}`, {
    because: stderr.trim() || `it ended with ${signal ?? `exit code ${code}`}`,
    hint: `look whose it is: ls -l ${workTree}`,
    interrupted: true,
  })
}
