import type { Service } from '../config/service.ts'
import { syncCheckout } from '../git/checkout.ts'
import { CLONE_HINT, type Damage, knownHead, type Patient } from '../git/damage/damage.ts'
import { findDamage } from '../git/damage/find.ts'
import { asideFolder } from '../git/leftovers.ts'
import { locateRepository } from '../git/repository.ts'
import { readUpdateState } from '../state/update-state.ts'
import { orNull, TelecError } from '../system/errors.ts'
import { isoTime } from '../system/world.ts'

/** What came of a repair; `--json` prints it as it is. */
export interface RepairReport {
  readonly repaired: readonly string[]
  /** Each with what telec repair would do about it, or what a person does where telec cannot. */
  readonly left: readonly Readonly<Record<'what' | 'because' | 'repair' | 'hint', string | null>>[]
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
 * until nothing is left to do, or until it finds again what it could not repair. For the holder of telec's lock.
 *
 * @param permit is shown what is wrong, each time, and says whether telec may do what it plans.
 */
export async function repair(
  service: Service,
  permit: (found: readonly Damage[]) => Promise<boolean>,
): Promise<RepairReport> {
  const { log } = service.world
  const patient = await patientOf(service, true)
  const rounds = new Set<string>()
  const tried = new Set<string>()
  for (;;) {
    const looked = await findDamage(patient)
    const round = JSON.stringify(looked)
    const isStuck = rounds.has(round)
    rounds.add(round)
    const found: readonly Damage[] = isStuck
      ? looked.map(({ repair: _, ...damage }) => ({ hint: CLONE_HINT, ...damage }))
      : looked
    const planned = found.filter((damage) => damage.repair)
    if (!(await permit(found)) || planned.length === 0) {
      const repaired = [...tried].filter((what) => !found.some((damage) => damage.what === what))
      const left = found.map(({ what, because = null, repair: undone, hint = null }) => {
        return { what, because, repair: undone?.plan ?? null, hint }
      })
      return { repaired, left, aside: tried.size > 0 ? patient.aside : null }
    }
    for (const damage of planned) {
      tried.add(damage.what)
      try {
        await damage.repair?.run()
      } catch (error) {
        if (!(error instanceof TelecError)) throw error
        for (const line of [error.message, error.because, error.hint]) if (line) log.warning(line)
      }
    }
    await syncCheckout(patient.repository)
  }
}

/** Throws `halted` where something is wrong in the repository, with each damage and its repair. Changes nothing. */
export async function verifyUndamaged(service: Service): Promise<void> {
  const found = await findDamage(await patientOf(service, false))
  const [first] = found
  if (!first) return
  const isOne = found.length === 1
  const isPlanned = found.some((damage) => damage.repair)
  const byHand = found.flatMap((damage) => (damage.hint && !damage.repair ? [damage.hint] : []))
  const hints = isPlanned ? ['telec repair (it shows what it does first)', ...byHand] : byHand
  const lines = found.flatMap(({ what, because }) => [isOne ? '' : what, because ?? '']).filter(Boolean)
  const message = isOne ? first.what : `${found.length} things are wrong in the repository`
  throw new TelecError('halted', message, {
    ...(lines.length > 0 ? { because: lines.join('\n') } : {}),
    hint: [...new Set(hints)].join('; ') || 'telec repair',
  })
}
