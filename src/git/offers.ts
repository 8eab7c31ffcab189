import type { Ref } from '../channel/decide.ts'
import type { World } from '../system/world.ts'
import { gitRemote, type Repository } from './git.ts'

/** What a server may make git keep in memory before it is given up: enough for a million refs. */
const MEMORY_KIB = 1024 * 1024

/** The head of `branch` on the remote; null when the remote has no such branch. */
export async function remoteHead(
  world: World,
  repository: Repository,
  remote: string,
  branch: string,
  timeoutMs: number,
): Promise<Ref | null> {
  const name = `refs/heads/${branch}`
  // --heads: the server then sends branches only; a pattern alone is applied on our side, after every ref came.
  const output = await gitRemote(world, repository, remote, ['ls-remote', '--heads', '--', remote, name], {
    timeoutMs,
    memoryKib: MEMORY_KIB,
  })
  return parseRefs(output).find((ref) => ref.name === name) ?? null
}

/** The remote's tags, annotated ones peeled to the commit that they name. */
export async function remoteTags(
  world: World,
  repository: Repository,
  remote: string,
  timeoutMs: number,
): Promise<Ref[]> {
  const output = await gitRemote(world, repository, remote, ['ls-remote', '--tags', '--', remote], {
    timeoutMs,
    memoryKib: MEMORY_KIB,
  })
  const tags = new Map<string, string>()
  // `NAME^{}` follows its tag and holds the commit that an annotated one points at (git-ls-remote(1)).
  for (const { name, commit } of parseRefs(output)) tags.set(name.replace(/\^\{\}$/, ''), commit)
  return [...tags].map(([name, commit]) => ({ name, commit }))
}

/** The lines `ID<TAB>NAME` of git ls-remote; anything else is passed over, and so are names that nobody could read. */
function parseRefs(output: string): Ref[] {
  return output.split('\n').flatMap((line) => {
    const [, commit, name] = /^([0-9a-f]{40,64})\t(refs\/[^\s\p{C}]{1,250})$/u.exec(line) ?? []
    return commit && name ? [{ name, commit }] : []
  })
}
