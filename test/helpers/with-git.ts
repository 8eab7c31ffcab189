import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { succeed } from './programs.ts'

/** Puts a git in front of the PATH that is a shell script; `$git` is the real one. */
export async function withGit(computer: Computer, script: string): Promise<NodeJS.ProcessEnv> {
  const bin = join(computer.folder, 'bin')
  const git = await succeed('sh', ['-c', 'command -v git'])
  mkdirSync(bin, { recursive: true })
  writeFileSync(join(bin, 'git'), `#!/bin/sh\ngit=${git}\n${script}\nexec "$git" "$@"\n`)
  chmodSync(join(bin, 'git'), 0o755)
  return { PATH: `${bin}:${process.env.PATH}` }
}
