// Releases a version, or says whether a tag is one. Decisions are in lib/release.ts.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inc } from 'semver'
import {
  announcesBreaking,
  type Bump,
  breakingCommits,
  type Commit,
  migrationsBetween,
  placeholdersIn,
  releaseChangelog,
  sectionOf,
  WAIVER,
} from './lib/release.ts'

/** A reason not to release, printed to the user. */
class Refusal extends Error {}

const [root = '', what = '', ...options] = process.argv.slice(2)

try {
  if (what === 'verify' || what === 'notes') {
    const [tag] = options
    if (tag === undefined) throw new Refusal(`${what} takes a tag, such as v1.2.0`)
    if (what === 'verify') verify(tag)
    else console.log(notesOf(tag))
  } else if (['patch', 'minor', 'major'].includes(what)) release(what as Bump)
  else throw new Refusal(`takes patch, minor, major, verify or notes, not '${what}'`)
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`release: ${error.message}`)
  process.exitCode = 1
}

function release(bump: Bump): void {
  const waiver = waiverOf(options)
  verifyRepository()
  verifyAddresses(read('package.json'))
  const current = versionOf(read('package.json'))
  const version = inc(current, bump)
  if (version === null) throw new Refusal(`package.json has no version of semver.org's: ${current}`)
  const tag = `v${version}`
  if (git('tag', '--list', tag) !== '') throw new Refusal(`the tag ${tag} exists already`)
  verifyBreaking(version, 'HEAD', waiver, bump)
  const changelog = releaseChangelog(read('CHANGELOG.md'), version, new Date().toISOString().slice(0, 10))
  if (changelog === null) throw new Refusal('CHANGELOG.md says nothing under [Unreleased]')
  if (options.includes('--dry-run')) {
    console.log(`would release ${version}`)
    return
  }
  execFileSync('npm', ['version', version, '--no-git-tag-version', '--ignore-scripts'], { cwd: root })
  writeFileSync(join(root, 'CHANGELOG.md'), changelog)
  const trailer = waiver === null ? [] : ['--trailer', `${WAIVER}: ${waiver}`]
  git('commit', '--all', '--quiet', '--message', `Release ${version}`, ...trailer)
  const notes = `telec ${version}\n\n${sectionOf(changelog, version)}`
  git('tag', '--annotate', '--cleanup=verbatim', '--message', notes, tag)
  console.log(`${version} is committed and tagged; publish it with: git push --atomic origin main ${tag}`)
}

/** release.yml verifies a tag before it publishes: it may have been made by hand. */
function verify(tag: string): void {
  const version = versionOf(git('show', `${tag}:package.json`))
  if (tag !== `v${version}`)
    throw new Refusal(`${tag} is the tag of a commit whose package.json says ${version}`)
  if (git('rev-parse', `${tag}^{commit}`) !== git('rev-parse', 'HEAD'))
    throw new Refusal(`${tag} is not the checked-out commit`)
  notesOf(tag)
  verifyAddresses(git('show', `${tag}:package.json`))
  const trailer = `--format=%(trailers:key=${WAIVER},valueonly)`
  verifyBreaking(version, tag, git('log', '-1', trailer, tag).trim() || null)
  console.log(`${tag} may be published`)
}

function notesOf(tag: string): string {
  const notes = sectionOf(read('CHANGELOG.md'), tag.replace(/^v/, ''))
  if (!notes) throw new Refusal(`CHANGELOG.md has no section for ${tag}`)
  return notes
}

/** Clean, on main, and not behind what others have pushed. */
function verifyRepository(): void {
  if (git('status', '--porcelain') !== '') throw new Refusal('some changes are not committed')
  const branch = git('rev-parse', '--abbrev-ref', 'HEAD')
  if (branch !== 'main') throw new Refusal(`releases are made from main, and this is ${branch}`)
  git('fetch', '--quiet', '--tags', 'origin')
  const behind = git('rev-list', '--count', 'HEAD..origin/main')
  if (behind !== '0') throw new Refusal(`main is behind origin/main, by ${behind}: git pull`)
}

/** A published package names its source. */
function verifyAddresses(packageJson: string): void {
  const placeholders = placeholdersIn(packageJson)
  if (placeholders.length === 0) return
  throw new Refusal(
    `package.json has placeholders, or nothing, for: ${placeholders.join(', ')}
  what to do: npm pkg set repository.type=git repository.url=git+URL.git homepage=URL bugs.url=URL/issues`,
  )
}

/** A breaking change needs a migration. Before the first release no computer can break. */
function verifyBreaking(version: string, tip: string, waiver: string | null, bump?: Bump): void {
  const since = releaseBefore(tip)
  if (since === null) return
  const breaking = breakingCommits(commitsOf(`${since}..${tip}`))
  if (breaking.length === 0) return
  const list = breaking.map(({ id, message }) => `\n  ${id} ${message.split('\n')[0]}`).join('')
  const previous = since.slice(1)
  if (bump && !announcesBreaking(previous, bump))
    throw new Refusal(`a ${bump} release contains breaking changes:${list}`)
  const added = git('diff', '--name-only', '--no-renames', '--diff-filter=A', since, tip, '--', 'migrations')
  if (waiver !== null || migrationsBetween(added.split('\n'), previous, version).length > 0) return
  throw new Refusal(
    `breaking changes without a migration up to ${version}:${list}
  what to do: telec-migrate new --version ${version} 'what it fixes'; or give the reason why none is needed: --no-migration WHY`,
  )
}

/** The newest release that is part of `tip`, other than itself. */
function releaseBefore(tip: string): string | null {
  const parent = tip === 'HEAD' ? 'HEAD' : `${tip}^`
  const tags = git('tag', '--list', 'v*', '--merged', parent, '--sort=-version:refname').split('\n')
  return tags.find((tag) => /^v\d+\.\d+\.\d+$/.test(tag)) ?? null
}

function commitsOf(range: string): Commit[] {
  return git('log', '-z', '--format=%h%n%B', range)
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [id = '', ...lines] = entry.split('\n')
      return { id, message: lines.join('\n') }
    })
}

function waiverOf(given: readonly string[]): string | null {
  const at = given.indexOf('--no-migration')
  const unknown = given.find(
    (one, i) => one !== '--dry-run' && one !== '--no-migration' && (at === -1 || i !== at + 1),
  )
  if (unknown !== undefined)
    throw new Refusal(`does not know '${unknown}'; it takes --no-migration WHY and --dry-run`)
  if (at === -1) return null
  const why = given[at + 1]?.trim()
  if (!why || why.startsWith('--')) throw new Refusal('--no-migration takes the reason why none is needed')
  return why
}

function versionOf(packageJson: string): string {
  return (JSON.parse(packageJson) as { version: string }).version
}

function read(name: string): string {
  return readFileSync(join(root, name), 'utf8')
}

function git(...args: string[]): string {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  } catch (error) {
    throw new Refusal(`git ${args[0]}: ${(error as { stderr: string }).stderr.trim()}`)
  }
}
