import { join } from 'node:path'
import type { Command } from 'commander'
import type { Scope } from '../../config/paths.ts'
import type { PlannedFile } from '../../service/plan.ts'
import type { World } from '../../system/world.ts'
import { bashCompletion } from './bash.ts'
import { type CommandData, describe } from './describe.ts'
import { fishCompletion } from './fish.ts'
import { manualPage } from './man.ts'
import { zshCompletion } from './zsh.ts'

export const COMPLETIONS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }
export type Shell = keyof typeof COMPLETIONS

/** The programs, as their commands are defined: each of the three is also a command of the front door. */
export function programs(root: Command): CommandData[] {
  const parts = root.commands.filter((command) => ['watch', 'update', 'migrate'].includes(command.name()))
  return [describe(root, 'telec'), ...parts.map((command) => describe(command, `telec-${command.name()}`))]
}

/** Completions and manual pages, where the shells and man(1) look for them. */
export function documents(world: World, root: Command, scope: Scope): PlannedFile[] {
  const share =
    scope === 'system' ? '/usr/local/share' : (world.env.XDG_DATA_HOME ?? join(world.home, '.local/share'))
  return programs(root).flatMap((program) => [
    { path: join(share, 'bash-completion/completions', program.path), text: bashCompletion(program) },
    { path: join(share, 'zsh/site-functions', `_${program.path}`), text: zshCompletion(program) },
    { path: join(share, 'fish/vendor_completions.d', `${program.path}.fish`), text: fishCompletion(program) },
    { path: join(share, 'man/man1', `${program.path}.1`), text: manualPage(program) },
  ])
}
