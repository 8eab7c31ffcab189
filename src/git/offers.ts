import type { Ref } from '../channel/decide.ts'
import type { Config } from '../config/schema.ts'
import type { World } from '../system/world.ts'
import { gitRemote } from './git.ts'
import type { Repository } from './repository.ts'

/** What a server may make git keep in memory before it is given up: enough for a million refs. */
const MEMORY_KIB = 1024 * 1024

type Deployment = Pick<Config['deployment'], 'channel' | 'branch' | 'poll_timeout'>

/** What a remote offers to the channel, in the words of git ls-remote. Throws `later` where it is out of reach. */
export function listRemote(
  world: World,
  repository: Repository,
  { channel, branch, poll_timeout }: Deployment,
  remote: string,
): Promise<string> {
  // --heads: the server then sends branches only; a pattern alone is applied on our side, after every ref came.
  const wanted = (source: string) =>
    channel === 'alpha' ? ['--heads', '--', source, `refs/heads/${branch}`] : ['--tags', '--', source]
  const options = { timeoutMs: poll_timeout, memoryKib: MEMORY_KIB }
  return gitRemote(world, repository, remote, (source) => ['ls-remote', ...wanted(source)], options)
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
