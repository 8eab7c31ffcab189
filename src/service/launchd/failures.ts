import { basename, join } from 'node:path'
import { logFolder, type Paths, type Scope } from '../../config/paths.ts'
import { EXIT } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import type { World } from '../../system/world.ts'
import type { FailedUnit } from '../manager.ts'
import { launchdDomain } from './manager.ts'
import { printed, stateOf } from './print.ts'

/** What ends a run of telec's without any fault. */
const FINE = [EXIT.done, EXIT.restart, EXIT.later].map((code) => `exit code ${code}`)
const MOST_LINES = 8

/** Which of these jobs of telec's failed, by the names of their plists. */
export async function failedJobs(
  world: World,
  paths: Paths,
  scope: Scope,
  plists: readonly string[],
): Promise<FailedUnit[]> {
  const failed: FailedUnit[] = []
  for (const plist of plists) {
    const unit = basename(plist, '.plist')
    const { code, stdout } = await printed(world, `${launchdDomain(world, scope)}/${unit}`)
    const { lastExit: result } = stateOf(stdout)
    if (code !== 0 || result === null || FINE.includes(result)) continue
    const log = readText(join(logFolder(paths, world.home), `${unit.split('.', 1)[0]}.log`)) ?? ''
    failed.push({ unit, result, lines: log.trim().split('\n').slice(-MOST_LINES) })
  }
  return failed
}
