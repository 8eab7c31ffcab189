import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { succeed } from './programs.ts'

/** For preparations with git itself: its defaults forbid submodules at local paths. */
export const FILES = ['-c', 'protocol.file.allow=always']
const PERSON = ['-c', 'user.name=A Person', '-c', 'user.email=person@example.org']

/** Commits files to a repository with a work tree, made where it is missing; the commit's id. */
export async function commitTo(repository: string, files: Readonly<Record<string, string>>): Promise<string> {
  if (!existsSync(join(repository, '.git')))
    await succeed('git', ['init', '--quiet', '--initial-branch=main', repository])
  for (const [name, text] of Object.entries(files)) writeFileSync(join(repository, name), text)
  const git = (...args: string[]) => succeed('git', ['-C', repository, ...PERSON, ...args])
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'a change')
  return git('rev-parse', 'HEAD')
}

/** Adds a submodule to a repository, uncommitted. */
export function addSubmodule(repository: string, from: string, path: string, ...more: string[]) {
  return succeed('git', ['-C', repository, ...FILES, 'submodule', '--quiet', 'add', ...more, from, path])
}

/** Moves a submodule in the person's clone to what its remote has, uncommitted. */
export function followRemote(computer: Computer, path: string) {
  return computer.git(...FILES, 'submodule', '--quiet', 'update', '--init', '--remote', path)
}

/** Removes a submodule, or a folder, from the person's clone. */
export async function removePath(computer: Computer, path: string): Promise<void> {
  await computer.git('rm', '-r', '--quiet', '--force', path)
  for (const name of [path, `.git/modules/${path}`])
    rmSync(join(computer.folder, 'work', name), { recursive: true, force: true })
  await computer.git('config', '--remove-section', `submodule.${path}`).catch(() => '') // a folder has none
}

export function configureSubmodules(computer: Computer): void {
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  submodules: true\n`)
}

export function inCheckout(computer: Computer, name: string): string {
  return readFileSync(join(computer.checkout, name), 'utf8')
}

/** The texts of all files by this name that were kept. */
export function putAside(computer: Computer, name: string): string[] {
  const folder = join(computer.checkout, '.git', 'telec-aside')
  if (!existsSync(folder)) return []
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return paths
    .filter((path) => path.endsWith(`/${name}`))
    .map((path) => readFileSync(join(folder, path), 'utf8'))
}
