import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, succeed } from './programs.ts'

/** The environment of a user who commits, at a fixed time where one is given. */
export function committer(time?: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_AUTHOR_NAME: 'A Person',
    GIT_AUTHOR_EMAIL: 'person@example.org',
    GIT_COMMITTER_NAME: 'A Person',
    GIT_COMMITTER_EMAIL: 'person@example.org',
    ...(time === undefined ? {} : { GIT_AUTHOR_DATE: time, GIT_COMMITTER_DATE: time }),
  }
}

/** Puts what git tracks of this project into a repository, as version 0.1.0 that a user may publish, and commits it. */
export async function commitProject(repository: string, env: NodeJS.ProcessEnv): Promise<void> {
  const files = (await succeed('git', ['ls-files', '-z'], { cwd: ROOT })).split('\0').filter(Boolean)
  for (const name of files) cpSync(join(ROOT, name), join(repository, name), { recursive: true })
  edit(repository, 'package.json', (text) => text.replaceAll('example.invalid', 'forge.example.org'))
  edit(repository, 'CHANGELOG.md', (text) =>
    text.replace('## [Unreleased]\n', '## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n'),
  )
  await succeed('git', ['add', '--all'], { cwd: repository, env })
  await succeed('git', ['commit', '--quiet', '--message', 'Release 0.1.0'], { cwd: repository, env })
}

/** Clones a repository of the project, and gives it what `npm ci` would. */
export async function cloneProject(
  remote: string,
  path: string,
  env: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<string> {
  await succeed('git', ['clone', '--quiet', ...args, remote, path], { env })
  symlinkSync(join(ROOT, 'node_modules'), join(path, 'node_modules'))
  writeFileSync(join(path, '.git/info/exclude'), 'node_modules\n')
  return path
}

/** Changes a file of a repository. */
export function edit(repository: string, name: string, change: (text: string) => string): void {
  const path = join(repository, name)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}
