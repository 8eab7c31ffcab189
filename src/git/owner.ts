import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { type Account, accountOf } from '../system/account.ts'
import { systemErrorCode, TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'

/** More links than the kernel follows, path_resolution(7). */
const MOST_LINKS = 40

/**
 * The user whose checkout it is, where telec is root and that is somebody else: whatever runs there runs in their name.
 * Null: it is telec's own. Throws `config` where others than root and that user could put another folder in its place,
 * and have telec run as whoever owns that one.
 */
export function checkoutOwner(world: World, checkout: string): Account | null {
  if (world.uid !== 0 || world.platform !== 'linux') return null
  const way = stepsTo(checkout)
  const folder = way?.at(-1)
  if (!way || !folder) return null // that it is not there is said elsewhere
  // Its configuration can name commands, so they are run by whoever may write it.
  const uid = lstatSync(join(checkout, '.git'), { throwIfNoEntry: false })?.uid ?? folder.stat.uid
  for (const step of way) verifyStep(checkout, uid, step)
  if (uid === 0) return null
  const account = accountOf(uid)
  if (account !== null) return account
  throw new TelecError('config', `deployment.checkout is ${checkout}, which belongs to nobody (uid ${uid})`, {
    because: 'telec runs git, migrations and the install command as its owner',
    hint: `give that id a user (useradd --uid ${uid} NAME), or the checkout to another one: chown -R USER ${checkout}`,
  })
}

interface Step {
  readonly path: string
  readonly stat: Stats
}

function verifyStep(checkout: string, owner: number, { path, stat }: Step): void {
  const isForeign = stat.uid !== 0 && stat.uid !== owner
  // In a folder with the sticky bit others cannot rename what is not theirs (chmod(2)). Of root's own checkout it is not
  // asked: volumes of containers are open to all, and there is nobody else.
  const isOpen = owner !== 0 && stat.isDirectory() && (stat.mode & 0o1002) === 0o002
  if (!isForeign && !isOpen) return
  const who = isForeign ? `uid ${stat.uid}` : 'anybody'
  throw new TelecError(
    'config',
    `deployment.checkout is ${checkout}, which ${who} could put something else in the place of`,
    {
      because: `its .git belongs to uid ${owner}, and ${path} to uid ${stat.uid}${isOpen ? ', writable by all' : ''}`,
      hint: `give all of it to one user (chown -R USER ${checkout}), in a folder that only they or root may write`,
    },
  )
}

/** Every folder and link that the kernel passes on its way, the folder itself last; null where it leads nowhere. */
function stepsTo(path: string): Step[] | null {
  const steps: Step[] = []
  let links = 0
  let at = '/'
  let left = path.split('/')
  try {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (name === '..') at = dirname(at)
      if (name === '' || name === '.' || name === '..') continue
      const next = join(at, name)
      const stat = lstatSync(next)
      steps.push({ path: next, stat })
      if (!stat.isSymbolicLink()) {
        at = next
        continue
      }
      links += 1
      if (links > MOST_LINKS) return null
      const target = readlinkSync(next)
      if (isAbsolute(target)) at = '/'
      left = [...target.split('/'), ...left]
    }
    return steps
  } catch (error) {
    if (systemErrorCode(error)) return null
    throw error
  }
}
