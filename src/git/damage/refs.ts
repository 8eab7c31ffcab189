import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readPlainText } from '../../system/files.ts'
import { explain, localCause } from '../causes.ts'
import { hasCommit, keepCommit } from '../checkout.ts'
import { askGit, git, tryGit } from '../git.ts'
import { moveAside } from '../leftovers.ts'
import { keptRef } from '../refs.ts'
import type { Repository } from '../repository.ts'
import { type Damage, movesAway, type Patient } from './damage.ts'

/** Whether git takes the repository for one at all: its format may be newer than this git. */
export async function lookWhetherItOpens({ repository }: Patient): Promise<Damage[]> {
  const result = await tryGit(repository, ['rev-parse', '--git-dir'])
  if (result.code === 0) return []
  const cause = localCause(repository, result)
  const what = cause?.message ?? `git does not open ${repository.gitDir}`
  return [{ what, because: explain(result), ...(cause?.hint ? { hint: cause.hint } : {}) }]
}

/** Refs that name nothing, and the branch that HEAD is on, which may be gone. */
export async function lookAtRefs(patient: Patient): Promise<Damage[]> {
  const { repository } = patient
  const { stdout, stderr } = await tryGit(repository, ['for-each-ref', '--format=%(refname)'])
  const broken = new Set([...stderr.matchAll(/ignoring broken ref (\S+)/g)].map(([, ref = '']) => ref))
  const [, head] = /^ref: (\S+)/.exec(readPlainText(join(repository.gitDir, 'HEAD')) ?? '') ?? []
  if (head && head !== 'refs/heads/.invalid' && !stdout.split('\n').includes(head)) broken.add(head)
  return Promise.all([...broken].map((ref) => brokenRef(patient, ref)))
}

async function brokenRef(patient: Patient, ref: string): Promise<Damage> {
  const { repository } = patient
  const path = join(repository.commonDir, ref)
  const isThere = existsSync(path)
  const what = `the ref ${ref} is ${isThere ? 'broken' : 'missing'}`
  const value = await valueFor(patient, ref)
  if (value === null) {
    if (!isThere)
      return { what, hint: `check out what the service runs: git -C ${repository.workTree} checkout BRANCH` }
    const isRenewed = /^refs\/(telec|remotes)\//.test(ref)
    const plan = `moves it away; ${isRenewed ? 'the next fetch makes it anew' : 'nothing says what it named'}`
    return { what, repair: movesAway(patient, plan, [path]) }
  }
  const logged = await loggedCommit(repository, ref)
  const other = logged === value.commit ? null : logged // work of a person, perhaps
  const kept = other ? `, and keeps ${other.slice(0, 12)}, which its log names` : ''
  return {
    what,
    repair: {
      plan: `has it name ${value.commit.slice(0, 12)}, ${value.source}${kept}`,
      async run() {
        await moveAside(repository, [path], patient.aside)
        if (other) await keepCommit(repository, 'rescued', other)
        await git(repository, ['update-ref', ref, value.commit])
      },
    },
  }
}

/** What a ref is to name, and who says so: telec's record, the tag as it was fetched, or the ref's own log. */
async function valueFor(
  { repository, known }: Patient,
  ref: string,
): Promise<{ commit: string; source: string } | null> {
  if (/^refs\/(telec|remotes)\//.test(ref)) return null
  if (known && ref === `refs/heads/${known.branch}` && (await hasCommit(repository, known.commit)))
    return { commit: known.commit, source: "by telec's record" }
  if (ref.startsWith('refs/tags/')) {
    const kept = await askGit(repository, ['rev-parse', '--verify', '--quiet', keptRef(ref)])
    return kept.code === 0 ? { commit: kept.stdout.trim(), source: 'as it was fetched' } : null
  }
  const logged = await loggedCommit(repository, ref)
  return logged === null ? null : { commit: logged, source: 'by its log' }
}

/** What the log of a ref names last, where that is here. */
async function loggedCommit(repository: Repository, ref: string): Promise<string | null> {
  const lines =
    readPlainText(join(repository.commonDir, 'logs', ref))
      ?.trimEnd()
      .split('\n') ?? []
  const [, id] = /^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /.exec(lines.at(-1) ?? '') ?? []
  return id && (await hasCommit(repository, id)) ? id : null
}

/** Refs whose object is not there. */
export async function refsToNothing(repository: Repository): Promise<{ ref: string; id: string }[]> {
  const listed = await tryGit(repository, ['for-each-ref', '--format=%(objectname) %(refname)'])
  const refs = listed.stdout.split('\n').flatMap((line) => {
    const [id, ref] = line.split(' ')
    return id && ref ? [{ id, ref }] : []
  })
  const input = refs.map(({ id }) => `${id}\n`).join('')
  const { stdout } = await tryGit(repository, ['cat-file', '--batch-check'], { input })
  const missing = new Set([...stdout.matchAll(/^([0-9a-f]+) missing$/gm)].map(([, id]) => id))
  return refs.filter(({ id }) => missing.has(id))
}
