import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { readPlainText } from '../../system/files.ts'
import { explain, localCause, REPAIR_HINT } from '../causes.ts'
import { hasCommit, keepCommit } from '../checkout.ts'
import { git, tryGit } from '../git.ts'
import { filesBelow, moveAside } from '../leftovers.ts'
import { keptRef } from '../refs.ts'
import type { Repository } from '../repository.ts'
import { CLONE_HINT, type Damage, movesAway, type Patient } from './damage.ts'

/** Whether git takes the repository for one at all: its format may be newer than this git. */
export async function lookWhetherItOpens({ repository }: Patient): Promise<Damage[]> {
  const result = await tryGit(repository, ['rev-parse', '--git-dir'])
  if (result.code === 0) return []
  const cause = localCause(repository, result)
  const what = cause?.message ?? `git does not open ${repository.gitDir}`
  const hint = cause?.hint && cause.hint !== REPAIR_HINT ? cause.hint : CLONE_HINT
  return [{ what, because: explain(result), hint }]
}

/** Refs that name nothing, and the branch that HEAD is on, which may be gone. */
export async function lookAtRefs(patient: Patient): Promise<Damage[]> {
  const { repository } = patient
  const { stdout, stderr } = await tryGit(repository, ['for-each-ref', '--format=%(refname)'])
  const broken = new Set([...stderr.matchAll(/ignoring broken ref (\S+)/g)].map(([, ref = '']) => ref))
  const [, head] = /^ref: (\S+)/.exec(readPlainText(join(repository.gitDir, 'HEAD')) ?? '') ?? []
  const listed = stdout.split('\n')
  if (head && head !== 'refs/heads/.invalid' && !listed.includes(head)) broken.add(head)
  // git removes a log with its ref: one that is alone tells of a ref that was lost, as with packed-refs.
  const logs = join(repository.commonDir, 'logs')
  const logged = [...filesBelow(join(logs, 'refs/heads'), /./), join(logs, 'refs/stash')].filter(existsSync)
  for (const path of logged) if (!listed.includes(relative(logs, path))) broken.add(relative(logs, path))
  return (await Promise.all([...broken].map((ref) => brokenRef(patient, ref, ref === head)))).flat()
}

async function brokenRef(patient: Patient, ref: string, isHead: boolean): Promise<Damage[]> {
  const { repository, known } = patient
  const path = join(repository.commonDir, ref)
  const what = `the ref ${ref} is ${existsSync(path) ? 'broken' : 'missing'}`
  // Who says what it named, the one who is believed first: telec's record, the tag as it was fetched, its own log.
  const recorded = known && ref === `refs/heads/${known.branch}` ? known.commit : null
  const fetched = await tryGit(repository, ['rev-parse', '--verify', '--quiet', keptRef(ref)])
  const [logged] = loggedIds(repository, ref)
  const sources = [
    [recorded, "by telec's record"],
    [ref.startsWith('refs/tags/') ? fetched.stdout.trim() : null, 'as it was fetched'],
    [logged, 'by its log'],
  ] as const
  const here: [commit: string, source: string][] = []
  for (const [commit, source] of sources)
    if (commit && (await hasCommit(repository, commit))) here.push([commit, source])
  const [first] = here
  if (!first || /^refs\/(telec|remotes)\//.test(ref)) {
    if (existsSync(path))
      return [
        {
          what,
          repair: movesAway(patient, 'moves it away; a fetch makes it anew where the remote has it', [path]),
        },
      ]
    const hint = `check out what the service runs: git -C ${repository.workTree} checkout BRANCH`
    return isHead ? [{ what, hint }] : []
  }
  const other = here.find(([commit]) => commit !== first[0])?.[0] // work of a person, perhaps
  const kept = other ? `, and keeps ${other.slice(0, 12)}, which its log names` : ''
  const repair = {
    plan: `has it name ${first[0].slice(0, 12)}, ${first[1]}${kept}`,
    async run() {
      moveAside(repository, [path], patient.aside)
      if (other) await keepCommit(repository, 'rescued', other)
      await git(repository, ['update-ref', ref, first[0]])
    },
  }
  return [{ what, repair }]
}

/** What the log of a ref says that it named, newest first. */
export function loggedIds({ commonDir }: Repository, ref: string): string[] {
  const log = readPlainText(join(commonDir, 'logs', ref)) ?? ''
  const ids = [...log.matchAll(/^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /gm)].map(([, id = '']) => id)
  return ids.reverse()
}

/** Refs whose object is not there. */
export async function refsToNothing(repository: Repository): Promise<{ ref: string; id: string }[]> {
  const format = '--format=%(objectname) %(refname)'
  const refs = (await tryGit(repository, ['for-each-ref', format])).stdout.split('\n').filter(Boolean)
  const input = refs.map((line) => `${line.split(' ')[0]}\n`).join('')
  const { stdout } = await tryGit(repository, ['cat-file', '--batch-check'], { input })
  const missing = new Set([...stdout.matchAll(/^([0-9a-f]+) missing$/gm)].map(([, id]) => id))
  return refs.flatMap((line) => {
    const [id = '', ref = ''] = line.split(' ')
    return missing.has(id) ? [{ id, ref }] : []
  })
}
