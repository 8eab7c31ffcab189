import * as fs from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { TelecError } from '../system/errors.ts'

/**
 * Copies a folder so that nothing done to the copy reaches the original: links that lead out of it become what they
 * lead to, those within it lead to the copy. Left out are repositories (none of a migration's business, and large),
 * what is no file (sockets, pipes), links that lead out to nothing, and `except`.
 */
export function copyWhole(from: string, to: string, except: string): void {
  try {
    if (!fs.statSync(from, { throwIfNoEntry: false })?.isDirectory())
      throw new TelecError('usage', `there is no folder ${from}`, {
        hint: `look what is there: ls -l ${dirname(from)}`,
      })
    const root = fs.realpathSync(from)
    copyFolder({ root, to, except: fs.realpathSync(except) }, root, to, [])
  } catch (error) {
    if (error instanceof TelecError) throw error
    throw new TelecError('halted', `cannot copy ${from}`, {
      because: (error as Error).message,
      hint: `check who owns what is in it, and the space below TMPDIR: df -h ${dirname(to)}`,
      cause: error,
    })
  }
}

interface Copying {
  readonly root: string
  readonly to: string
  readonly except: string
}

/** @param above the folders outside that links have led into, down to here. */
function copyFolder(copying: Copying, from: string, to: string, above: readonly string[]): void {
  fs.mkdirSync(to)
  fs.chmodSync(to, fs.lstatSync(from).mode | 0o700) // a copy must take its entries, and be removed again
  for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
    const path = join(from, entry.name)
    if (entry.name !== '.git' && path !== copying.except)
      copyEntry(copying, entry, path, join(to, entry.name), above)
  }
}

function copyEntry(
  copying: Copying,
  entry: Pick<fs.Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>,
  path: string,
  to: string,
  above: readonly string[],
): void {
  if (entry.isFile()) fs.copyFileSync(path, to)
  else if (entry.isDirectory()) copyFolder(copying, path, to, above)
  else if (entry.isSymbolicLink()) copyLink(copying, path, to, above)
}

function copyLink(copying: Copying, path: string, to: string, above: readonly string[]): void {
  const stat = fs.statSync(path, { throwIfNoEntry: false })
  const target = stat ? fs.realpathSync(path) : resolve(dirname(path), fs.readlinkSync(path))
  if (isWithin(target, copying.root)) {
    const inCopy = join(copying.to, relative(copying.root, target))
    fs.symlinkSync(relative(dirname(to), inCopy) || '.', to)
    return
  }
  if (!stat) return
  if ([copying.root, ...above].some((folder) => isWithin(folder, target)))
    throw new TelecError('halted', `${path} leads to a folder that it lies in itself`, {
      because: target,
      hint: 'verify copies what links lead to: remove that one first',
    })
  copyEntry(copying, stat, target, to, stat.isDirectory() ? [...above, target] : above)
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
