import { nameOf } from '../channel/target.ts'
import { createSyncFor, type Service } from '../config/service.ts'
import type { Repository } from '../git/repository.ts'
import { headTarget } from '../git/target.ts'
import { lastRecorded, readMigrationRecord, writeMigrationRecord } from '../state/migrations.ts'
import { firstState, type UpdateState, writeUpdateState } from '../state/update-state.ts'
import { isoTime } from '../system/world.ts'

/** The first run: takes HEAD for what is deployed, and its version for the baseline of migrations. For the lock's holder. */
export async function adopt(service: Service, repository: Repository): Promise<UpdateState> {
  const { world, config, paths } = service
  const head = await headTarget(repository, config.deployment)
  await createSyncFor(service)() // a clone of a moment ago is not on the disk
  const record = readMigrationRecord(paths)
  if (record.baseline === undefined) await writeMigrationRecord(paths, { ...record, baseline: head.version })
  const state = firstState({ ...head, last_migration: lastRecorded(record) }, isoTime(world))
  await writeUpdateState(paths, state)
  world.log.notice(`took ${nameOf(head)}, which the checkout is at, for what is deployed`)
  return state
}
