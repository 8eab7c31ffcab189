import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { gitAt, shellWord } from '../../system/errors.ts'
import { readBeginning, readPlainText } from '../../system/files.ts'
import { printableName } from '../../system/log.ts'
import { withoutLogins } from '../../system/logins.ts'
import { count } from '../../system/plural.ts'
import { explain } from '../causes.ts'
import { filesBelow, moveToBackup } from '../checkout-files.ts'
import { askGit, git, tryGit } from '../git.ts'
import { indexDamage } from '../index-file.ts'
import { keepIndex } from '../local-changes.ts'
import type { Repository } from '../repository.ts'
import { type CheckContext, type Damage, movesAway, replaces } from './damage.ts'

// Files of git that a power cut leaves empty, or full of zeros (gitrepository-layout(5)).

const ID = '[0-9a-f]{40,64}'
const IS_ID = new RegExp(`^${ID}$`)
const POINTER = new RegExp(`^(ref: refs/\\S+|${ID})\\n?$`)

function stateOf(text: string | null): string {
  return text === null ? 'missing' : text === '' ? 'empty' : /^\0+$/.test(text) ? 'zeros' : 'broken'
}

/** The configuration of the repository. */
export async function checkConfig(context: CheckContext): Promise<Damage[]> {
  const { workTree, commonDir } = context.repository
  const path = join(commonDir, 'config')
  const text = readPlainText(path)
  if (text?.replaceAll('\0', '').trim()) {
    const result = await tryGit(context.repository, ['config', '--file', path, '--list'])
    if (result.code === 0) return []
    return [
      { what: `git cannot read ${path}`, because: explain(result), hint: `correct that line in ${path}` },
    ]
  }
  const what = `${path} is ${stateOf(text)}`
  const fresh = newConfig(context.repository)
  const byHand = `${gitAt(workTree)} init && ${gitAt(workTree)} remote add origin URL`
  if (fresh === null) return [{ what, hint: `write it again: ${byHand}` }]
  const plan = `writes it again, with the remote of the clone: ${withoutLogins(fresh.url)}`
  return [{ what, repair: replaces(context, plan, path, fresh.text) }]
}

