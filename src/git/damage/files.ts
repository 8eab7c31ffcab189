import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readPlainText } from '../../system/files.ts'
import { explain, printableRemote } from '../causes.ts'
import { tryGit } from '../git.ts'
import { filesBelow } from '../leftovers.ts'
import type { Repository } from '../repository.ts'
import type { Damage, Patient } from './damage.ts'

// Files of git's own that a power cut leaves empty, or full of zeros (gitrepository-layout(5)).

const ID = '[0-9a-f]{40,64}'
const POINTER = new RegExp(`^(ref: refs/\\S+|${ID})\\n?$`)

/** The configuration of the repository. */
export async function lookAtConfig({ repository }: Patient): Promise<Damage[]> {
  const path = join(repository.commonDir, 'config')
  const text = readPlainText(path)
  if (text?.replaceAll('\0', '').trim()) {
    const result = await tryGit(repository, ['config', '--file', path, '--list'])
    if (result.code === 0) return []
    return [
      { what: `git cannot read ${path}`, because: explain(result), hint: `correct that line in ${path}` },
    ]
  }
  const what = `${path} is ${text === null ? 'missing' : text === '' ? 'empty' : 'zeros'}`
  const url = clonedFrom(repository)
  const byHand = `git -C ${repository.workTree} init && git -C ${repository.workTree} remote add origin URL`
  if (url === null) return [{ what, hint: `write it anew: ${byHand}` }]
  const plan = `writes it anew, with the remote that this was cloned from: ${printableRemote(url)}`
  const anew = configFor(repository, url)
  return [{ what, repair: { plan, run: (aside) => aside.replace(path, anew) } }]
}

/** What git noted as it cloned (git-reflog(1)); not where refs are in tables, which only their configuration says. */
function clonedFrom({ gitDir }: Repository): string | null {
  const [, url] = /\tclone: from (\S+)$/m.exec(readPlainText(join(gitDir, 'logs/HEAD')) ?? '') ?? []
  const isInTables = readPlainText(join(gitDir, 'HEAD'))?.includes('.invalid')
  return url === undefined || isInTables ? null : url
}

function configFor({ commonDir, gitDir }: Repository, url: string): string {
  const isSha256 = /^[0-9a-f]{64} /.test(readPlainText(join(gitDir, 'logs/HEAD')) ?? '')
  const isPartial = filesBelow(join(commonDir, 'objects/pack'), /\.promisor$/).length > 0
  return `[core]
	repositoryformatversion = ${isSha256 ? 1 : 0}
	filemode = true
	bare = false
	logallrefupdates = true
${isSha256 ? '[extensions]\n\tobjectFormat = sha256\n' : ''}[remote "origin"]
	url = ${url}
	fetch = +refs/heads/*:refs/remotes/origin/*
${isPartial ? '\tpromisor = true\n\tpartialclonefilter = blob:none\n' : ''}`
}

/** HEAD, without which git takes the folder for none of its own. */
export async function lookAtHead({ repository, known }: Patient): Promise<Damage[]> {
  const path = join(repository.gitDir, 'HEAD')
  const text = readPlainText(path)
  if (text !== null && POINTER.test(text)) return []
  const what = `${path} is ${text === null ? 'missing' : text === '' ? 'empty' : 'broken'}`
  if (known === null)
    return [{ what, hint: `name the branch that it was on: echo 'ref: refs/heads/BRANCH' >${path}` }]
  const value = known.branch === null ? null : plainRef(repository, `refs/heads/${known.branch}`)
  const isOnBranch = known.branch !== null && (value === null || value === known.commit)
  const anew = isOnBranch ? `ref: refs/heads/${known.branch}` : known.commit
  const plan = `writes it anew, by telec's record: ${anew}`
  return [{ what, repair: { plan, run: (aside) => aside.replace(path, `${anew}\n`) } }]
}

/** The value of a ref by its files alone; null where they have none. */
function plainRef({ commonDir }: Repository, ref: string): string | null {
  const loose = readPlainText(join(commonDir, ref))?.trim() ?? ''
  if (new RegExp(`^${ID}$`).test(loose)) return loose
  const packed = linesOf(join(commonDir, 'packed-refs')).find((line) => line.endsWith(` ${ref}`))
  return packed?.split(' ')[0] ?? null
}

