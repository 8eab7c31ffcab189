import { nameOf } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { headCommit } from '../git/checkout.ts'
import { isHalfWay } from '../git/move.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { type MigrationRecord, readMigrationRecord, recordedSince } from '../state/migrations.ts'
import {
  isEnded,
  runningTarget,
  type Update,
  type UpdateState,
  wasInterrupted,
} from '../state/update-state.ts'
import { orNull } from '../system/errors.ts'

export type AfterHalt = Awaited<ReturnType<typeof afterHalt>>

/** In which state a halted update left this computer; null: what git, or the record, does not say. */
export async function afterHalt({ world, config, paths }: Service, state: UpdateState) {
  const { deployed, update } = state
  const repository = await orNull(async () => locateRepository(world, config.deployment.checkout))
  const commit = repository && (await orNull(() => headCommit(repository)))
  const record = await orNull(() => readMigrationRecord(paths))
  const at = await placeOf(repository, commit, deployed.commit, update)
  return {
    checkout: { commit, at },
    service: serviceOf(update),
    /** What a service that starts now starts, for people, where that is not what runs. */
    starts: whatStarts(state, commit, at),
    /** What was applied since what is deployed was. */
    migrations: record && migratedSince(record, deployed, update),
  }
}

/** The checkout is what the service starts from: a crash in the middle of an update starts what is there. */
function whatStarts(state: UpdateState, head: string | null, at: Place): string | null {
  const { update, halted } = state
  if (at === 'half-way') return 'a restart now starts a mixture of two versions'
  if (head === null || head === runningTarget(state).commit) return null
  if (update === null || at !== 'target') return `a restart now starts ${head.slice(0, 12)}`
  const lacks = [
    ...(halted?.step === 'migrate' ? ['not yet migrated'] : []), // one that was killed had not written that down
    ...(isEnded(update, 'install') ? [] : ['not yet installed']),
  ]
  return [`a restart now starts ${nameOf(update.target)}`, ...lacks].join(', ')
}

type Place = Awaited<ReturnType<typeof placeOf>>

async function placeOf(
  repository: Repository | null,
  head: string | null,
  deployed: string,
  update: Update | null,
) {
  if (head === update?.target.commit) return 'target' // HEAD moves last
  if (repository && update && wasInterrupted(update, 'checkout')) {
    const hasBegun = await orNull(() => isHalfWay(repository, update.target.commit))
    if (hasBegun !== false) return 'half-way' // it is completed before anything else
  }
  return head === deployed ? 'deployed' : 'elsewhere'
}

/** `asked`: it was asked to leave, or to start, and not all of it was seen to come up. */
function serviceOf(update: Update | null): { restarted: 'yes' | 'no' | 'asked'; note: string | null } {
  const isAsked = update?.restarts.some(({ asked }) => asked) === true
  if (!update || !isEnded(update, 'restart')) return { restarted: isAsked ? 'asked' : 'no', note: null }
  const note = update.steps.find(({ name }) => name === 'restart')?.note ?? null
  return { restarted: isAsked ? 'yes' : 'no', note }
}

function migratedSince(
  record: MigrationRecord,
  { last_migration }: UpdateState['deployed'],
  update: Update | null,
): string[] {
  if (last_migration !== undefined) return recordedSince(record, last_migration)
  // An older telec did not write down which was the last one.
  return [...record.applied].flatMap(([id, detail]) =>
    update && detail && detail.at >= update.started_at ? [id] : [],
  )
}
