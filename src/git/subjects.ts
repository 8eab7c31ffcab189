import { printableName } from '../system/log.ts'
import { answerOf } from './git.ts'
import type { Repository } from './repository.ts'

/** What the commits between two versions are about, newest first: as many as are kept, and how many more there are. */
export interface Subjects {
  readonly subjects: string[]
  readonly more: number
}

/** They go into each status, also of fleets of thousands. */
const KEPT = 10
/** More than that nobody counts. */
const COUNTED = 1_000

/** Null where there are none, or where the repository lacks one of both. */
export async function subjectsBetween(
  repository: Repository,
  from: string,
  to: string,
): Promise<Subjects | null> {
  const format = ['--no-show-signature', '--no-color', '--format=%<(100,trunc)%s'] // a subject may be of any length
  const said = await answerOf(repository, [
    'log',
    ...format,
    `--max-count=${COUNTED}`,
    `${from}..${to}`,
    '--',
  ])
  const lines = said?.split('\n').slice(0, -1) ?? []
  if (lines.length === 0) return null
  const subjects = lines.slice(0, KEPT).map((line) => printableName(line.trim()) || '(no subject)')
  return { subjects, more: lines.length - subjects.length }
}
