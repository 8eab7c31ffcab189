import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { Paths } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { readInstalled, writeInstalled } from '../state/installed.ts'
import type { Account } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import {
  listFolder,
  readText,
  remove,
  removeFolderIfEmpty,
  sweepTemporaryFiles,
  writeDurably,
} from '../system/files.ts'
import type { World } from '../system/world.ts'
import { type ManagerCommand, runCommand, tryCommand } from './commands.ts'
import { launchdRemoval } from './launchd/plan.ts'
import { foreignHome } from './others.ts'
import type { InstallPlan } from './plan.ts'
import { systemdRemoval } from './systemd/plan.ts'

/** The file that changes a unit of the service's own. */
const DROP_IN = /\.[a-z]+\.d\/telec\.conf$/

/** The manager and users read units; they hold no secrets. */
const UNIT_MODE = 0o644

/**
 * Writes the files of the plan, removes those of an earlier installation, and starts the units. It can be killed anywhere and
 * run again. @returns a line for each change.
 */
export async function install(service: Service, plan: InstallPlan): Promise<string[]> {
  const { world, paths } = service
  const before = readInstalled(paths)
  const { manager, scope } = plan
  if (before && (before.manager !== manager || before.scope !== scope))
    throw new TelecError('usage', `telec is installed for ${before.manager} in ${before.scope} scope`, {
      hint: 'remove that first: telec uninstall',
    })
  const wanted = plan.files.map(({ path }) => path)
  sweepTemporaryFiles([paths.installed, ...wanted, ...(before?.files ?? [])])
  const shown = plan.owner ? showToOwner(paths, plan.owner) : []
  if (before && (await stalePieces(service, plan)).length === 0) return shown
  const { changed, stale } = compare(paths, plan)

  // Recorded before they are written: a crash in between leaves no unknown file.
  const folders = [...new Set([...(before?.folders ?? []), ...wanted.flatMap(missingFolders)])]
  await writeInstalled(paths, { manager, scope, files: [...wanted, ...stale], folders })
  await runAll(world, plan.before(stale))
  for (const { path, text } of changed) await writeDurably(path, text, { mode: UNIT_MODE })
  await removeFiles(stale, folders)
  for (const folder of plan.folders) makeFolder(folder, plan.owner)
  await runAll(world, plan.start)
  await writeInstalled(paths, { manager, scope, files: wanted, folders: folders.filter(existsSync) })
  return [
    ...shown,
    ...changed.map(({ path }) => `wrote ${path}`),
    ...stale.map((path) => `removed ${path}`),
    ...plan.start.map(({ argv }) => `ran ${argv.join(' ')}`),
  ]
}

/** The differences between the plan and this computer, a line each. */
export async function stalePieces({ world, paths }: Service, plan: InstallPlan): Promise<string[]> {
  const pieces = staleFiles(paths, plan)
  for (const { argv, timeoutMs } of plan.probes)
    if ((await tryCommand(world, argv, timeoutMs)).code !== 0) pieces.push(`${argv.join(' ')} fails`)
  return pieces
}

/** The files that `install` would write or remove, a line each. */
export function staleFiles(paths: Paths, plan: InstallPlan): string[] {
  const { changed, stale } = compare(paths, plan)
  return [
    ...changed.map(({ path }) => `${path} is missing, or differs`),
    ...stale.map((path) => `${path} is no longer part of it`),
  ]
}

/** The owner of the checkout has to read root's configuration. @returns a line for the change, if any. */
function showToOwner({ config, scope }: Paths, { name, gid }: Account): string[] {
  if (scope !== 'system' || gid === 0) return []
  const { gid: group, mode } = statSync(config)
  const folders = [dirname(config), dirname(dirname(config))].filter((folder) => folder !== '/etc')
  const isShown = folders.every((folder) => statSync(folder).mode & 0o001)
  if (isShown && group === gid && (mode & 0o777) === OWNER_READS) return []
  for (const folder of folders) chmodSync(folder, 0o755)
  chownSync(config, 0, gid)
  chmodSync(config, OWNER_READS)
  return [`gave ${config} to the group of ${name}, to read it`]
}

const OWNER_READS = 0o640

/** Private to the owner of the checkout, as whom telec writes there. The folders around it belong to root, or to the owner. */
function makeFolder(path: string, owner: Account | null): void {
  mkdirSync(path, { recursive: true, mode: 0o755 })
  if (owner === null) return
  const folder = realpathSync(path)
  chmodSync(folder, 0o700)
  giveAway(folder, owner)
}

/** With the files of a telec that ran as root. The folder itself comes last: until then only root can write in it. */
function giveAway(path: string, owner: Account): void {
  const stat = lstatSync(path)
  const isFolder = stat.isDirectory()
  if (stat.uid !== 0 || (!isFolder && stat.nlink > 1)) return // a hard link may lead to another user's file
  if (isFolder) for (const name of listFolder(path)) giveAway(join(path, name), owner)
  lchownSync(path, owner.uid, owner.gid)
}

function compare(paths: Paths, plan: InstallPlan) {
  const wanted = plan.files.map(({ path }) => path)
  return {
    changed: plan.files.filter(({ path, text }) => readText(path) !== text),
    stale: (readInstalled(paths)?.files ?? []).filter((path) => !wanted.includes(path)),
  }
}

/** Undoes `install`, also a part of it. Needs no configuration. */
export async function uninstall(world: World, paths: Paths): Promise<string[]> {
  const installed = readInstalled(paths)
  if (installed === null) return []
  const { manager, scope } = installed
  const removal =
    manager === 'systemd'
      ? systemdRemoval(installed.files, scope)
      : launchdRemoval(world, installed.files, scope)
  // An older telec let another home overwrite the units: they belong to that one, and stay.
  const isOverwritten = installed.files.some((path) => foreignHome(path, paths.home) !== null)
  const files = isOverwritten ? installed.files.filter((path) => DROP_IN.test(path)) : installed.files
  const present = files.filter((path) => readText(path) !== null)
  if (!isOverwritten) await runAll(world, removal.stop)
  sweepTemporaryFiles([paths.installed, ...files])
  await removeFiles(files, installed.folders)
  if (!isOverwritten) await runAll(world, removal.forget)
  await remove(paths.installed)
  return present.map((path) => `removed ${path}`)
}

/** Also our folders that are then empty, the innermost first. */
async function removeFiles(files: readonly string[], folders: readonly string[]): Promise<void> {
  for (const path of files) await remove(path)
  for (const folder of folders.toSorted((a, b) => b.length - a.length)) removeFolderIfEmpty(folder)
}

function missingFolders(path: string): string[] {
  const folder = dirname(path)
  return existsSync(folder) ? [] : [...missingFolders(folder), folder]
}

async function runAll(world: World, commands: readonly ManagerCommand[]): Promise<void> {
  for (const command of commands)
    await runCommand(world, command, 'fix the cause, and run telec install again')
}
