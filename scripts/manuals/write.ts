// Writes dist/man and dist/completions from the commands' definitions. The same commit gives the same bytes.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineProgram } from '../../src/cli/command-line.ts'
import { frontDoor } from '../../src/cli/front-door.ts'
import type { World } from '../../src/system/world.ts'
import { bashCompletion } from './bash.ts'
import { type CommandData, describe } from './describe.ts'
import { fishCompletion } from './fish.ts'
import { manualPage } from './man.ts'
import { zshCompletion } from './zsh.ts'

// A definition asks the world for no more than this; its action, which is not run here, needs all of it.
const world = { program: { name: 'telec' }, platform: 'linux' } as World

/** The programs, as their commands are defined: each of the three is also a command of the front door. */
function programs(): CommandData[] {
  const root = defineProgram(world, frontDoor, () => undefined)
  const parts = root.commands.filter((command) => ['watch', 'update', 'migrate'].includes(command.name()))
  return [describe(root, 'telec'), ...parts.map((command) => describe(command, `telec-${command.name()}`))]
}

for (const program of programs()) {
  const { path } = program
  write('man', `${path}.1`, manualPage(program))
  write('completions', `${path}.bash`, bashCompletion(program))
  write('completions', `_${path}`, zshCompletion(program))
  write('completions', `${path}.fish`, fishCompletion(program))
}

/** Each under the name by which man(1) or the shell looks for it. */
function write(folder: string, name: string, text: string): void {
  mkdirSync(join('dist', folder), { recursive: true })
  writeFileSync(join('dist', folder, name), text)
}
