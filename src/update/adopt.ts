import { nameOf } from '../channel/target.ts'
import { createSyncFor, type Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import { headTarget } from '../git/target.ts'
import { lastRecorded, readMigrationRecord, writeMigrationRecord } from '../state/migrations.ts'
import { firstState, type UpdateState, writeUpdateState } from '../state/update-state.ts'
import { isoTime } from '../system/world.ts'

/** The first run: records HEAD as deployed, and its version as the baseline of migrations. The caller holds the lock. */
export async function adopt(service: Service, repository: Repository): Promise<UpdateState> {
  const { world, config, paths } = service
  const head = await headTarget(repository, config.deployment)
  await createSyncFor(service)() // a fresh clone may not be on the disk yet
  const record = readMigrationRecord(paths)
  if (record.baseline === undefined) await writeMigrationRecord(paths, { ...record, baseline: head.version })
  const state = firstState({ ...head, last_migration: lastRecorded(record) }, isoTime(world))
  await writeUpdateState(paths, state)
  world.log.notice(`recorded ${nameOf(head)} as deployed: the checkout is at it`)
  return state
}
