import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Channel } from '../config/schema.ts'
import type { Answers } from '../config/template.ts'
import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'

/** Asks a person for what `telec init` needs. Throws `usage` where nobody is there to ask. */
export async function askForAnswers(world: World): Promise<Answers> {
  if (!process.stdin.isTTY)
    throw new TelecError('usage', 'telec init needs to know the checkout', {
      hint: 'telec init --checkout PATH (in a terminal it asks)',
    })
  const { cancel, intro, isCancel, select, text } = await import('@clack/prompts')
  const answered = <Value>(value: Value): Exclude<Value, symbol> => {
    if (!isCancel(value)) return value as Exclude<Value, symbol>
    cancel('nothing was written')
    throw new TelecError('usage', 'telec init was cancelled', { hint: 'run it again when you like' })
  }
  intro('telec init')
  const checkout = answered(
    await text({
      message: 'Which git checkout does the service run from?',
      initialValue: existsSync(join(world.cwd, '.git')) ? world.cwd : '',
      validate: (path) =>
        path?.startsWith('/') || path?.startsWith('~/') ? undefined : 'an absolute path, or ~/…',
    }),
  )
  const channel = answered(
    await select<Channel>({
      message: 'What should this computer follow?',
      options: [
        { value: 'alpha', label: 'alpha', hint: 'every push to the main branch' },
        { value: 'beta', label: 'beta', hint: 'every release' },
        { value: 'stable', label: 'stable', hint: 'patches of one minor version' },
      ],
    }),
  )
  const pinnedMinor =
    channel === 'stable'
      ? answered(
          await text({
            message: 'Which minor version does it stay on?',
            placeholder: '1.4',
            validate: (minor) => (/^\d+\.\d+$/.test(minor ?? '') ? undefined : 'a minor version such as 1.4'),
          }),
        )
      : null
  const optional = async (message: string, placeholder: string) =>
    answered(await text({ message, placeholder, defaultValue: '' })) || null
  return {
    checkout,
    channel,
    pinnedMinor,
    install: await optional('What installs a new version, in the checkout? (empty: nothing)', 'make install'),
    service: await optional(
      'Which systemd unit or launchd label runs the service? (empty: none)',
      'web.service',
    ),
    computer: null,
    remote: null,
    branch: null,
    scope: null,
  }
}
