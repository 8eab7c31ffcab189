import { nameOf } from '../../channel/target.ts'
import type { Service } from '../../config/service.ts'
import { readSignal } from '../../state/signal.ts'
import { readUpdateState } from '../../state/update-state.ts'
import { acquireLock } from '../../system/lock.ts'
import { type Rehearsal, rehearse } from '../../update/rehearse.ts'
import { poll } from '../../watch/poll.ts'
import { SAID } from './migrate/plan.ts'

/** Says what an update would do now, and does not do it. */
export async function dryRun(service: Service, json: boolean): Promise<void> {
  const { world, paths } = service
  const { decision } = await poll(service, { dryRun: true, scheduled: false, heard: null })
  const deployed = readUpdateState(paths)?.deployed
  const target = decision.kind === 'update' ? decision.target : readSignal(paths)?.target
  if (!deployed || !target)
    return world.out(json ? { target: null, reason: decision.reason } : `nothing to do: ${decision.reason}\n`)
  const lock = acquireLock(world, paths.lock)
  try {
    const rehearsal = await rehearse(service, deployed, target)
    world.out(json ? rehearsal : shown(rehearsal, nameOf(deployed)))
  } finally {
    lock.release()
  }
}

/** Files that are named. */
const MOST_FILES = 20

function shown(rehearsal: Rehearsal, from: string): string {
  const { target, commits, files, migrations, install, restarts } = rehearsal
  const more = files.length > MOST_FILES ? [`and ${files.length - MOST_FILES} more`] : []
  return [
    `from ${from} to ${nameOf(target)}`,
    ...section('commits', commits),
    ...section(`${files.length} file(s) differ`, [...files.slice(0, MOST_FILES), ...more]),
    ...section(
      migrations.length === 0 ? 'nothing to migrate' : 'migrations',
      migrations.map(({ id, says, error }) =>
        [`${id}: ${SAID[says]}`, ...(error?.split('\n') ?? [])].join('\n    '),
      ),
    ),
    install === null ? 'no install command is configured' : `then runs: ${install}`,
    restarts.length === 0 ? 'restarts nothing' : `then restarts: ${restarts.join(', ')}`,
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string[] {
  return [lines.length > 0 ? `${title}:` : title, ...lines.map((line) => `  ${line}`)]
}
