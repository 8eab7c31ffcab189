import { dirname } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { readText, remove, removeFolderIfEmpty, writeDurably } from '../system/files.ts'
import type { RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'
import type { InstallPlan } from './plan.ts'
import { managerEnvironment } from './systemctl.ts'

const COMMAND_TIMEOUT_MS = 2 * 60_000
/** Units are read by the manager and by people; they hold no secrets. */
const UNIT_MODE = 0o644

/** Puts the files in place and runs the commands; one line per thing done. Run again, it changes what differs. */
export async function install(world: World, plan: InstallPlan): Promise<string[]> {
  const done: string[] = []
  for (const { path, text } of plan.files) {
    if (readText(path) === text) continue
    await writeDurably(path, text, UNIT_MODE)
    done.push(`wrote ${path}`)
  }
  for (const command of plan.before) await tryCommand(world, command)
  for (const command of plan.start) await runCommand(world, command)
  return [...done, ...plan.start.map((command) => `ran ${command.join(' ')}`)]
}

/** Takes back what `install` did; a part that is not there is fine. */
export async function uninstall(world: World, plan: InstallPlan): Promise<string[]> {
  const present = plan.files.filter(({ path }) => readText(path) !== null)
  if (present.length === 0) return []
  for (const command of plan.stop) await tryCommand(world, command) // a unit that is not there needs no stop
  for (const { path } of present) {
    await remove(path)
    if (dirname(path).endsWith('.d')) await removeFolderIfEmpty(dirname(path))
  }
  for (const command of plan.forget) await runCommand(world, command)
  return present.map(({ path }) => `removed ${path}`)
}

function tryCommand(world: World, [program = '', ...args]: readonly string[]): Promise<RunResult> {
  return world.run(program, args, { cwd: '/', env: managerEnvironment(world), timeoutMs: COMMAND_TIMEOUT_MS })
}

async function runCommand(world: World, command: readonly string[]): Promise<void> {
  const result = await tryCommand(world, command)
  if (result.code === 0) return
  throw new TelecError('halted', `${command.join(' ')} failed`, {
    because: result.stderr.trim() || `exit code ${result.code}`,
    hint: 'mend the cause and run telec install again: it goes on where it was',
  })
}
