import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gitAt } from '../../system/errors.ts'
import { readPlainText } from '../../system/files.ts'
import { explain, localCause, REPAIR_HINT } from '../causes.ts'
import { hasCommit } from '../checkout.ts'
import { filesBelow, moveToBackup } from '../checkout-files.ts'
import { git, tryGit } from '../git.ts'
import { keepCommit, keptRef } from '../refs.ts'
import type { Repository } from '../repository.ts'
import { type CheckContext, CLONE_HINT, type Damage, movesAway } from './damage.ts'

/** Whether git opens the repository: its format may be newer than this git. */
export async function checkOpens({ repository }: CheckContext): Promise<Damage[]> {
  const result = await tryGit(repository, ['rev-parse', '--git-dir'])
  if (result.code === 0) return []
  const cause = localCause(repository, result)
  const what = cause?.message ?? `git does not open ${repository.gitDir}`
  const hint = cause?.hint && cause.hint !== REPAIR_HINT ? cause.hint : CLONE_HINT
  return [{ what, because: explain(result), hint }]
}

/** Broken refs, and a missing branch of HEAD. */
export async function checkRefs(context: CheckContext): Promise<Damage[]> {
  const { repository } = context
  const { stdout, stderr } = await tryGit(repository, ['for-each-ref', '--format=%(refname)'])
  const broken = new Set([...stderr.matchAll(/ignoring broken ref (\S+)/g)].map(([, ref = '']) => ref))
  const [, head] = /^ref: (\S+)/.exec(readPlainText(join(repository.gitDir, 'HEAD')) ?? '') ?? []
  const listed = stdout.split('\n')
  if (head && head !== 'refs/heads/.invalid' && !listed.includes(head)) broken.add(head)
  // git removes a log with its ref: a log alone means that the ref was lost, for example with packed-refs.
  const logs = join(repository.commonDir, 'logs')
  const logged = [...filesBelow(join(logs, 'refs/heads'), /./), join(logs, 'refs/stash')].filter(existsSync)
  for (const path of logged) if (!listed.includes(relative(logs, path))) broken.add(relative(logs, path))
  return (await Promise.all([...broken].map((ref) => brokenRef(context, ref, ref === head)))).flat()
}

async function brokenRef(context: CheckContext, ref: string, isHead: boolean): Promise<Damage[]> {
  const { repository, recorded } = context
  const path = join(repository.commonDir, ref)
  const what = `the ref ${ref} is ${existsSync(path) ? 'broken' : 'missing'}`
  const fetched = await tryGit(repository, ['rev-parse', '--verify', '--quiet', keptRef(ref)])
  const [logged] = loggedIds(repository, ref)
  // The most trusted source first.
  const sources = [
    [recorded && ref === `refs/heads/${recorded.branch}` ? recorded.commit : null, "by telec's record"],
    [ref.startsWith('refs/tags/') ? fetched.stdout.trim() : null, 'by the fetched tag'],
    [logged, 'by its log'],
  ] as const
  const found: [commit: string, source: string][] = []
  for (const [commit, source] of sources)
    if (commit && (await hasCommit(repository, commit))) found.push([commit, source])
  const [first] = found
  if (!first || /^refs\/(telec|remotes)\//.test(ref)) {
    const plan = 'moves it away; a fetch restores it if the remote has it'
    if (existsSync(path)) return [{ what, repair: movesAway(context, plan, [path]) }]
    const hint = `check out the branch of the service: ${gitAt(repository.workTree)} checkout BRANCH`
    return isHead ? [{ what, hint }] : []
  }
  const other = found.find(([commit]) => commit !== first[0])?.[0] // perhaps a user's commit
  const kept = other ? `, and keeps ${other.slice(0, 12)} of its log` : ''
  const repair = {
    plan: `sets it to ${first[0].slice(0, 12)}, ${first[1]}${kept}`,
    async run() {
      moveToBackup(repository, [path], context.backup)
      if (other) await keepCommit(repository, 'rescued', other)
      await git(repository, ['update-ref', ref, first[0]])
    },
  }
  return [{ what, repair }]
}

/** The ids in the log of a ref, newest first. */
export function loggedIds({ commonDir }: Repository, ref: string): string[] {
  const log = readPlainText(join(commonDir, 'logs', ref)) ?? ''
  const ids = [...log.matchAll(/^[0-9a-f]{40,64} ([0-9a-f]{40,64}) /gm)].map(([, id = '']) => id)
  return ids.reverse()
}

/** Refs whose object is missing. */
export async function danglingRefs(repository: Repository): Promise<{ ref: string; id: string }[]> {
  const format = '--format=%(objectname) %(refname)'
  const lines = (await tryGit(repository, ['for-each-ref', format])).stdout.split('\n').filter(Boolean)
  const input = lines.map((line) => `${line.split(' ')[0]}\n`).join('')
  const { stdout } = await tryGit(repository, ['cat-file', '--batch-check'], { input })
  const missing = new Set([...stdout.matchAll(/^([0-9a-f]+) missing$/gm)].map(([, id]) => id))
  return lines.flatMap((line) => {
    const [id = '', ref = ''] = line.split(' ')
    return missing.has(id) ? [{ id, ref }] : []
  })
}
