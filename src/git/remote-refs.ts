import type { Ref } from '../channel/releases.ts'
import type { Config } from '../config/schema.ts'
import { withoutLogins } from '../system/logins.ts'
import { type GitOptions, gitInShell, gitRemote } from './git.ts'
import type { Repository } from './repository.ts'

/** What a server may make git keep in memory before it is given up: enough for a million refs. */
export const MEMORY_KIB = 1024 * 1024

/** What a list depends on. */
type Listing = Pick<Config['deployment'], 'channel' | 'branch' | 'poll_timeout'>

/** What a remote offers to the channel, as git ls-remote prints it. `heard`: what a shell heard, then a dot and its command. */
export async function listRemote(
  repository: Repository,
  deployment: Config['deployment'],
  remote: string,
  heard: string | null = null,
): Promise<string> {
  const command = heard === null ? null : listInShell(repository, deployment)
  const end = ['.', ...(command ?? [])].join('\n')
  if (command && heard?.endsWith(end)) return heard.slice(0, -end.length)
  return gitRemote(repository, remote, listArguments(deployment, remote), listOptions(deployment))
}

/** How a shell asks the same, a word each; null where it cannot, or would have a login in a file. */
export function listInShell(repository: Repository, deployment: Config['deployment']): string[] | null {
  const { world } = repository
  const { remote, poll_timeout } = deployment
  if (world.env.GIT_SSH_COMMAND !== undefined || withoutLogins(remote) !== remote) return null
  const words = gitInShell(repository, listArguments(deployment, remote), poll_timeout)
  return words.some((word) => word === '' || word.includes('\n')) ? null : words
}

function listArguments({ channel, branch }: Listing, source: string): string[] {
  // --heads: the server then sends branches only; a pattern alone is applied on our side, after every ref came.
  const wanted =
    channel === 'alpha' ? ['--heads', '--', source, `refs/heads/${branch}`] : ['--tags', '--', source]
  return ['ls-remote', ...wanted]
}

/** The branch that a remote's HEAD names, which is its default one; null: it names none that is there. */
export async function defaultBranch(
  repository: Repository,
  deployment: Config['deployment'],
  remote: string,
): Promise<string | null> {
  const args = ['ls-remote', '--symref', '--', remote, 'HEAD']
  const said = await gitRemote(repository, remote, args, listOptions(deployment))
  return /^ref: refs\/heads\/([^\s\p{C}]{1,250})\tHEAD$/mu.exec(said)?.[1] ?? null
}

function listOptions({ poll_timeout }: Listing): GitOptions {
  return { timeoutMs: poll_timeout, limits: { d: MEMORY_KIB } }
}

/** The refs of such a list, annotated tags peeled to the commit that they name. */
export function parseOffers(list: string): Ref[] {
  const refs = new Map<string, string>()
  // `NAME^{}` follows its tag and holds the commit that an annotated one points at (git-ls-remote(1)).
  for (const { name, commit } of parseRefs(list)) refs.set(name.replace(/\^\{\}$/, ''), commit)
  return [...refs].map(([name, commit]) => ({ name, commit }))
}

/** The lines `ID<TAB>NAME` of git ls-remote; anything else is passed over, and so are names that nobody could read. */
function parseRefs(output: string): Ref[] {
  return output.split('\n').flatMap((line) => {
    const [, commit, name] = /^([0-9a-f]{40,64})\t(refs\/[^\s\p{C}]{1,250})$/u.exec(line) ?? []
    return commit && name ? [{ name, commit }] : []
  })
}