/** By git's log of the clone (git-reflog(1)); null where the formats of objects or refs need a setting. */
function newConfig({ gitDir }: Repository): { url: string; text: string } | null {
  const log = readPlainText(join(gitDir, 'logs/HEAD')) ?? ''
  const [, url] = /^[0-9a-f]{40} .*\tclone: from (\S+)$/m.exec(log) ?? []
  if (url === undefined || readPlainText(join(gitDir, 'HEAD'))?.includes('.invalid')) return null
  const text = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
[remote "origin"]
	url = ${url}
	fetch = +refs/heads/*:refs/remotes/origin/*
`
  return { url, text }
}

/** HEAD: without it git sees no repository. */
export async function checkHead(context: CheckContext): Promise<Damage[]> {
  const { repository, recorded } = context
  const path = join(repository.gitDir, 'HEAD')
  const text = readPlainText(path)
  if (text !== null && POINTER.test(text)) return []
  const what = `${path} is ${stateOf(text)}`
  if (recorded === null)
    return [{ what, hint: `write the name of its branch: echo 'ref: refs/heads/BRANCH' >${shellWord(path)}` }]
  const { commit, branch } = recorded
  const value = branch === null ? null : plainRef(repository, `refs/heads/${branch}`)
  const head = branch !== null && [null, commit].includes(value) ? `ref: refs/heads/${branch}` : commit
  return [
    { what, repair: replaces(context, `writes it again, by telec's record: ${head}`, path, `${head}\n`) },
  ]
}

/** The value of a ref by its files alone; null where they have none. */
function plainRef({ commonDir }: Repository, ref: string): string | null {
  const loose = readPlainText(join(commonDir, ref))?.trim() ?? ''
  if (IS_ID.test(loose)) return loose
  const packed = linesOf(join(commonDir, 'packed-refs')).find((line) => line.endsWith(` ${ref}`))
  return packed?.split(' ')[0] ?? null
}

/** The last element is the text after the last line end. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n') : ['']
}

type IsGood = (line: string, before: string, objects: string) => boolean

const IS_PACKED = new RegExp(`^(# pack-refs with:.*|${ID} refs/\\S+)$`)

/** Files whose good lines can be kept. */
const LISTS: readonly (readonly [name: string, isGood: IsGood])[] = [
  // A line with ^ belongs to the line above it.
  ['packed-refs', (line, before) => IS_PACKED.test(line) || (/^\^/.test(line) && IS_PACKED.test(before))],
  ['shallow', (line) => IS_ID.test(line)],
  // Folders of objects elsewhere (git-clone(1), --shared, --reference) may be removed.
  ['objects/info/alternates', (line, _, objects) => /^(#|$)/.test(line) || isFolder(resolve(objects, line))],
]

function isFolder(path: string): boolean {
  return !path.includes('\0') && existsSync(path)
}

export async function checkLists(context: CheckContext): Promise<Damage[]> {
  const { commonDir, workTree } = context.repository
  const fetch = `${gitAt(workTree)} fetch --tags ${shellWord(withoutLogins(context.deployment.remote))}`
  return LISTS.flatMap(([name, isGood]) => {
    const path = join(commonDir, name)
    const lines = linesOf(path)
    const rest = lines.pop() ?? ''
    const kept = lines.filter((line, at) => isGood(line, lines[at - 1] ?? '', join(commonDir, 'objects')))
    if (rest === '' && kept.length === lines.length) return []
    const bad = [...lines.filter((line) => !kept.includes(line)), rest].filter(Boolean)
    const plan = `keeps its ${count(kept.length, 'good line')}; to restore the others: ${fetch}`
    const text = kept.map((line) => `${line}\n`).join('')
    return [
      {
        what: `${path} is broken`,
        because: `git cannot use: ${printableName(bad.join(' ').slice(0, 100))}`,
        repair: text ? replaces(context, plan, path, text) : movesAway(context, plan, [path]),
      },
    ]
  })
}

/** Files that git recreates, and their first bytes (gitformat-commit-graph(5), gitformat-pack(5)). */
const CACHES: readonly (readonly [name: RegExp, start: RegExp])[] = [
  [/^(ORIG|MERGE|CHERRY_PICK|REVERT|REBASE)_HEAD$|^commit-graph-chain$/, new RegExp(`^${ID}`)],
  [/^(commit-graph|graph-.*\.graph)$/, /^CGPH/],
  [/^multi-pack-index$/, /^MIDX/],
]

export async function checkCaches(context: CheckContext): Promise<Damage[]> {
  const { gitDir, commonDir } = context.repository
  const caches = ['info', 'pack'].flatMap((name) => filesBelow(join(commonDir, 'objects', name), /./))
  return [...readdirSync(gitDir).map((name) => join(gitDir, name)), ...caches].flatMap((path) => {
    const start = CACHES.find(([name]) => name.test(basename(path)))?.[1]
    if (!start || start.test(readBeginning(path, 64, 'latin1') ?? '')) return []
    const chain = join(dirname(path), 'commit-graph-chain') // the list of the graph's files
    const repair = movesAway(context, 'moves it away; git recreates it', [path, chain])
    return [{ what: `${path} is broken`, repair }]
  })
}

/** The index. The repair changes no file of the work tree. */
export async function checkIndex({ repository, backup }: CheckContext): Promise<Damage[]> {
  const path = join(repository.gitDir, 'index')
  const damage = indexDamage(repository)
  const result = await tryGit(repository, ['ls-files', '--unmerged'])
  const isEmpty = async () => (await tryGit(repository, ['ls-tree', 'HEAD'])).stdout === ''
  if (result.code === 0 && (damage === null || (damage === 'missing' && (await isEmpty())))) return []
  return [
    {
      what: `${path} is ${damage ?? 'broken'}`,
      ...(result.code === 0 ? {} : { because: explain(result) }),
      repair: {
        plan: 'recreates it from HEAD, and keeps staged changes if git can read them; it changes no file',
        async run() {
          const kept = damage === 'missing' ? null : await keepIndex(repository, 'stash')
          if (kept) repository.world.log.notice(`kept the staged changes in ${kept}`)
          moveToBackup(repository, [path], backup)
          await git(repository, ['read-tree', 'HEAD'])
          await hideSparse(repository)
          await askGit(repository, ['update-index', '-q', '--refresh'])
        },
      },
    },
  ]
}

/** In a sparse checkout a missing file is not a removed one (git-sparse-checkout(1)). */
async function hideSparse(repository: Repository): Promise<void> {
  const isSparse = await askGit(repository, ['config', '--type=bool', 'core.sparseCheckout'])
  if (isSparse.stdout.trim() !== 'true') return
  const input = await git(repository, ['ls-files', '--deleted', '-z'])
  await git(repository, ['update-index', '-z', '--skip-worktree', '--stdin'], { input })
}
