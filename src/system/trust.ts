import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { systemErrorCode, TelecError } from './errors.ts'

// Who may write where, and read what: the one answer, on which all checks of owners and modes rest.

export const OTHERS = 0o002
export const GROUP = 0o020
/** In a folder with the sticky bit others cannot replace what is not theirs (chmod(2)). */
const STICKY = 0o1000
/** More links than the kernel follows, path_resolution(7). */
const MOST_LINKS = 40

export interface Place {
  readonly path: string
  readonly uid: number
  readonly mode: number
  /** GROUP, OTHERS, or both: those who could replace what the way passes here, or change what is at its end. */
  readonly writers: number
}

/** Every folder and link that the kernel passes on its way, what is at its end last; as far as they can be seen. */
export function wayTo(path: string): Place[] {
  const places: Place[] = []
  const left = path.split('/')
  let at = '/'
  try {
    for (let name = left.shift(), links = 0; name !== undefined && links <= MOST_LINKS; name = left.shift()) {
      const next = join(at, name)
      if (['', '.', '..'].includes(name))
        at = next // it was passed before
      else {
        const stat = lstatSync(next)
        const { uid, mode } = stat
        const isLink = stat.isSymbolicLink()
        const isSafe = isLink || (mode & STICKY && left.some(Boolean))
        places.push({ path: next, uid, mode, writers: isSafe ? 0 : mode & (GROUP | OTHERS) })
        if (isLink) {
          links += 1
          const target = readlinkSync(next)
          if (isAbsolute(target)) at = '/'
          left.unshift(...target.split('/'))
        } else at = next
      }
    }
  } catch (error) {
    if (!systemErrorCode(error)) throw error // whoever needs it says that it cannot be looked at
  }
  return places
}

/** Whether it belongs to somebody who is neither root nor `uid`. */
export function isForeign(place: Place, uid: number): boolean {
  return place.uid !== 0 && place.uid !== uid
}

/**
 * Throws a TelecError of kind `config` where others could put something in the place of `path`, or into it.
 *
 * @param isShared its group may write there, too: a folder that several users of telec's own work in.
 */
export function verifyPrivate(path: string, isShared: boolean): void {
  const open = wayTo(path).findLast(({ writers }) => writers & (isShared ? OTHERS : OTHERS | GROUP))
  if (!open) return
  const where = `${open.path === path ? '' : `: ${open.path}`} (mode ${(open.mode & 0o7777).toString(8)})`
  throw new TelecError('config', `others can change what is in ${path}${where}`, {
    because: 'whoever can write there decides what telec runs',
    hint: `chmod ${isShared ? 'o-w' : 'go-w'} ${open.path}`,
  })
}

/** Throws where others may read what the file of a setting holds. @param isShared its group may. */
export function verifySecret(setting: string, path: string, isShared: boolean): void {
  if (statSync(path).mode & (isShared ? 0o007 : 0o077))
    throw wrongPath(setting, path, 'others may read', `chmod ${isShared ? 'o=' : '600'} ${path}`)
}

/** A setting names no file: what it has may be what belongs into the file, and is not repeated. */
export function noSuchFile(setting: string, hint: string): TelecError {
  return new TelecError('config', `${setting} names a file that does not exist`, { hint })
}

/** What is wrong with the path that a setting has. */
export function wrongPath(setting: string, path: string, what: string, hint: string): TelecError {
  return new TelecError('config', `${setting} is ${path}, which ${what}`, { hint })
}
