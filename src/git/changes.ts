import { git } from './git.ts'
import type { Repository } from './repository.ts'

/** What a tree has at a path: git's mode (`100644`, `120000` for a link, `160000` for a submodule), and its object. */
export interface TreeEntry {
  readonly mode: string
  readonly id: string
}

/** A path that differs between two commits; null: one of them has nothing there. */
export interface Change {
  readonly path: string
  readonly before: TreeEntry | null
  readonly after: TreeEntry | null
}

/** What differs between the trees of two commits, by path (git-diff-tree(1), RAW OUTPUT FORMAT). */
export async function changesBetween(repository: Repository, from: string, to: string): Promise<Change[]> {
  const format = ['--raw', '-z', '--no-abbrev', '--no-renames']
  const output = await git(repository, ['diff-tree', '-r', ...format, from, to])
  const records = output.split('\0')
  const entry = (mode = '', id = '') => (mode === '000000' ? null : { mode, id })
  const changes: Change[] = []
  for (let at = 0; at + 1 < records.length; at += 2) {
    const [, modes = '', mode, before, after] = /^:(\d+) (\d+) (\w+) (\w+) /.exec(records[at] ?? '') ?? []
    changes.push({ path: records[at + 1] ?? '', before: entry(modes, before), after: entry(mode, after) })
  }
  return changes
}