/** The last one is what comes after the last line end. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n') : ['']
}

/** packed-refs: what can be read of it is kept. */
export async function lookAtPackedRefs({ repository, deployment }: Patient): Promise<Damage[]> {
  const path = join(repository.commonDir, 'packed-refs')
  const good = new RegExp(`^(# pack-refs with:.*|\\^${ID}|${ID} refs/\\S+)$`)
  const fetch = `git -C ${repository.workTree} fetch --tags ${printableRemote(deployment.remote)}`
  return mendLines(path, good, `; what is missing comes back with: ${fetch}`)
}

/** The damage of a file of lines of which not each is good. */
function mendLines(path: string, good: RegExp, remark = ''): Damage[] {
  const lines = linesOf(path)
  const last = lines.pop()
  // A line that goes on from a broken one is broken as well.
  const isGood = (line: string, index: number) =>
    good.test(line) && (!line.startsWith('^') || good.test(lines[index - 1] ?? ''))
  const kept = lines.filter(isGood)
  if (last === '' && kept.length === lines.length) return []
  const text = kept.map((line) => `${line}\n`).join('')
  const plan = `keeps the ${kept.length} line(s) of it that can be read${remark}`
  return [{ what: `${path} is broken`, repair: { plan, run: (aside) => aside.replace(path, text) } }]
}

const POINTERS = ['ORIG_HEAD', 'MERGE_HEAD', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'AUTO_MERGE']

/** Whatever git writes anew by itself, and stumbles over where it is broken. */
export async function lookAtSideFiles({ repository }: Patient): Promise<Damage[]> {
  const { gitDir, commonDir } = repository
  const startsWithId = new RegExp(`^${ID}`)
  const isBroken = (name: string) => {
    const text = readPlainText(join(gitDir, name))
    return text !== null && !startsWithId.test(text)
  }
  const pointers = POINTERS.filter(isBroken)
  if (readPlainText(join(gitDir, 'FETCH_HEAD'))?.includes('\0')) pointers.push('FETCH_HEAD')
  const entry = new RegExp(`^${ID} ${ID} .*> \\d+ [+-]\\d{4}(\\t.*)?$`)
  const logs = new Set([gitDir, commonDir].flatMap((folder) => filesBelow(join(folder, 'logs'), /./)))
  const cut = [...logs].filter((path) => readFileSync(path).at(-1) === 0) // as what was written last is
  return [
    ...pointers.map((name) => renewed(join(gitDir, name))),
    ...cut.flatMap((path) => mendLines(path, entry)),
    ...brokenCaches(commonDir),
    ...lostAlternates(commonDir),
  ]
}

function renewed(path: string, ...more: string[]): Damage {
  const plan = 'moves it away; git makes it anew'
  return { what: `${path} is broken`, repair: { plan, run: (aside) => aside.move([path, ...more]) } }
}

/** How files begin that git can make anew (gitformat-commit-graph(5), gitformat-pack(5)). */
const CACHES: readonly (readonly [file: RegExp, begins: string])[] = [
  [/^(commit-graph|graph-.*\.graph)$/, 'CGPH'],
  [/^multi-pack-index$/, 'MIDX'],
  [/\.rev$/, 'RIDX'],
  [/\.bitmap$/, 'BITM'],
]

function brokenCaches(commonDir: string): Damage[] {
  const files = ['info', 'pack'].flatMap((name) => filesBelow(join(commonDir, 'objects', name), /./))
  return files.flatMap((path) => {
    const begins = CACHES.find(([file]) => file.test(basename(path)))?.[1]
    if (begins === undefined || readFileSync(path).toString('latin1', 0, 4) === begins) return []
    return [renewed(path, join(dirname(path), 'commit-graph-chain'))] // which names the files of a graph in parts
  })
}

/** Folders of objects elsewhere (git-clone(1), --shared, --reference) that are gone. */
function lostAlternates(commonDir: string): Damage[] {
  const path = join(commonDir, 'objects/info/alternates')
  const isGone = (line: string) =>
    line !== '' && !line.startsWith('#') && !existsSync(resolve(commonDir, 'objects', line))
  const lines = linesOf(path)
  const gone = lines.filter(isGone)
  if (gone.length === 0) return []
  const rest = lines.filter((line) => !isGone(line)).join('\n')
  const plan = 'does without them, and fetches what is missing'
  const what = `the objects that ${path} names are not there: ${gone.join(', ')}`
  return [{ what, repair: { plan, run: (aside) => aside.replace(path, rest) } }]
}
