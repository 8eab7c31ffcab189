import { lstatSync, readlinkSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { shellWord, systemErrorCode, TelecError } from './errors.ts'

// Who may write to and read from a path: all checks of owners and modes are here.

const OTHERS = 0o002
const GROUP = 0o020
/** In a folder with the sticky bit users can replace only their own files (chmod(2)). */
const STICKY = 0o1000
/** More links than the kernel follows, path_resolution(7). */
const MOST_LINKS = 40

export interface Place {
  readonly path: string
  readonly uid: number
  readonly mode: number
  /** GROUP, OTHERS, or both: who can replace the next place of the path, or change its last one. */
  readonly writers: number
}

/** Every folder and link through which the kernel resolves a path, and its end last; as far as telec can see them. */
export function wayTo(path: string): Place[] {
  const places: Place[] = []
  const names = path.split('/')
  let at = '/'
  try {
    for (
      let name = names.shift(), links = 0;
      name !== undefined && links <= MOST_LINKS;
      name = names.shift()
    ) {
      const next = join(at, name)
      if (['', '.', '..'].includes(name))
        at = next // already in the list
      else {
        const stat = lstatSync(next)
        const { uid, mode } = stat
        const isLink = stat.isSymbolicLink()
        const isSafe = isLink || (mode & STICKY && names.some(Boolean))
        places.push({ path: next, uid, mode, writers: isSafe ? 0 : mode & (GROUP | OTHERS) })
        if (isLink) {
          links += 1
          const target = readlinkSync(next)
          if (isAbsolute(target)) at = '/'
          names.unshift(...target.split('/'))
        } else at = next
      }
    }
  } catch (error) {
    if (!systemErrorCode(error)) throw error
  }
  return places
}

/** Whether it belongs to a user other than root and `uid`. */
function isForeign(place: Place, uid: number): boolean {
  return place.uid !== 0 && place.uid !== uid
}

const OWN = process.getuid?.() ?? 0

/** The last place on the path that users other than root and `uid` can change. @param isShared its group may. */
export function weakPlace(path: string, isShared: boolean, uid = OWN): Place | undefined {
  const open = isShared ? OTHERS : OTHERS | GROUP
  return wayTo(path).findLast((place) => place.writers & open || isForeign(place, uid))
}

/** Throws `config` where `weakPlace` finds one. @param setting the key or variable with this path. */
export function verifyPrivate(path: string, isShared: boolean, uid = OWN, setting?: string): void {
  const weak = weakPlace(path, isShared, uid)
  if (!weak) return
  const isOthers = isForeign(weak, uid)
  const why = isOthers ? `it belongs to uid ${weak.uid}` : `mode ${(weak.mode & 0o7777).toString(8)}`
  const where = `${weak.path === path ? '' : `: ${weak.path}`} (${why})`
  const what = setting
    ? `${setting} is ${path}, which others can change or replace`
    : `others can change ${path}`
  throw new TelecError('config', `${what}${where}`, {
    because: 'a user who can write there decides which programs telec runs',
    hint: isOthers
      ? `move it to where every folder belongs to root${uid === 0 ? '' : ` or to uid ${uid}`}; this one does not: ls -ld ${shellWord(weak.path)}`
      : `chmod ${isShared ? 'o-w' : 'go-w'} ${shellWord(weak.path)}`,
  })
}

/** Throws where others may read a file with a secret in it. @param what begins the message. @param isShared its group may. */
export function verifySecret(what: string, path: string, isShared: boolean): void {
  if (statSync(path).mode & (isShared ? 0o007 : 0o077))
    throw new TelecError('config', `${what} ${path}, which others may read`, {
      hint: `chmod ${isShared ? 'o=' : '600'} ${shellWord(path)}`,
    })
}

/** Does not repeat the setting's value: it may be the secret itself instead of a file's name. */
export function noSuchFile(setting: string, hint: string): TelecError {
  return new TelecError('config', `${setting} names a file that does not exist`, { hint })
}

export function wrongPath(setting: string, path: string, what: string, hint: string): TelecError {
  return new TelecError('config', `${setting} is ${path}, which ${what}`, { hint })
}
