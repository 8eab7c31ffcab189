import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Everything below a folder by path, except what git keeps for itself: text, or where a link points. */
export function readTree(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(^|\/)\.git(\/|$)/.test(path))
    .map((path) => [path, content(join(folder, path))] as const)
  return Object.fromEntries(entries.sort())
}

function content(path: string): string {
  const stat = lstatSync(path)
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path)}`
  return stat.isDirectory() ? 'a folder' : readFileSync(path, 'latin1')
}

/** The permission bits of a file or folder, as chmod(1) takes them. */
export function mode(path: string): string {
  return (lstatSync(path).mode & 0o777).toString(8)
}
