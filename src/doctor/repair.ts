import type { Service } from '../config/service.ts'
import { syncCheckout } from '../git/checkout.ts'
import { backupFolder } from '../git/checkout-files.ts'
import { type CheckContext, CLONE_HINT, type Damage, recordedHead } from '../git/damage/damage.ts'
import { findDamage } from '../git/damage/find.ts'
import { locateRepository } from '../git/repository.ts'
import { readUpdateState } from '../state/update-state.ts'
import { foreseen, orNull, TelecError } from '../system/errors.ts'
import { isoTime } from '../system/world.ts'

/** `--json` prints it as it is. */
export interface RepairReport {
  readonly repaired: readonly string[]
  /** `repair` is what telec repair would do, `hint` what the user has to do. */
  readonly left: readonly Readonly<Record<'what' | 'because' | 'repair' | 'hint', string | null>>[]
  /** The folder of replaced files; null: telec repaired nothing. */
  readonly aside: string | null
}

async function contextOf({ world, config, paths }: Service, isThorough: boolean): Promise<CheckContext> {
  const repository = locateRepository(world, config.deployment.checkout)
  const recorded = recordedHead(await orNull(() => readUpdateState(paths))) // another check reports an invalid file
  const backup = backupFolder(repository, isoTime(world).replaceAll(':', '-'))
  return { repository, deployment: config.deployment, recorded, isThorough, backup }
}

/**
 * Repairs damage without losing anything. Some damage hides other damage, so it repeats until it finds none, or the same
 * again. The caller has telec's lock.
 *
 * @param permit gets the damage of each round, and permits its repairs.
 */
export async function repair(
  service: Service,
  permit: (found: readonly Damage[]) => Promise<boolean>,
): Promise<RepairReport> {
  const { log } = service.world
  const context = await contextOf(service, true)
  const rounds = new Set<string>()
  const tried = new Set<string>()
  for (;;) {
    const damages = await findDamage(context)
    const round = JSON.stringify(damages)
    const found: readonly Damage[] = rounds.has(round)
      ? damages.map(({ repair: _, ...damage }) => ({ hint: CLONE_HINT, ...damage }))
      : damages
    rounds.add(round)
    const planned = found.filter((damage) => damage.repair)
    if (!(await permit(found)) || planned.length === 0) {
      const repaired = [...tried].filter((what) => !found.some((damage) => damage.what === what))
      const left = found.map(({ what, because = null, repair: undone, hint = null }) => {
        return { what, because, repair: undone?.plan ?? null, hint }
      })
      return { repaired, left, aside: tried.size > 0 ? context.backup : null }
    }
    for (const damage of planned) {
      tried.add(damage.what)
      try {
        await damage.repair?.run()
      } catch (error) {
        const { message, because, hint } = foreseen(error)
        for (const line of [message, because, hint]) if (line) log.warning(line)
      }
    }
    await syncCheckout(context.repository)
  }
}

/** Throws `halted` with all damage of the repository and its repair. Changes nothing. */
export async function verifyUndamaged(service: Service): Promise<void> {
  const found = await findDamage(await contextOf(service, false))
  const [first] = found
  if (!first) return
  const isOne = found.length === 1
  const hints = found.map(({ repair: planned, hint }) =>
    planned || !hint ? 'telec repair (it first shows what it will do)' : hint,
  )
  const lines = found.flatMap(({ what, because }) => [isOne ? [] : what, because ?? []].flat())
  throw new TelecError('halted', isOne ? first.what : `the repository has ${found.length} faults`, {
    ...(lines.length > 0 && { because: lines.join('\n') }),
    hint: [...new Set(hints)].join('; '),
  })
}
