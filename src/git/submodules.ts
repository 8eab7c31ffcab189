import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { printableRemote } from './causes.ts'
import { gitError, remoteUrl, tryGit } from './git.ts'
import type { Repository } from './repository.ts'

/** Submodules are cloned where they are new: as long as a fetch may take. */
const TIMEOUT_MS = 15 * 60_000

/** Whether the commit that is checked out names submodules. */
export function hasSubmodules({ workTree }: Repository): boolean {
  return existsSync(join(workTree, '.gitmodules'))
}

/**
 * Brings the submodules to the commits that the checkout names. A commit chooses their URLs: it cannot make telec read
 * local paths or other hosts' services, since only the transport of the remote itself is allowed.
 */
export async function followSubmodules(repository: Repository, remote: string): Promise<void> {
  const transports = await transportOf(repository, remote)
  const steps = [
    ['submodule', '--quiet', 'sync', '--recursive'],
    ['submodule', '--quiet', 'update', '--init', '--recursive', '--checkout'],
  ]
  for (const args of steps) {
    const result = await tryGit(repository, args, {
      timeoutMs: TIMEOUT_MS,
      env: { GIT_ALLOW_PROTOCOL: transports },
    })
    if (result.code === 0) continue
    if (/transport '.*' not allowed/.test(result.stderr))
      throw new TelecError('halted', 'a submodule is at a URL that telec does not take', {
        because: result.stderr.trim(),
        hint: `only ${transports}, which ${printableRemote(remote)} uses, is allowed: change .gitmodules in a new commit`,
      })
    const isRefused = /would be overwritten|Unable to find current|did not contain/.test(result.stderr)
    throw gitError(repository, args, result, isRefused ? 'halted' : 'interrupted') // one of its gits may have been killed
  }
}

/** The transport of a remote's URL, as GIT_ALLOW_PROTOCOL has it. */
async function transportOf(repository: Repository, remote: string): Promise<string> {
  const url = await remoteUrl(repository, remote)
  const [, scheme] = /^([a-z][a-z0-9+]*):\/\//i.exec(url) ?? []
  if (scheme) return scheme.toLowerCase()
  return /^[^/]+:/.test(url) ? 'ssh' : 'file' // HOST:PATH, or a path (git-clone(1), GIT URLS)
}
