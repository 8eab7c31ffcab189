import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import type { InstallPlan } from './plan.ts'
import { showUnit, trySystemctl } from './systemctl.ts'

/** Checks that the plan can work here. Throws a TelecError that says what to do first. */
export async function verifyInstallable(world: World, config: Config, plan: InstallPlan): Promise<void> {
  const { scope } = plan
  if (scope === 'system' && world.uid !== 0)
    throw new TelecError('usage', 'only root can install for the system scope', {
      hint: 'sudo telec install, or set service.scope: user',
    })
  if (plan.manager === 'launchd') return
  const answer = await trySystemctl(world, scope, ['show', '--property=Version'])
  if (answer.code !== 0)
    throw new TelecError('config', `systemd (--${scope}) does not answer`, {
      because: answer.stderr.trim(),
      hint:
        scope === 'user'
          ? 'let it run without a login: sudo loginctl enable-linger "$USER". Where there is no systemd: telec run -- COMMAND'
          : 'where there is no systemd: telec run -- COMMAND',
    })
  if (config.service) {
    const { LoadState } = await showUnit(world, scope, config.service.name, ['LoadState'])
    if (LoadState === 'not-found')
      throw new TelecError(
        'config',
        `service.name is ${config.service.name}, a unit that systemd (--${scope}) does not know`,
        {
          hint: `write the unit first, or set service.scope; the units there are: systemctl --${scope} list-unit-files`,
        },
      )
  }
}
