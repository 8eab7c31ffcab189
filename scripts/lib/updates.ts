// The updates part of scripts/bench: whole updates, against a fixed script that does the least of one.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Usage, usageOf } from './usage.ts'

/** The least that keeps a checkout up to date; `true` is the install command. */
const SCRIPT = 'git fetch --quiet origin main && git merge --quiet --ff-only FETCH_HEAD && sync -f . && true'

/** A computer on alpha without a service, and a second checkout beside it, which the script keeps up to date. */
export interface Updates {
  /** Pushes a commit that changes two files, and has telec-watch signal it. */
  push(): void
  update(): Usage
  script(): Usage
  /** Of one update: how many gits telec starts, and how often it or they sync (strace(1)). */
  count(): { readonly gits: number; readonly syncs: number }
  dispose(): void
}

const IDENTITY = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
/** telec-update exits with it where no service restarts. */
const UPDATED = 42

export function makeUpdates(dist: string, size: { files: number; tags: number }): Updates {
  const folder = mkdtempSync(join(tmpdir(), 'telec-bench-updates-'))
  const at = (name: string) => join(folder, name)
  const env = { ...process.env, TELEC_HOME: at('home') }
  const telecUpdate = [process.execPath, join(dist, 'telec-update')]
  const git = (cwd: string, args: readonly string[], input = '') =>
    execFileSync('git', args, { cwd, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trim()
  const telec = (program: string, ...args: string[]) =>
    execFileSync(process.execPath, [join(dist, program), ...args], { env, stdio: 'ignore' })
  const push = () => {
    const time = String(process.hrtime.bigint())
    writeFileSync(at('work/package.json'), `${JSON.stringify({ name: 'web', version: `1.0.${time}` })}\n`)
    writeFileSync(at('work/round.txt'), `${time}\n`)
    git(at('work'), ['add', 'package.json', 'round.txt'])
    git(at('work'), [...IDENTITY, 'commit', '--quiet', '-m', 'a change'])
    git(at('work'), ['push', '--quiet', 'origin', 'HEAD:main'])
    telec('telec-watch')
  }
  git(folder, ['init', '--quiet', '--bare', '--initial-branch=main', 'remote.git'])
  git(at('remote.git'), ['fast-import', '--quiet'], history(size.files))
  const tags = Array.from(
    { length: size.tags },
    (_, index) => `create refs/tags/build-${index} refs/heads/main\n`,
  )
  git(at('remote.git'), ['update-ref', '--stdin'], tags.join(''))
  git(at('remote.git'), ['pack-refs', '--all'])
  for (const clone of ['work', 'app', 'by-hand']) git(folder, ['clone', '--quiet', 'remote.git', clone])
  telec('telec', 'init', '--checkout', at('app'), '--install', 'true')

  return {
    push,
    update: () => usageOf(telecUpdate, env, { expected: UPDATED }),
    script: () => usageOf(['sh', '-c', SCRIPT], env, { cwd: at('by-hand') }),
    count() {
      const trace = at('trace')
      const calls = 'trace=execve,fsync,fdatasync,syncfs,sync'
      const { status } = spawnSync('strace', ['-f', '-qq', '-o', trace, '-e', calls, ...telecUpdate], { env })
      if (status !== UPDATED) throw new Error(`telec-update under strace: exit code ${status}`)
      const lines = readFileSync(trace, 'utf8').split('\n')
      // git itself starts others of its own by the path that it was built with.
      const isGit = (line: string) => /execve\("[^"]*\/bin\/git", .* = 0$/.test(line)
      const isSync = (line: string) => /^\d+ +(fsync|fdatasync|syncfs|sync)\(/.test(line)
      return { gits: lines.filter(isGit).length, syncs: lines.filter(isSync).length }
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A commit with `files` files, a hundred per folder, for git-fast-import(1). */
function history(files: number): string {
  const paths = Array.from({ length: files }, (_, index) => `src/${Math.floor(index / 100)}/${index}.txt`)
  const lines = paths.map((path) => `M 100644 inline ${path}\ndata ${path.length}\n${path}\n`)
  return `commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 5\nfirst\n${lines.join('')}\n`
}
