import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { systemErrorCode, TelecError } from './errors.ts'

// Who may write where, and read what: the one answer, on which all checks of owners and modes rest.

const OTHERS = 0o002
const GROUP = 0o020
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
function isForeign(place: Place, uid: number): boolean {
  return place.uid !== 0 && place.uid !== uid
}

/** As whom this program runs. */
const OWN = process.getuid?.() ?? 0

/**
 * The last place on the way to `path` where others than root and `uid` could put something else, or into it.
 *
 * @param isShared its group may write there, too: a folder that several users of telec's own work in.
 */
export function weakPlace(path: string, isShared: boolean, uid = OWN): Place | undefined {
  const open = isShared ? OTHERS : OTHERS | GROUP
  return wayTo(path).findLast((place) => place.writers & open || isForeign(place, uid))
}

/**
 * Throws a TelecError of kind `config` where `weakPlace` finds one.
 *
 * @param setting what has the path as its value.
 */
export function verifyPrivate(path: string, isShared: boolean, uid = OWN, setting?: string): void {
  const weak = weakPlace(path, isShared, uid)
  if (!weak) return
  const isOthers = isForeign(weak, uid)
  const why = isOthers ? `it belongs to uid ${weak.uid}` : `mode ${(weak.mode & 0o7777).toString(8)}`
  const where = `${weak.path === path ? '' : `: ${weak.path}`} (${why})`
  const what = setting
    ? `${setting} is ${path}, which others can change or replace`
    : `others can change what is in ${path}`
  throw new TelecError('config', `${what}${where}`, {
    because: 'whoever can write there decides what telec runs',
    hint: isOthers
      ? `keep it where every folder belongs to root${uid === 0 ? '' : ` or to uid ${uid}, which runs telec`}; this one does not: ls -ld ${weak.path}`
      : `chmod ${isShared ? 'o-w' : 'go-w'} ${weak.path}`,
  })
}

/** Throws where others may read a file with a secret in it. @param what says which it is. @param isShared its group may. */
export function verifySecret(what: string, path: string, isShared: boolean): void {
  if (statSync(path).mode & (isShared ? 0o007 : 0o077))
    throw new TelecError('config', `${what} ${path}, which others may read`, {
      hint: `chmod ${isShared ? 'o=' : '600'} ${path}`,
    })
}

/** A setting names no file: what it has may be what belongs into the file, and is not repeated. */
export function noSuchFile(setting: string, hint: string): TelecError {
  return new TelecError('config', `${setting} names a file that does not exist`, { hint })
}

/** What is wrong with the path that a setting has. */
export function wrongPath(setting: string, path: string, what: string, hint: string): TelecError {
  return new TelecError('config', `${setting} is ${path}, which ${what}`, { hint })
}
