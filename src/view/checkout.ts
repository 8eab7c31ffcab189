import { join } from 'node:path'
import { nameOf } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { headCommit, headId } from '../git/checkout.ts'
import { isHalfWay } from '../git/move.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { readMigrationRecord, recordedSince } from '../state/migrations.ts'
import {
  hasMoved,
  isEnded,
  runningTarget,
  type Update,
  type UpdateState,
  wasInterrupted,
} from '../state/update-state.ts'
import { gitAt, orNull, shellWord, TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'

/** Throws where the checkout is missing, or where HEAD is neither deployed nor moved by an update: a restart would start it. */
export async function verifyCheckout(
  { world, config }: Service,
  state: UpdateState | null,
): Promise<Repository> {
  const repository = locateRepository(world, config.deployment.checkout)
  const { deployed, update } = state ?? { deployed: null, update: null }
  const head = await headId(repository)
  if (deployed === null || [deployed.commit, update?.left_at].includes(head)) return repository
  if (update && hasMoved(update)) return repository
  const { workTree, commonDir } = repository
  const isBranchThere = readPlainText(join(commonDir, deployed.ref))?.trim() === deployed.commit
  const place = isBranchThere ? deployed.ref.replace('refs/heads/', '') : deployed.commit.slice(0, 12)
  throw new TelecError(
    'halted',
    `HEAD of ${workTree} is at ${head.slice(0, 12)}, not at the deployed commit`,
    {
      because: `${nameOf(deployed)} is deployed; a restart now starts ${head.slice(0, 12)}`,
      hint: `see who moved it: ${gitAt(workTree)} reflog; put it back: ${gitAt(workTree)} checkout ${shellWord(place)}`,
    },
  )
}

export type AfterHalt = Awaited<ReturnType<typeof afterHalt>>

/** The state of this computer after a halted update; null: git, or the record, cannot be read. */
export async function afterHalt({ world, config, paths }: Service, state: UpdateState) {
  const { deployed, update } = state
  const repository = await orNull(async () => locateRepository(world, config.deployment.checkout))
  const commit = repository && (await orNull(() => headCommit(repository)))
  const record = await orNull(() => readMigrationRecord(paths))
  const at = await placeOf(repository, commit, deployed.commit, update)
  const last = deployed.last_migration // telec 0.1 did not record it
  return {
    checkout: { commit, at },
    service: serviceOf(update),
    /** What a restart starts, for people; null: what runs already. */
    starts: startedNext(state, commit, at),
    /** Applied since the deployed version was deployed. */
    migrations: record && last !== undefined ? recordedSince(record, last) : null,
  }
}

type Place = 'target' | 'half-way' | 'deployed' | 'elsewhere'

function startedNext(state: UpdateState, head: string | null, at: Place): string | null {
  const { update, halted } = state
  if (at === 'half-way') return 'a restart now starts a mixture of two versions'
  if (head === null || head === runningTarget(state).commit) return null
  if (update === null || at !== 'target') return `a restart now starts ${head.slice(0, 12)}`
  const lacks = [
    ...(halted?.step === 'migrate' ? ['not yet migrated'] : []), // a killed migration wrote no halt
    ...(isEnded(update, 'install') ? [] : ['not yet installed']),
  ]
  return [`a restart now starts ${nameOf(update.target)}`, ...lacks].join(', ')
}

async function placeOf(
  repository: Repository | null,
  head: string | null,
  deployed: string,
  update: Update | null,
): Promise<Place> {
  if (head === update?.target.commit) return 'target' // HEAD moves last
  if (repository && update && wasInterrupted(update, 'checkout')) {
    const hasBegun = await orNull(() => isHalfWay(repository, update.target.commit))
    if (hasBegun !== false) return 'half-way'
  }
  return head === deployed ? 'deployed' : 'elsewhere'
}

/** `asked`: telec asked it to restart, and did not see all units start. */
function serviceOf(update: Update | null): { restarted: 'yes' | 'no' | 'asked'; note: string | null } {
  const isAsked = update?.restarts.some(({ asked }) => asked) === true
  if (!update || !isEnded(update, 'restart')) return { restarted: isAsked ? 'asked' : 'no', note: null }
  const note = update.steps.find(({ name }) => name === 'restart')?.note ?? null
  return { restarted: isAsked ? 'yes' : 'no', note }
}
