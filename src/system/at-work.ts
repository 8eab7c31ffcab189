import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { accountOf } from './account.ts'
import { systemErrorCode } from './errors.ts'
import { printableName } from './log.ts'
import { isWithin } from './places.ts'
import type { World } from './world.ts'

/** A process of any user, and the user's name. */
export type AtWork = Readonly<{ pid: number; name: string; user: string }>

type IsMeant = (name: string, args: readonly string[]) => boolean

/**
 * The processes that `isMeant` accepts and that run in one of the folders, or have one in their arguments or GIT_*
 * variables. A process of root that telec may not inspect counts, too: an unnecessary wait does no harm.
 */
export async function processesAtWork(
  world: World,
  isMeant: IsMeant,
  folders: readonly string[],
): Promise<AtWork[]> {
  if (world.platform !== 'linux') return listOpenFiles(world, isMeant, folders)
  const pids = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid))
  return pids.flatMap((pid) => look(pid, isMeant, folders))
}

function look(pid: string, isMeant: IsMeant, folders: readonly string[]): AtWork[] {
  try {
    const name = read(pid, 'comm').trim()
    const args = read(pid, 'cmdline').split('\0')
    const { uid } = lstatSync(`/proc/${pid}`)
    if (args[0] === '' || !isMeant(name, args)) return [] // a process without arguments has exited
    if (!placesOf(pid, uid, args).some((path) => path === null || isWithin(path, ...folders))) return []
    return [{ pid: Number(pid), name: printableName(name), user: accountOf(uid)?.name ?? `uid ${uid}` }]
  } catch {
    return [] // it has exited, or is hidden from other users
  }
}

function read(pid: string, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'latin1')
}

/** The working folder of a process, and the paths that it was given; null: telec may not inspect it. */
function placesOf(pid: string, uid: number, args: readonly string[]): (string | null)[] {
  try {
    const variables = read(pid, 'environ').split('\0')
    const given = [...args, ...variables.filter((one) => one.startsWith('GIT_'))]
    return [readlinkSync(`/proc/${pid}/cwd`), ...given.map((one) => one.replace(/^[^/]*=/, ''))]
  } catch (error) {
    return uid === 0 && systemErrorCode(error) === 'EACCES' ? [null] : [] // any other process has just exited
  }
}

/** macOS has no /proc: lsof(8) lists the working folders of the user's own processes. */
async function listOpenFiles(world: World, isMeant: IsMeant, folders: readonly string[]): Promise<AtWork[]> {
  const { env } = world
  const { stdout } = await world.run('lsof', ['-w', '-d', 'cwd', '-F', 'pcLn'], { env, timeoutMs: 10_000 })
  return stdout.split(/^p/m).flatMap((entry) => {
    const field = (letter: string) => new RegExp(`^${letter}(.*)$`, 'm').exec(entry)?.[1] ?? ''
    const name = field('c')
    if (!isWithin(field('n'), ...folders) || !isMeant(name, [])) return []
    return [{ pid: Number.parseInt(entry, 10), name: printableName(name), user: field('L') }]
  })
}
