// The tags part of scripts/bench: polls of a remote with many tags.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A computer whose remote has `amount` release tags, the newest of which is deployed. */
export interface ManyTags {
  poll(): void
  dispose(): void
}

export function makeTags(root: string, channel: 'alpha' | 'beta', amount: number): ManyTags {
  const folder = mkdtempSync(join(tmpdir(), 'telec-bench-tags-'))
  const home = join(folder, 'home')
  const checkout = join(folder, 'app')
  const git = (cwd: string, args: readonly string[], input = '') =>
    execFileSync('git', args, { cwd, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }).trim()
  git(folder, ['init', '--quiet', '--bare', '--initial-branch=main', 'remote.git'])
  const remote = join(folder, 'remote.git')
  const newest = `0.${Math.floor((amount - 1) / 100)}.${(amount - 1) % 100}`
  const file = git(remote, ['hash-object', '-w', '--stdin'], JSON.stringify({ version: newest }))
  const tree = git(remote, ['mktree'], `100644 blob ${file}\tpackage.json\n`)
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org']
  const commits = ['older', 'newest'].map((message) =>
    git(remote, [...identity, 'commit-tree', '-m', message, tree]),
  )
  const tags = Array.from({ length: amount }, (_, index) => {
    const commit = commits[index === amount - 1 ? 1 : 0]
    return `create refs/tags/v0.${Math.floor(index / 100)}.${index % 100} ${commit}\n`
  })
  git(remote, ['update-ref', '--stdin'], `create refs/heads/main ${commits[1]}\n${tags.join('')}`)
  git(remote, ['pack-refs', '--all'])
  git(folder, ['clone', '--quiet', '--no-tags', 'remote.git', 'app'])
  mkdirSync(home)
  writeFileSync(join(home, 'config.yml'), `deployment:\n  channel: ${channel}\n  checkout: ${checkout}\n`)
  return {
    poll() {
      const env = { ...process.env, TELEC_HOME: home }
      execFileSync(process.execPath, [join(root, 'dist/telec-watch')], { env })
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  }
}
