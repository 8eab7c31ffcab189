import { systemErrorCode, TelecError } from '../../system/errors.ts'
import type { Damage, Patient } from './damage.ts'
import { lookAtConfig, lookAtHead, lookAtLists, lookAtRenewed } from './files.ts'
import { lookAtIndex } from './index-damage.ts'
import { lookAtObjects } from './objects.ts'
import { lookAtLocks, lookAtOwners, lookAtStates } from './others.ts'
import { lookAtRefs, lookWhetherItOpens } from './refs.ts'

type Look = (patient: Patient) => Promise<Damage[]>

/** Where one of these finds something, git would answer to none of those after it. */
const FIRST: readonly Look[] = [lookAtConfig, lookAtHead, lookAtLists, lookWhetherItOpens]
/** In the order in which they are repaired. */
const THEN: readonly Look[] = [
  lookAtLocks,
  lookAtRenewed,
  lookAtRefs,
  lookAtObjects,
  lookAtIndex,
  lookAtStates,
  lookAtOwners,
]

/** What is wrong in the repository of a checkout. Changes nothing. */
export async function findDamage(patient: Patient): Promise<Damage[]> {
  const found: Damage[] = []
  for (const look of FIRST) {
    found.push(...(await tryLook(look, patient, found)))
    if (found.length > 0) return found
  }
  for (const look of THEN) found.push(...(await tryLook(look, patient, found)))
  return found
}

/** A look that fails is a damage, too, unless others explain it: a file that cannot be read, a git that does not answer. */
async function tryLook(look: Look, patient: Patient, before: readonly Damage[]): Promise<Damage[]> {
  try {
    return await look(patient)
  } catch (error) {
    if (!(error instanceof TelecError) && !systemErrorCode(error)) throw error
    const { message, because } = error as TelecError
    return before.length > 0 ? [] : [{ what: message, ...(because ? { because } : {}) }]
  }
}
