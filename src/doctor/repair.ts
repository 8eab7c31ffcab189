import type { Service } from '../config/service.ts'
import { syncCheckout } from '../git/checkout.ts'
import { type Damage, knownHead, type Patient } from '../git/damage/damage.ts'
import { findDamage } from '../git/damage/find.ts'
import { asideFolder } from '../git/leftovers.ts'
import { locateRepository } from '../git/repository.ts'
import { readUpdateState } from '../state/update-state.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { isoTime } from '../system/world.ts'

interface Left {
  readonly what: string
  readonly because: string | null
  /** What telec repair would do about it. */
  readonly repair: string | null
  /** What a person does, where telec cannot. */
  readonly hint: string | null
}

/** What came of a repair; `--json` prints it as it is. */
export interface RepairReport {
  readonly repaired: readonly string[]
  readonly left: readonly Left[]
  /** Where what was replaced is; null where nothing was tried. */
  readonly aside: string | null
}

async function patientOf({ world, config, paths }: Service, isThorough: boolean): Promise<Patient> {
  const repository = locateRepository(world, config.deployment.checkout)
  const known = knownHead(await orNull(() => readUpdateState(paths))) // that it cannot be read is said elsewhere
  const aside = asideFolder(repository, isoTime(world).replaceAll(':', '-'))
  return { repository, deployment: config.deployment, known, isThorough, aside }
}

/**
 * Repairs what can be repaired without losing anything. Some damage shows only once another one is gone, so it looks again
 * until nothing is left to do. For the holder of telec's lock.
 *
 * @param permit is shown what is wrong, each time, and says whether telec may do what it plans.
 */
export async function repair(
  service: Service,
  permit: (found: readonly Damage[]) => Promise<boolean>,
): Promise<RepairReport> {
  const { log } = service.world
  const patient = await patientOf(service, true)
  const tried = new Map<string, string>()
  for (;;) {
    const found = (await findDamage(patient)).map((damage) => onlyOnce(damage, tried))
    const planned = found.filter((damage) => damage.repair)
    if (!(await permit(found)) || planned.length === 0) {
      const repaired = [...tried].flatMap(([key, what]) =>
        found.some((one) => keyOf(one) === key) ? [] : [what],
      )
      return { repaired, left: found.map(leftOf), aside: tried.size > 0 ? patient.aside : null }
    }
    const failed: string[] = []
    for (const damage of planned) {
      tried.set(keyOf(damage), damage.what)
      try {
        await damage.repair?.run()
      } catch (error) {
        if (!(error instanceof TelecError)) throw error
        for (const line of [error.message, error.because, error.hint]) if (line) log.warning(line)
        failed.push(keyOf(damage))
      }
    }
    // It may have needed what was repaired beside it.
    if (failed.length < planned.length) for (const key of failed) tried.delete(key)
    await syncCheckout(patient.repository)
  }
}

function keyOf({ what, because = '' }: Damage): string {
  return `${what}\n${because}`
}

/** What telec has tried, and finds as it was before, is nothing that it can repair. */
function onlyOnce(damage: Damage, tried: ReadonlyMap<string, string>): Damage {
  if (!tried.has(keyOf(damage))) return damage
  const { repair: _, ...others } = damage
  return { hint: 'clone it anew beside it, and move what git does not track over', ...others }
}

function leftOf({ what, because, repair: planned, hint }: Damage): Left {
  return { what, because: because ?? null, repair: planned?.plan ?? null, hint: hint ?? null }
}

/** Throws `halted` where something is wrong in the repository, with each damage and its repair. Changes nothing. */
export async function verifyUndamaged(service: Service): Promise<void> {
  const found = await findDamage(await patientOf(service, false))
  const [first] = found
  if (!first) return
  const byHand = found.flatMap((damage) => (damage.hint && !damage.repair ? [damage.hint] : []))
  const isPlanned = found.some((damage) => damage.repair)
  const hints = [...(isPlanned ? ['telec repair (it shows what it does first)'] : []), ...byHand]
  const lines = found.flatMap(({ what, because }) => [
    ...(found.length > 1 ? [what] : []),
    ...(because ? [because] : []),
  ])
  const message = found.length > 1 ? `${found.length} things are wrong in the repository` : first.what
  throw new TelecError('halted', message, {
    ...(lines.length > 0 ? { because: lines.join('\n') } : {}),
    hint: [...new Set(hints)].join('; ') || 'telec repair',
  })
}
