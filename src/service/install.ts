import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Paths } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { readInstalled, writeInstalled } from '../state/installed.ts'
import { TelecError } from '../system/errors.ts'
import { readText, remove, removeFolderIfEmpty, sweepTemporaryFiles, writeDurably } from '../system/files.ts'
import { commandFailed, type RunResult } from '../system/process.ts'
import type { World } from '../system/world.ts'
import { launchdRemoval } from './launchd/plan.ts'
import type { InstallPlan, PlannedCommand } from './plan.ts'
import { systemdRemoval } from './systemd/plan.ts'
import { managerEnvironment } from './systemd/systemctl.ts'

const COMMAND_TIMEOUT_MS = 2 * 60_000
/** Units are read by the manager and by people; they hold no secrets. */
const UNIT_MODE = 0o644

/**
 * Puts the files in place, takes away those of an earlier installation that are not part of this one, and starts the
 * units; one line per thing done, none where all is as it should be. Killed anywhere and run again, it ends the same.
 */
export async function install(service: Service, plan: InstallPlan): Promise<string[]> {
  const { world, paths } = service
  const before = readInstalled(paths)
  const { manager, scope } = plan
  if (before && (before.manager !== manager || before.scope !== scope))
    throw new TelecError('usage', `telec is installed for ${before.manager} in ${before.scope} scope`, {
      hint: 'take that away first: telec uninstall',
    })
  const wanted = plan.files.map(({ path }) => path)
  sweepTemporaryFiles([paths.installed, ...wanted, ...(before?.files ?? [])])
  if (before && (await stalePieces(service, plan)).length === 0) return []
  const { changed, stale } = compare(paths, plan)

  // First what is known to be ours, then the files: none is forgotten by a crash in between.
  const folders = [...new Set([...(before?.folders ?? []), ...wanted.flatMap(missingFolders)])]
  await writeInstalled(paths, { manager, scope, files: [...wanted, ...stale], folders })
  for (const command of plan.before) await runCommand(world, command)
  for (const { path, text } of changed) await writeDurably(path, text, { mode: UNIT_MODE })
  await removeFiles(stale, folders)
  for (const command of plan.start) await runCommand(world, command)
  await writeInstalled(paths, { manager, scope, files: wanted, folders: folders.filter(existsSync) })
  return [
    ...changed.map(({ path }) => `wrote ${path}`),
    ...stale.map((path) => `removed ${path}`),
    ...plan.start.map(({ argv }) => `ran ${argv.join(' ')}`),
  ]
}

/** What `install` would do, a line each; empty where all is as it should be. Changes nothing. */
export async function stalePieces({ world, paths }: Service, plan: InstallPlan): Promise<string[]> {
  const pieces = staleFiles(paths, plan)
  for (const command of plan.probes)
    if ((await execute(world, command.argv)).code !== 0) pieces.push(`${command.argv.join(' ')} says no`)
  return pieces
}

/** The files that `install` would write or take away, a line each. */
export function staleFiles(paths: Paths, plan: InstallPlan): string[] {
  const { changed, stale } = compare(paths, plan)
  return [
    ...changed.map(({ path }) => `${path} is not there, or differs`),
    ...stale.map((path) => `${path} is not part of it any more`),
  ]
}

/** The plan, held against what is there. */
function compare(paths: Paths, plan: InstallPlan) {
  const wanted = plan.files.map(({ path }) => path)
  return {
    changed: plan.files.filter(({ path, text }) => readText(path) !== text),
    stale: (readInstalled(paths)?.files ?? []).filter((path) => !wanted.includes(path)),
  }
}

/** Takes back what `install` did; a part that is not there is fine. Takes no configuration. */
export async function uninstall(world: World, paths: Paths): Promise<string[]> {
  const installed = readInstalled(paths)
  if (installed === null) return []
  const { manager, scope } = installed
  const removal = manager === 'systemd' ? systemdRemoval(scope) : launchdRemoval(world, scope)
  const present = installed.files.filter((path) => readText(path) !== null)
  for (const command of removal.stop) await runCommand(world, command)
  sweepTemporaryFiles([paths.installed, ...installed.files])
  await removeFiles(installed.files, installed.folders)
  for (const command of removal.forget) await runCommand(world, command)
  await remove(paths.installed)
  return present.map((path) => `removed ${path}`)
}

/** With those of our folders that are then empty, the innermost first. */
async function removeFiles(files: readonly string[], folders: readonly string[]): Promise<void> {
  for (const path of files) await remove(path)
  for (const folder of folders.toSorted((a, b) => b.length - a.length)) removeFolderIfEmpty(folder)
}

/** The folders that have to be made for a file. */
function missingFolders(path: string): string[] {
  const folder = dirname(path)
  return existsSync(folder) ? [] : [...missingFolders(folder), folder]
}

function execute(world: World, [program = '', ...args]: readonly string[]): Promise<RunResult> {
  return world.run(program, args, { env: managerEnvironment(world), timeoutMs: COMMAND_TIMEOUT_MS })
}

/** launchd takes up to 5 s to let go of a job, and says so by exit codes. */
const AGAIN_FOR_MS = 30_000
const AGAIN_EVERY_MS = 200

async function runCommand(
  world: World,
  { argv, mayFail = false, againAfter = [] }: PlannedCommand,
): Promise<void> {
  const deadline = world.monotonic() + AGAIN_FOR_MS
  let result = await execute(world, argv)
  while (result.code !== null && againAfter.includes(result.code) && world.monotonic() < deadline) {
    await world.sleep(AGAIN_EVERY_MS)
    result = await execute(world, argv)
  }
  if (result.code === 0 || mayFail) return
  const hint = 'mend the cause and run telec install again: it goes on where it was'
  throw commandFailed(argv.join(' '), result, hint)
}
