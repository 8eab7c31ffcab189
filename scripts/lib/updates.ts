// The updates part of scripts/bench: whole updates, against the git commands that they consist of.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A computer on alpha without a service, and a second checkout beside it, which a shell script keeps up to date. */
export interface Updates {
  /** Pushes a commit that changes two files, and has telec-watch signal it. */
  push(): void
  update(): void
  /** What that update came to: its git commands, sync and the install command, in a shell. */
  replay(): void
  dispose(): void
}

const IDENTITY = ['-c', 'user.name=A Person', '-c', 'user.email=person@example.org']

export function makeUpdates(root: string, size: { files: number; tags: number }): Updates {
  const folder = mkdtempSync(join(tmpdir(), 'telec-bench-updates-'))
  const [remote = '', work = '', checkout = '', byHand = '', home = '', bin = ''] = [
    'remote.git',
    'work',
    'app',
    'by-hand',
    'home',
    'bin',
  ].map((name) => join(folder, name))
  const recorded = join(folder, 'recorded')
  const script = join(folder, 'replay.sh')
  const env = { ...process.env, TELEC_HOME: home }
  const git = (cwd: string, args: readonly string[], input = '') =>
    execFileSync('git', args, { cwd, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trim()
  const telec = (program: string, args: readonly string[], expected: number, more = {}) => {
    const command = [join(root, 'dist', program), ...args]
    const { status, stderr } = spawnSync(process.execPath, command, {
      env: { ...env, ...more },
      encoding: 'utf8',
    })
    if (status !== expected) throw new Error(`${program}: exit code ${status}\n${stderr}`)
  }
  let commits: readonly [string, string] = ['', '']
  const push = () => {
    const before = git(work, ['rev-parse', 'HEAD'])
    const time = String(process.hrtime.bigint())
    writeFileSync(join(work, 'package.json'), `${JSON.stringify({ name: 'web', version: `1.0.${time}` })}\n`)
    writeFileSync(join(work, 'round.txt'), `${time}\n`)
    git(work, ['add', 'package.json', 'round.txt'])
    git(work, [...IDENTITY, 'commit', '--quiet', '-m', 'a change'])
    git(work, ['push', '--quiet', 'origin', 'HEAD:main'])
    commits = [before, git(work, ['rev-parse', 'HEAD'])]
    telec('telec-watch', [], 0)
  }

  git(folder, ['init', '--quiet', '--bare', '--initial-branch=main', remote])
  git(remote, ['fast-import', '--quiet'], history(size.files))
  const tags = Array.from(
    { length: size.tags },
    (_, index) => `create refs/tags/build-${index} refs/heads/main\n`,
  )
  git(remote, ['update-ref', '--stdin'], tags.join(''))
  git(remote, ['pack-refs', '--all'])
  for (const clone of [work, checkout, byHand]) git(folder, ['clone', '--quiet', remote, clone])
  telec('telec', ['init', '--checkout', checkout, '--install', 'true'], 0)
  recordGit(bin, recorded)
  push()
  telec('telec-update', [], 42, { PATH: `${bin}:${process.env.PATH}` })
  writeFileSync(script, replayScript(readFileSync(recorded, 'utf8'), commits, checkout, byHand))
  git(byHand, ['fetch', '--quiet', 'origin', `+refs/heads/main:refs/telec/heads/main`])
  git(byHand, ['merge', '--quiet', '--ff-only', 'refs/telec/heads/main'])

  return {
    push,
    update: () => telec('telec-update', [], 42),
    replay() {
      execFileSync('sh', [script, ...commits], { env, stdio: ['ignore', 'ignore', 'inherit'] })
      if (git(byHand, ['rev-parse', 'HEAD']) !== commits[1]) throw new Error('the script did not update')
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A commit with so many files, a hundred to a folder, as git-fast-import(1) takes it. */
function history(files: number): string {
  const paths = Array.from({ length: files }, (_, index) => `src/${Math.floor(index / 100)}/${index}.txt`)
  const lines = paths.map((path) => `M 100644 inline ${path}\ndata ${path.length}\n${path}\n`)
  return `commit refs/heads/main\ncommitter A Person <person@example.org> 1700000000 +0000\ndata 5\nfirst\n${lines.join('')}\n`
}

/** A git for the PATH that writes down what it is called with: an argument a line, and an empty one after the last. */
function recordGit(bin: string, recorded: string): void {
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  mkdirSync(bin)
  const path = join(bin, 'git')
  writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" '' >>'${recorded}'\nexec '${real}' "$@"\n`)
  chmodSync(path, 0o755)
}

/**
 * The commands in the order in which they began, on the other checkout, with the commits as $1 and $2. Some find
 * nothing, which is an exit code.
 */
function replayScript(
  recorded: string,
  [before, after]: readonly [string, string],
  checkout: string,
  byHand: string,
): string {
  const quoted = (argument: string) =>
    `'${argument.replaceAll("'", `'\\''`)}'`
      .replaceAll(checkout, byHand)
      .replaceAll(before, `'"$1"'`)
      .replaceAll(after, `'"$2"'`)
  const commands = recorded
    .split('\n\n')
    .filter(Boolean)
    .map((one) => ['git', ...one.split('\n').map(quoted)].join(' '))
  return [
    `cd ${byHand}`,
    'export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0',
    ...commands,
    `sync -f ${byHand}`,
    'sh -c true',
    '',
  ].join('\n')
}
