import { dirname, join, relative } from 'node:path'
import { actAs } from '../../system/account.ts'
import { TelecError } from '../../system/errors.ts'
import type { Repository } from '../repository.ts'

const TIMEOUT_MS = 10 * 60_000

/** Where what a repair replaces is kept, and how it is replaced: as the checkout's owner, who leads nobody elsewhere. */
export interface Aside {
  /** The folder, which is made for the first file. */
  readonly folder: string
  /** Moves files below git's folder there. Those that are gone are fine. */
  move(paths: readonly string[]): Promise<void>
  /** Keeps a copy there, and replaces the file in one step. */
  replace(path: string, text: string): Promise<void>
}

const MOVE = `while [ $# -gt 0 ]; do
  if [ -e "$1" ]; then mkdir -p -- "$(dirname -- "$2")" && mv -f -- "$1" "$2" || exit 1; fi
  shift 2
done`

const REPLACE = `mkdir -p -- "$(dirname -- "$1")" || exit 1
if [ -e "$1" ]; then mkdir -p -- "$(dirname -- "$2")" && cp -p -- "$1" "$2" || exit 1; fi
cat >"$1.telec-new" && mv -f -- "$1.telec-new" "$1"`

/** A shell takes no longer list of arguments (execve(2)). */
const AT_ONCE = 500

export function asideIn(repository: Repository, at: string): Aside {
  const folder = join(repository.commonDir, 'telec-aside', at.replaceAll(':', '-'))
  const placeOf = (path: string) => join(folder, relative(repository.commonDir, path).replaceAll('../', ''))
  return {
    folder,
    async move(paths) {
      for (let first = 0; first < paths.length; first += AT_ONCE) {
        const some = paths.slice(first, first + AT_ONCE)
        await runAsOwner(
          repository,
          MOVE,
          some.flatMap((path) => [path, placeOf(path)]),
        )
      }
    },
    replace: (path, text) => runAsOwner(repository, REPLACE, [path, placeOf(path)], text),
  }
}

/** Runs a shell script as the checkout's owner. */
export async function runAsOwner(
  { world, owner, commonDir }: Repository,
  script: string,
  args: readonly string[],
  input = '',
): Promise<void> {
  const as = actAs(world, owner)
  const options = { cwd: '/', env: as.env, timeoutMs: TIMEOUT_MS, input }
  const { code, signal, stderr } = await as.run('/bin/sh', ['-c', script, 'sh', ...args], options)
  if (code === 0) return
  const folder = dirname(args[0] ?? commonDir)
  throw new TelecError('halted', `${folder} cannot be changed`, {
    because: stderr.trim() || `the shell ended with ${signal ?? `exit code ${code}`}`,
    hint: `look whose it is: ls -ld ${folder}`,
  })
}
