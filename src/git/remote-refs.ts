import type { Ref } from '../channel/releases.ts'
import type { Deployment } from '../config/deployment.ts'
import { withoutLogins } from '../system/logins.ts'
import { type GitOptions, gitInShell, gitRemote } from './git.ts'
import type { Repository } from './repository.ts'

/** The memory of git for the list of a server: enough for a million refs. */
export const MEMORY_KIB = 1024 * 1024

/** The output of git ls-remote for the channel. `shellOutput`: output and command of the shell of a poll, with a dot between. */
export async function listRemote(
  repository: Repository,
  deployment: Deployment,
  remote: string,
  shellOutput: string | null = null,
): Promise<string> {
  const command = shellOutput === null ? null : listInShell(repository, deployment)
  const end = ['.', ...(command ?? [])].join('\n')
  if (command && shellOutput?.endsWith(end)) return shellOutput.slice(0, -end.length)
  return gitRemote(repository, remote, listArguments(deployment, remote), listOptions(deployment))
}

/** The same command for a shell, one word each; null where a shell cannot run it, or a file would have a login in it. */
export function listInShell(repository: Repository, deployment: Deployment): string[] | null {
  const { world } = repository
  const { remote, poll_timeout } = deployment
  if (world.env.GIT_SSH_COMMAND !== undefined || withoutLogins(remote) !== remote) return null
  const words = gitInShell(repository, listArguments(deployment, remote), poll_timeout)
  return words.some((word) => word === '' || word.includes('\n')) ? null : words
}

function listArguments({ channel, branch }: Deployment, source: string): string[] {
  // --heads: the server sends only branches; a pattern alone filters on our side, after all refs came.
  const which =
    channel === 'alpha' ? ['--heads', '--', source, `refs/heads/${branch}`] : ['--tags', '--', source]
  return ['ls-remote', ...which]
}

/** The default branch of a remote, by its HEAD; null where that names none. */
export async function defaultBranch(
  repository: Repository,
  deployment: Deployment,
  remote: string,
): Promise<string | null> {
  const args = ['ls-remote', '--symref', '--', remote, 'HEAD']
  const output = await gitRemote(repository, remote, args, listOptions(deployment))
  return /^ref: refs\/heads\/([^\s\p{C}]{1,250})\tHEAD$/mu.exec(output)?.[1] ?? null
}

function listOptions({ poll_timeout }: Deployment): GitOptions {
  return { timeoutMs: poll_timeout, limits: { d: MEMORY_KIB } }
}

/** The refs in the output of git ls-remote. Other lines, and names that are not readable, are skipped. */
export function parseRefs(output: string): Ref[] {
  const refs = new Map<string, string>()
  for (const line of output.split('\n')) {
    const [, commit, name] = /^([0-9a-f]{40,64})\t(refs\/[^\s\p{C}]{1,250})$/u.exec(line) ?? []
    // `NAME^{}` follows an annotated tag and has its commit (git-ls-remote(1)).
    if (commit && name) refs.set(name.replace(/\^\{\}$/, ''), commit)
  }
  return [...refs].map(([name, commit]) => ({ name, commit }))
}
