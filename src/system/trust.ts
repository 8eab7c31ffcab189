import { realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { TelecError } from './errors.ts'

const OTHERS = 0o002
const GROUP = 0o020
/** In a folder with the sticky bit others cannot replace what is not theirs (chmod(2)). */
const STICKY = 0o1000

/**
 * Throws a TelecError of kind `config` where others could put something in the place of `path`, or into it: because of
 * its own mode, or of that of a folder that it lies in. What is not there yet is passed over.
 *
 * @param isShared its group may write there, too: a folder that several users of telec's own work in.
 */
export function verifyPrivate(path: string, isShared: boolean): void {
  const forbidden = isShared ? OTHERS : OTHERS | GROUP
  const real = resolved(path)
  for (let at = real; ; at = dirname(at)) {
    const stat = lookAt(at)
    const mayBeReplaced = at === real || !((stat?.mode ?? 0) & STICKY)
    if (stat && stat.mode & forbidden && mayBeReplaced) {
      const mode = (stat.mode & 0o7777).toString(8)
      const where = at === real ? '' : `: ${at}`
      throw new TelecError('config', `others can change what is in ${path}${where} (mode ${mode})`, {
        because: 'whoever can write there decides what telec runs',
        hint: `chmod ${isShared ? 'o-w' : 'go-w'} ${at}`,
      })
    }
    if (at === dirname(at)) return
  }
}

function lookAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined // whoever needs it says that it cannot be looked at
  }
}

function resolved(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
