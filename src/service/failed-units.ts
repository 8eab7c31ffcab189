import { basename } from 'node:path'
import type { Service } from '../config/service.ts'
import { readInstalled } from '../state/installed.ts'
import { readUpdateState } from '../state/update-state.ts'
import { orNull } from '../system/errors.ts'
import { failedJobs } from './launchd/failures.ts'
import type { FailedUnit } from './manager.ts'
import { failed } from './systemd/failures.ts'

const UPDATE = /^telec-update\b/

/**
 * What failed of what `telec install` put here; nothing where the manager does not answer. An update that halted is a failed
 * unit, too, and said elsewhere.
 */
export async function failedUnits({ world, paths }: Service): Promise<FailedUnit[]> {
  const { manager, scope, files } = readInstalled(paths) ?? { files: [] }
  const names = files.map((path) => basename(path)).filter((name) => /^telec-.+\.(service|plist)$/.test(name))
  const ask = () => {
    if (manager === undefined || scope === undefined) return []
    return manager === 'systemd' ? failed(world, scope, names) : failedJobs(world, paths, scope, names)
  }
  const found = (await orNull(ask)) ?? []
  const isHalted = (await orNull(() => readUpdateState(paths)))?.halted != null
  return found.filter(({ unit }) => !(isHalted && UPDATE.test(unit)))
}
