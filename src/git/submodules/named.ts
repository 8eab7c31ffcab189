import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { answerOf, git } from '../git.ts'
import type { Repository } from '../repository.ts'

/** Whether the commit that is checked out names submodules. */
export function hasSubmodules({ workTree }: Repository): boolean {
  return existsSync(join(workTree, '.gitmodules'))
}

/** What a commit says of one of its submodules. */
export interface Submodule {
  readonly name: string
  readonly path: string
  /** As .gitmodules has it: it may be relative. */
  readonly url: string
  readonly commit: string
}

/** The submodules that a commit names both in its tree and in .gitmodules. None where the commit is not here. */
export async function submodulesOf(repository: Repository, commit: string): Promise<Submodule[]> {
  const list = ['config', '--blob', `${commit}:.gitmodules`, '--null', '--get-regexp', '^submodule\\.']
  const listed = await answerOf(repository, list)
  const settings = new Map<string, string>()
  for (const entry of (listed ?? '').split('\0').filter(Boolean)) {
    const end = entry.indexOf('\n')
    settings.set(entry.slice(0, end), entry.slice(end + 1))
  }
  const modules = [...settings].flatMap(([key, path]) => {
    const [, name] = /^submodule\.(.+)\.path$/s.exec(key) ?? []
    // git refuses such a name itself: it would lead out of .git/modules.
    if (name === undefined || name.split(/[/\\]/).includes('..')) return []
    return [{ name, path, url: settings.get(`submodule.${name}.url`) ?? '' }]
  })
  if (modules.length === 0) return []
  const tree = [
    'ls-tree',
    '-z',
    '--full-tree',
    commit,
    '--',
    ...modules.map(({ path }) => `:(literal)${path}`),
  ]
  const links = new Map<string, string>()
  for (const entry of (await git(repository, tree)).split('\0')) {
    const [, link = '', path = ''] = /^160000 commit ([0-9a-f]+)\t(.+)$/s.exec(entry) ?? []
    if (link) links.set(path, link)
  }
  return modules.flatMap((module) => {
    const link = links.get(module.path)
    return link === undefined ? [] : [{ ...module, commit: link }]
  })
}

/** The one that another commit has by the same name at the same place, and so in the same repository. */
export function sameIn(submodules: readonly Submodule[], { name, path }: Submodule): Submodule | undefined {
  return submodules.find((one) => one.name === name && one.path === path)
}
