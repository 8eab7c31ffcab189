import { systemErrorCode, TelecError } from '../../system/errors.ts'
import type { CheckContext, Damage } from './damage.ts'
import { checkCaches, checkConfig, checkHead, checkIndex, checkLists } from './files.ts'
import { checkObjects } from './objects.ts'
import { checkLocks, checkOperations, checkOwners } from './others.ts'
import { checkOpens, checkRefs } from './refs.ts'

type Check = (context: CheckContext) => Promise<Damage[]>

/** After damage in one of these git answers none of the following checks. */
const FIRST: readonly Check[] = [checkConfig, checkHead, checkLists, checkOpens]
/** In the order of the repairs. */
const THEN: readonly Check[] = [
  checkLocks,
  checkCaches,
  checkRefs,
  checkObjects,
  checkIndex,
  checkOperations,
  checkOwners,
]

/** Finds damage in the repository of a checkout. Changes nothing. */
export async function findDamage(context: CheckContext): Promise<Damage[]> {
  const found: Damage[] = []
  for (const check of FIRST) {
    found.push(...(await tryCheck(check, context, found)))
    if (found.length > 0) return found
  }
  for (const check of THEN) found.push(...(await tryCheck(check, context, found)))
  return found
}

/** A check that fails is damage too, unless earlier damage explains it. */
async function tryCheck(check: Check, context: CheckContext, before: readonly Damage[]): Promise<Damage[]> {
  try {
    return await check(context)
  } catch (error) {
    if (!(error instanceof TelecError) && !systemErrorCode(error)) throw error
    const { message, because } = error as TelecError
    return before.length > 0 ? [] : [{ what: message, ...(because ? { because } : {}) }]
  }
}
