import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Channel } from '../config/schema.ts'
import type { Answers } from '../config/template.ts'
import type { Other } from '../service/others.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'

/** Asks the user for the settings that a new service needs. Throws `usage` outside a terminal. */
export async function askForAnswers(
  world: World,
  name: string | null,
  others: readonly Other[],
): Promise<Answers> {
  if (!process.stdin.isTTY)
    throw new TelecError('usage', 'telec init needs a checkout', {
      hint: 'name it, or run telec init in a terminal, where it asks: telec init --checkout PATH',
    })
  const { cancel, group, intro, select, text } = await import('@clack/prompts')
  const optional = (message: string, placeholder: string, initialValue?: string) => () =>
    text({ message, placeholder, defaultValue: '', ...(initialValue && { initialValue }) })
  const isFree = others.every(({ config }) => config.deployment.checkout !== world.cwd)
  intro(name === null ? 'telec init' : `telec init --name ${name}`)
  const { pinnedMinor, install, service, ...answers } = await group<
    Record<'checkout' | 'pinnedMinor' | 'install' | 'service', string | symbol> & {
      channel: Channel | symbol
    }
  >(
    {
      checkout: () =>
        text({
          message: 'Which git checkout does the service run from?',
          initialValue: isFree && existsSync(join(world.cwd, '.git')) ? world.cwd : '',
          validate: (path) => (/^(~\/|\/)/.test(path ?? '') ? undefined : 'type an absolute path, or ~/…'),
        }),
      channel: () =>
        select<Channel>({
          message: 'What should this computer follow?',
          options: [
            { value: 'alpha', label: 'alpha', hint: 'every push to the main branch' },
            { value: 'beta', label: 'beta', hint: 'every release' },
            { value: 'stable', label: 'stable', hint: 'patches of one minor version' },
          ],
        }),
      pinnedMinor: async ({ results }) =>
        results.channel === 'stable'
          ? text({
              message: 'Which minor version should it stay on?',
              placeholder: '1.4',
              validate: (minor) =>
                /^\d+\.\d+$/.test(minor ?? '') ? undefined : 'type a minor version such as 1.4',
            })
          : '',
      install: optional(
        'What installs a new version? It runs in the checkout. (empty: nothing)',
        'make install',
      ),
      service: optional(
        'Which systemd units or launchd labels run the service? (empty: none)',
        'web.service',
        name === null || world.platform === 'darwin' ? undefined : `${name}.service`,
      ),
    },
    {
      onCancel() {
        cancel('nothing was written')
        throw new TelecError('usage', 'telec init was cancelled', { hint: 'run the same command again' })
      },
    },
  )
  return {
    ...answers,
    pinnedMinor: pinnedMinor || undefined,
    install: install || undefined,
    service: service.trim() ? service.trim().split(/[\s,]+/) : undefined,
  }
}

/** Asks the user yes or no; outside a terminal the answer is no. */
export async function confirm(message: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const prompts = await import('@clack/prompts')
  return (await prompts.confirm({ message, initialValue: false })) === true
}
