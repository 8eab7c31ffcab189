import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readPlainText } from '../../system/files.ts'
import { printableName } from '../../system/log.ts'
import { withoutLogins } from '../../system/logins.ts'
import { explain } from '../causes.ts'
import { tryGit } from '../git.ts'
import { filesBelow, startOf } from '../leftovers.ts'
import type { Repository } from '../repository.ts'
import { type Damage, movesAway, type Patient, replaces } from './damage.ts'

// Files of git's own that a power cut leaves empty, or full of zeros, and that git stumbles over (gitrepository-layout(5)).

const ID = '[0-9a-f]{40,64}'
const IS_ID = new RegExp(`^${ID}$`)
const POINTER = new RegExp(`^(ref: refs/\\S+|${ID})\\n?$`)

function howBroken(text: string | null): string {
  return text === null ? 'missing' : text === '' ? 'empty' : /^\0+$/.test(text) ? 'zeros' : 'broken'
}

/** The configuration of the repository. */
export async function lookAtConfig(patient: Patient): Promise<Damage[]> {
  const { workTree, commonDir } = patient.repository
  const path = join(commonDir, 'config')
  const text = readPlainText(path)
  if (text?.replaceAll('\0', '').trim()) {
    const result = await tryGit(patient.repository, ['config', '--file', path, '--list'])
    if (result.code === 0) return []
    return [
      { what: `git cannot read ${path}`, because: explain(result), hint: `correct that line in ${path}` },
    ]
  }
  const what = `${path} is ${howBroken(text)}`
  const anew = configAnew(patient.repository)
  const byHand = `git -C ${workTree} init && git -C ${workTree} remote add origin URL`
  if (anew === null) return [{ what, hint: `write it anew: ${byHand}` }]
  const plan = `writes it anew, with the remote that this was cloned from: ${withoutLogins(anew.url)}`
  return [{ what, repair: replaces(patient, plan, path, anew.text) }]
}

/** By what git noted as it cloned (git-reflog(1)); null where its format of objects or refs is one that has to be configured. */
function configAnew({ gitDir }: Repository): { url: string; text: string } | null {
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

/** HEAD, without which git takes the folder for none of its own. */
export async function lookAtHead(patient: Patient): Promise<Damage[]> {
  const { repository, known } = patient
  const path = join(repository.gitDir, 'HEAD')
  const text = readPlainText(path)
  if (text !== null && POINTER.test(text)) return []
  const what = `${path} is ${howBroken(text)}`
  if (known === null)
    return [{ what, hint: `name the branch that it was on: echo 'ref: refs/heads/BRANCH' >${path}` }]
  const { commit, branch } = known
  const value = branch === null ? null : plainRef(repository, `refs/heads/${branch}`)
  const anew = branch !== null && [null, commit].includes(value) ? `ref: refs/heads/${branch}` : commit
  return [
    { what, repair: replaces(patient, `writes it anew, by telec's record: ${anew}`, path, `${anew}\n`) },
  ]
}

/** The value of a ref by its files alone; null where they have none. */
function plainRef({ commonDir }: Repository, ref: string): string | null {
  const loose = readPlainText(join(commonDir, ref))?.trim() ?? ''
  if (IS_ID.test(loose)) return loose
  const packed = linesOf(join(commonDir, 'packed-refs')).find((line) => line.endsWith(` ${ref}`))
  return packed?.split(' ')[0] ?? null
}

/** The last one is what comes after the last line end. */
function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n') : ['']
}

type IsGood = (line: string, before: string, objects: string) => boolean

const IS_PACKED = new RegExp(`^(# pack-refs with:.*|${ID} refs/\\S+)$`)

/** Files of lines, whose good ones are kept. */
const LISTS: readonly (readonly [name: string, isGood: IsGood])[] = [
  // A line that goes on from a broken one is broken as well.
  ['packed-refs', (line, before) => IS_PACKED.test(line) || (/^\^/.test(line) && IS_PACKED.test(before))],
  ['shallow', (line) => IS_ID.test(line)],
  // Folders of objects elsewhere (git-clone(1), --shared, --reference) may be gone.
  ['objects/info/alternates', (line, _, objects) => /^(#|$)/.test(line) || isFolder(resolve(objects, line))],
]

function isFolder(path: string): boolean {
  return !path.includes('\0') && existsSync(path)
}

export async function lookAtLists(patient: Patient): Promise<Damage[]> {
  const { commonDir, workTree } = patient.repository
  const fetch = `git -C ${workTree} fetch --tags ${withoutLogins(patient.deployment.remote)}`
  return LISTS.flatMap(([name, isGood]) => {
    const path = join(commonDir, name)
    const lines = linesOf(path)
    const rest = lines.pop() ?? ''
    const kept = lines.filter((line, at) => isGood(line, lines[at - 1] ?? '', join(commonDir, 'objects')))
    if (rest === '' && kept.length === lines.length) return []
    const bad = [...lines.filter((line) => !kept.includes(line)), rest].filter(Boolean)
    const plan = `keeps the ${kept.length} line(s) of it that are good; what is missing comes back with: ${fetch}`
    return [
      {
        what: `${path} is broken`,
        because: `git cannot use: ${printableName(bad.join(' ').slice(0, 100))}`,
        repair:
          kept.length > 0
            ? replaces(patient, plan, path, kept.map((line) => `${line}\n`).join(''))
            : movesAway(patient, plan, [path]),
      },
    ]
  })
}

/** What git makes anew by itself, by how it begins (gitformat-commit-graph(5), gitformat-pack(5)). */
const RENEWED: readonly (readonly [name: RegExp, begins: RegExp])[] = [
  [/^(ORIG|MERGE|CHERRY_PICK|REVERT|REBASE)_HEAD$|^commit-graph-chain$/, new RegExp(`^${ID}`)],
  [/^(commit-graph|graph-.*\.graph)$/, /^CGPH/],
  [/^multi-pack-index$/, /^MIDX/],
]

export async function lookAtRenewed(patient: Patient): Promise<Damage[]> {
  const { gitDir, commonDir } = patient.repository
  const caches = ['info', 'pack'].flatMap((name) => filesBelow(join(commonDir, 'objects', name), /./))
  return [...readdirSync(gitDir).map((name) => join(gitDir, name)), ...caches].flatMap((path) => {
    const begins = RENEWED.find(([name]) => name.test(basename(path)))?.[1]
    if (!begins || begins.test(startOf(path, 64).toString('latin1'))) return []
    const chain = join(dirname(path), 'commit-graph-chain') // which names the files of a graph in parts
    const repair = movesAway(patient, 'moves it away; git makes it anew', [path, chain])
    return [{ what: `${path} is broken`, repair }]
  })
}
