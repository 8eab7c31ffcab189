import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { TelecError } from '../../system/errors.ts'
import { explain, printableRemote } from '../causes.ts'
import { tryGit } from '../git.ts'
import { filesBelow } from '../leftovers.ts'
import type { Repository } from '../repository.ts'
import { type Aside, runAsOwner } from './aside.ts'
import type { Damage, Patient } from './damage.ts'
import { fetchAnew, putRefsAside } from './refetch.ts'
import { refsToNothing } from './refs.ts'

/** All of a large repository is read (git-fsck(1)). */
const FSCK_TIMEOUT_MS = 60 * 60_000

/** The objects of HEAD, and what refs name; a thorough look reads each object. */
export async function lookAtObjects(patient: Patient): Promise<Damage[]> {
  const { repository, isThorough, deployment } = patient
  const { files, because } = await brokenObjects(repository, isThorough)
  const toNothing = await refsToNothing(repository)
  if (because === null && toNothing.length === 0) return []
  const remote = printableRemote(deployment.remote)
  const moves = files.length > 0 ? `moves ${files.length} broken file(s) away, and ` : ''
  const details = [because ?? '', ...toNothing.map(({ ref }) => `${ref} names an object that is missing`)]
  return [
    {
      what: `objects are missing or broken in ${repository.commonDir}/objects`,
      because: details.filter(Boolean).join('\n'),
      repair: {
        plan: `${moves}fetches all objects anew from ${remote}`,
        async run(aside) {
          await salvage(repository, files, aside)
          await fetchAnew(patient)
          await putRefsAside(repository, aside)
          const head = ['rev-list', '--objects', '--quiet', 'HEAD', '--']
          if ((await tryGit(repository, head)).code === 0) return
          throw new TelecError('halted', `${remote} does not have all that HEAD needs`, {
            because: 'it needs a commit that was made here, or that was removed there',
            hint: `clone it anew beside it (git clone URL ${repository.workTree}.new), and move what git does not track over`,
          })
        },
      },
    },
  ]
}

/** What git says of refs, the index, logs and caches: they have looks of their own. */
const OF_OTHERS =
  /sha1 pointer|reflog|refs\/|commit-graph|multi-pack-index|alternate|bad index|index file (corrupt|smaller)|bad signature|invalid HEAD|bad revision 'HEAD'/

/** Files of objects that cannot be read, and what git says; null where all is well. */
async function brokenObjects(
  repository: Repository,
  isThorough: boolean,
): Promise<{ files: readonly string[]; because: string | null }> {
  const head = ['rev-list', '--objects', '--no-walk', '--quiet', 'HEAD', '--']
  const all = ['fsck', '--full', '--no-dangling', '--no-reflogs', '--no-progress']
  const result = await tryGit(repository, isThorough ? all : head, { timeoutMs: FSCK_TIMEOUT_MS })
  const folder = join(repository.commonDir, 'objects')
  const cut = filesBelow(join(folder, 'pack'), /\.(pack|idx)$/).filter(isCutPack)
  const said = `${result.stderr}${result.stdout}`
    .split('\n')
    .filter((line) => /^(error|fatal|missing|broken link)\b/.test(line) && !OF_OTHERS.test(line))
  if (cut.length === 0 && (result.code === 0 || said.length === 0)) return { files: [], because: null }
  const files = new Set([...cut, ...filesBelow(folder, /^[0-9a-f]{38,62}$/).filter(isNoObject)])
  const names = said.flatMap((line) => [
    ...line.matchAll(/objects\/(pack\/pack-[0-9a-f]+|[0-9a-f]{2}\/[0-9a-f]{38,62})/g),
  ])
  for (const [, name = ''] of names)
    for (const path of name.startsWith('pack/') ? [`${name}.pack`, `${name}.idx`] : [name])
      if (existsSync(join(folder, path))) files.add(join(folder, path))
  const because = said.slice(0, 5).join('\n') || cut.map((path) => `${path} is broken`).join('\n')
  return { files: [...files], because: because || explain(result) }
}

/** Whether a loose object cannot be one: it does not begin as zlib's streams do (RFC 1950). */
function isNoObject(path: string): boolean {
  const [method = 0, flags = 0] = firstBytes(path, 2)
  return (method & 0x0f) !== 8 || (method * 256 + flags) % 31 !== 0
}

/** Whether a pack, or its index, does not begin as one, or is shorter than any (gitformat-pack(5)). */
function isCutPack(path: string): boolean {
  const begins = Buffer.from(firstBytes(path, 4)).toString('latin1')
  if (path.endsWith('.idx')) return begins !== '\u00fftOc' || statSync(path).size < 1_072
  return begins !== 'PACK' || statSync(path).size < 32
}

function firstBytes(path: string, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  const fd = openSync(path, 'r')
  try {
    readSync(fd, bytes, 0, count, 0)
    return bytes
  } finally {
    closeSync(fd)
  }
}

/** All that may lie beside a pack. */
const PARTS = ['pack', 'idx', 'rev', 'bitmap', 'promisor', 'keep', 'mtimes']

/** Moves what cannot be read away, and unpacks what a pack still has: what was made here is nowhere else. */
async function salvage(repository: Repository, files: readonly string[], aside: Aside): Promise<void> {
  const isPart = (path: string) => /\.(pack|idx)$/.test(path)
  const packs = new Set(files.filter(isPart).map((path) => path.replace(/\.(pack|idx)$/, '')))
  const parts = [...packs].flatMap((pack) => PARTS.map((part) => `${pack}.${part}`))
  await aside.move([...files.filter((path) => !isPart(path)), ...parts])
  for (const pack of packs) {
    const kept = join(aside.folder, `${relative(repository.commonDir, pack)}.pack`)
    // What it cannot unpack is fetched.
    const unpack = '[ ! -e "$1" ] || git --git-dir="$2" unpack-objects -r -q <"$1" 2>/dev/null || true'
    await runAsOwner(repository, unpack, [kept, repository.gitDir])
  }
}
