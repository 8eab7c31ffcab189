import { git } from './git.ts'
import type { Repository } from './repository.ts'

/** git's mode (`100644`, `120000` for a link, `160000` for a submodule) and object of a path in a tree. */
export interface TreeEntry {
  readonly mode: string
  readonly id: string
}

/** A path that differs between two commits; null: the commit has nothing there. */
export interface Change {
  readonly path: string
  readonly before: TreeEntry | null
  readonly after: TreeEntry | null
}

/** The paths that differ between the trees of two commits. */
export function changesBetween(repository: Repository, from: string, to: string): Promise<Change[]> {
  return changesOf(repository, ['diff-tree', '-r', from, to])
}

/** The index differs from the commit before a change: it has the new commit's entry, or something that a user staged. */
export type Staged = 'after' | 'other'

/** The changed paths whose index entry is not that of the commit before. */
export async function stagedOver(
  repository: Repository,
  before: string,
  changes: readonly Change[],
): Promise<Map<string, Staged>> {
  const after = new Map(changes.map((change) => [change.path, change.after?.id]))
  const staged = await changesOf(repository, ['diff-index', '--cached', before])
  const found = staged.filter(({ path }) => after.has(path))
  return new Map(found.map((one) => [one.path, after.get(one.path) === one.after?.id ? 'after' : 'other']))
}

/** Parses git-diff(1), RAW OUTPUT FORMAT. */
async function changesOf(repository: Repository, [command = '', ...args]: string[]): Promise<Change[]> {
  const format = ['--raw', '-z', '--no-abbrev', '--no-renames', '--ignore-submodules=none']
  const output = await git(repository, [command, ...format, ...args])
  const records = output.split('\0')
  const entry = (mode = '', id = '') => (mode === '000000' ? null : { mode, id })
  const changes: Change[] = []
  for (let at = 0; at + 1 < records.length; at += 2) {
    const [, modes = '', mode, before, after] = /^:(\d+) (\d+) (\w+) (\w+) /.exec(records[at] ?? '') ?? []
    changes.push({ path: records[at + 1] ?? '', before: entry(modes, before), after: entry(mode, after) })
  }
  return changes
}
