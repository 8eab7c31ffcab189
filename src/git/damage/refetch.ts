import { join } from 'node:path'
import { TelecError } from '../../system/errors.ts'
import { readPlainText } from '../../system/files.ts'
import { git, gitError, gitRemote, tryGit } from '../git.ts'
import type { Repository } from '../repository.ts'
import { type Aside, runAsOwner } from './aside.ts'
import type { Patient } from './damage.ts'
import { refsToNothing } from './refs.ts'

/** As a fetch of an update has it. */
const MEMORY_KIB = 2 * 1024 * 1024

/** Fetches all branches and tags into a repository of its own, which needs nothing of this one, and takes its packs over. */
export async function fetchAnew({ repository, deployment, known }: Patient): Promise<void> {
  const { commonDir, world, workTree, owner } = repository
  const place = join(commonDir, 'telec-fetch')
  const format = known?.commit.length === 64 ? ['--object-format=sha256'] : []
  const fresh = { ...repository, gitDir: place, commonDir: place }
  await runAsOwner(repository, 'rm -rf -- "$1"', [place])
  const init = ['init', '--quiet', '--bare', ...format, '--', place]
  const made = await tryGit({ world, workTree, owner }, init)
  if (made.code !== 0) throw gitError(repository, init, made)
  // The remote's URL, its credentials and its proxy are as they are configured here; what is its own comes after that.
  const include = `text=$(cat -- "$1") && printf '[include]\\n\\tpath = %s\\n%s\\n' "$2" "$text" >"$1.new" && mv -f -- "$1.new" "$1"`
  await runAsOwner(repository, include, [join(place, 'config'), join(commonDir, 'config')])
  const alone = ['--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--no-auto-maintenance']
  const fetch = ['-c', 'fetch.unpackLimit=1', 'fetch', '--quiet', ...alone, '--no-filter', '--refmap=', '--']
  const options = { timeoutMs: deployment.fetch_timeout, limits: { d: MEMORY_KIB } }
  const source = await firstOf([deployment.remote, ...deployment.mirrors], (remote) =>
    gitRemote(
      fresh,
      remote,
      [...fetch, remote, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'],
      options,
    ),
  )
  // What is deployed may be on no branch any more; not every server gives it away by its id (uploadpack.allowAnySHA1InWant).
  if (known) await tryGit(fresh, [...fetch, source, known.commit], options)
  const take = `for part in pack rev idx; do for file in "$1"/objects/pack/*."$part"; do
    if [ -e "$file" ]; then mv -f -- "$file" "$2"/objects/pack/ || exit 1; fi
  done; done; rm -rf -- "$1"`
  await runAsOwner(repository, take, [place, commonDir])
}

async function firstOf(
  sources: readonly string[],
  attempt: (source: string) => Promise<unknown>,
): Promise<string> {
  let fault: unknown
  for (const source of sources)
    try {
      await attempt(source)
      return source
    } catch (error) {
      if (!(error instanceof TelecError)) throw error
      fault ??= error
    }
  throw fault
}

/** A ref whose object nobody has is in the way of every fetch: its name and id are noted, and it goes. */
export async function putRefsAside(repository: Repository, aside: Aside): Promise<void> {
  const head = readPlainText(join(repository.gitDir, 'HEAD'))?.trim()
  const refs = (await refsToNothing(repository)).filter(({ ref }) => head !== `ref: ${ref}`)
  if (refs.length === 0) return
  const lines = refs.map(({ id, ref }) => `${id} ${ref}\n`).join('')
  await runAsOwner(repository, 'mkdir -p -- "$1" && cat >>"$1/lost-refs"', [aside.folder], lines)
  for (const { ref } of refs) await git(repository, ['update-ref', '-d', ref])
}
