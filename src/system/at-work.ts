import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { accountOf } from './account.ts'
import { systemErrorCode } from './errors.ts'
import { printableName } from './log.ts'
import type { World } from './world.ts'

/** A process of any user, and the user's name. */
export type AtWork = Readonly<{ pid: number; name: string; user: string }>

/**
 * The processes that `isMeant` accepts and that run in one of the folders, or have one in their arguments or GIT_*
 * variables. A process of root that telec may not inspect counts, too: an unnecessary wait does no harm.
 */
export async function processesAtWork(
  world: World,
  isMeant: (name: string, args: readonly string[]) => boolean,
  folders: readonly string[],
): Promise<AtWork[]> {
  if (world.platform !== 'linux') return listOpenFiles(world, isMeant, folders)
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => look(pid, isMeant, folders))
}

function look(
  pid: string,
  isMeant: (name: string, args: readonly string[]) => boolean,
  folders: readonly string[],
): AtWork[] {
  const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'latin1')
  try {
    const name = read('comm').trim()
    const args = read('cmdline').split('\0')
    if (args[0] === '' || !isMeant(name, args)) return [] // a process without arguments has exited
    const { uid } = lstatSync(`/proc/${pid}`)
    if (!isAtWork(uid, args)) return []
    return [{ pid: Number(pid), name: printableName(name), user: accountOf(uid)?.name ?? `uid ${uid}` }]
  } catch {
    return [] // it has exited, or is hidden from other users
  }

  function isAtWork(uid: number, args: readonly string[]): boolean {
    try {
      const told = [
        ...args,
        ...read('environ')
          .split('\0')
          .filter((one) => one.startsWith('GIT_')),
      ]
      const places = [readlinkSync(`/proc/${pid}/cwd`), ...told.map((one) => one.replace(/^[^/]*=/, ''))]
      return places.some((path) => isBelow(path, folders))
    } catch (error) {
      return uid === 0 && systemErrorCode(error) === 'EACCES' // any other process has just exited
    }
  }
}

/** macOS has no /proc: lsof(8) lists the working folders of the user's own processes. */
async function listOpenFiles(
  world: World,
  isMeant: (name: string, args: readonly string[]) => boolean,
  folders: readonly string[],
): Promise<AtWork[]> {
  const { env } = world
  const { stdout } = await world.run('lsof', ['-w', '-d', 'cwd', '-F', 'pcLn'], { env, timeoutMs: 10_000 })
  return stdout.split(/^p/m).flatMap((entry) => {
    const field = (letter: string) => new RegExp(`^${letter}(.*)$`, 'm').exec(entry)?.[1] ?? ''
    const name = field('c')
    if (!isBelow(field('n'), folders) || !isMeant(name, [])) return []
    return [{ pid: Number.parseInt(entry, 10), name: printableName(name), user: field('L') }]
  })
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`))
}
