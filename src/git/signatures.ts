import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Deployment } from '../config/deployment.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { isFile, mayAccess } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import { printable } from '../system/log.ts'
import { leadsInto } from '../system/places.ts'
import { count } from '../system/plural.ts'
import type { RunResult } from '../system/process.ts'
import { inTemporaryFolder } from '../system/temporary.ts'
import { verifyPrivate, wrongPath } from '../system/trust.ts'
import { isoOfSeconds, type World } from '../system/world.ts'
import { git, gitError, gitLines, tryGit } from './git.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'

/** Bad commits that a message names. */
const NAMED = 5

/** The letters of `%G?` in git-log(1) for a signature that is not good. */
const GRADES: Readonly<Record<string, string>> = {
  B: 'has a bad signature',
  U: 'is signed by an unknown key',
  X: 'has an expired signature',
  Y: 'is signed by an expired key',
  R: 'is signed by a revoked key',
  E: 'is signed by an unknown key',
  N: 'is not signed',
}

/** A slow clock can be the cause of these: the key is not valid yet (gpg does not even import it). */
const BY_CLOCK = ['E', 'U']

/** Checks the signatures of fetched commits or their tag by `deployment.verify`, before they reach the work tree. */
export async function verifySignatures(
  repository: Repository,
  deployment: Deployment,
  from: string,
  target: Target,
): Promise<void> {
  if (deployment.verify === 'none') return
  verifyTrustFiles(repository, deployment)
  await inTemporaryFolder('gnupg', async (gnupgHome) => {
    const trust = prepareTrust(deployment, gnupgHome)
    if (deployment.keyring) await importKeys(repository.world, gnupgHome, deployment.keyring)
    if (deployment.verify === 'signed-tag') return verifyTag(repository, trust, target)
    const tip = ['-1', target.commit]
    const range = [`${from}..${target.commit}`]
    // A branch that was reset has no commits in between: then its last commit is checked.
    await verifyCommits(repository, trust, deployment.verify_commits === 'tip' ? tip : range, tip)
  })
}

/** The trusted signers, as settings and environment of git. */
interface Trust {
  readonly settings: readonly string[]
  /** Without grafts, which could give signed commits another history (gitrepository-layout(5)). */
  readonly env: Readonly<Record<string, string>>
}

/** @param gnupgHome an empty folder, for the keys of `deployment.keyring` alone. */
function prepareTrust(deployment: Deployment, gnupgHome: string): Trust {
  const { allowed_signers = '/dev/null', revoked_signers = '/dev/null' } = deployment
  // Each key in the keyring is trusted: an unattended computer has no web of trust.
  writeFileSync(join(gnupgHome, 'gpg.conf'), 'trust-model always\nno-auto-key-retrieve\nno-autostart\n')
  // Every setting through which the repository's configuration could choose the checker or the keys.
  const settings = [
    'gpg.program=gpg',
    'gpg.openpgp.program=gpg',
    'gpg.x509.program=false',
    'gpg.ssh.program=ssh-keygen',
    `gpg.ssh.allowedSignersFile=${allowed_signers}`,
    `gpg.ssh.revocationFile=${revoked_signers}`,
    'gpg.minTrustLevel=undefined',
    'log.showSignature=false',
  ].flatMap((setting) => ['-c', setting])
  return {
    settings: ['--no-replace-objects', ...settings],
    env: { GNUPGHOME: gnupgHome, GIT_GRAFT_FILE: '/dev/null' },
  }
}

/** Throws `config` where a commit, or a user other than root and telec's own, could change the trusted keys. */
export function verifyTrustFiles(repository: Repository, deployment: Deployment): void {
  for (const key of ['allowed_signers', 'revoked_signers', 'keyring'] as const) {
    const path = deployment[key]
    if (path !== undefined) verifyTrustFile(`deployment.${key}`, path, repository)
  }
}

function verifyTrustFile(key: string, path: string, { workTree, world }: Repository): void {
  const wrong = (what: string, hint: string) => wrongPath(key, path, what, hint)
  if (!isFile(path)) throw wrong('is no file', 'write the keys of the allowed signers there')
  if (leadsInto(path, workTree))
    throw wrong('lies in the checkout', 'keep it elsewhere: a commit could change it')
  if (!mayAccess(path, 'read'))
    throw wrong(`${world.user()} may not read`, `chmod a+r ${shellWord(path)}: the keys in it are public`)
  verifyPrivate(path, false, world.uid, key)
}

async function importKeys(world: World, gnupgHome: string, keyring: string): Promise<void> {
  const args = ['--homedir', gnupgHome, '--batch', '--quiet', '--import', keyring]
  const result = await world.run('gpg', args, { cwd: '/', env: world.env, timeoutMs: 60_000 })
  if (result.code === 0) return
  throw new TelecError('config', `deployment.keyring is ${keyring}, which gpg cannot import`, {
    because: result.stderr.trim(),
    hint: `write the public keys there: gpg --export KEY >${shellWord(keyring)}`,
  })
}

async function verifyTag(repository: Repository, trust: Trust, target: Target): Promise<void> {
  const name = target.ref.replace(/^refs\/tags\//, '')
  const tag = `the tag ${printable(name)}`
  const refuse = (what: string, because?: string) =>
    refusal(`${tag} ${what}`, because, 'sign it again: git tag --sign')
  if (!target.ref.startsWith('refs/tags/'))
    throw refusal(
      `${target.commit.slice(0, 12)} was not deployed by a tag, and deployment.verify is signed-tag`,
      `it was deployed as ${printable(target.ref)}`,
      'publish a signed release',
    )
  const parse = ['rev-parse', '--verify', '--end-of-options', keptRef(target.ref)]
  const id = (await git(repository, parse)).trim()
  const kind = (await git(repository, ['cat-file', '-t', id])).trim()
  if (kind !== 'tag') throw refuse('is not signed', 'it is a lightweight tag')
  const text = await git(repository, ['--no-replace-objects', 'cat-file', 'tag', id])
  // git checks only the signature: not the signed name, nor the signed object.
  const [head = ''] = text.split('\n\n', 1)
  const field = (key: string) => new RegExp(`^${key} (.*)$`, 'm').exec(head)?.[1] ?? ''
  if (field('tag') !== name)
    throw refuse('was signed under another name', `it says ${printable(field('tag'))}`)
  if (field('type') !== 'commit' || field('object') !== target.commit)
    throw refuse(
      'is not the tag of the commit itself',
      `it names ${field('type')} ${field('object').slice(0, 12)}`,
    )
  const args = [...trust.settings, 'verify-tag', '--raw', id]
  const result = await tryGit(repository, args, { env: trust.env })
  if (result.code === null) throw gitError(repository, ['verify-tag'], result) // a killed git is no verdict
  const grade = gradeOf(result)
  if (grade === 'G') return
  const what = grade === null ? 'has an invalid signature' : (GRADES[grade] ?? '')
  const [, seconds = ''] = / (\d+) [-+]\d{4}$/.exec(field('tagger')) ?? []
  if (isAhead(repository.world, grade, seconds)) throw clockIsBehind(repository.world, tag, seconds)
  throw refuse(what, printable(result.stderr.trim()))
}

/**
 * The letter of git-log(1) for the result of verify-tag(1); null: none of them. For OpenPGP the exit code is not enough: gpg's
 * status lines must say good, and nothing else (doc/DETAILS).
 */
function gradeOf({ code, stderr }: RunResult): string | null {
  const [, word = ''] = /^\[GNUPG:\] (BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG)/m.exec(stderr) ?? []
  const bad = { BADSIG: 'B', ERRSIG: 'E', EXPSIG: 'X', EXPKEYSIG: 'Y', REVKEYSIG: 'R' }[word]
  if (bad) return bad
  const isSsh = !stderr.includes('[GNUPG:]')
  const saysGood = /^\[GNUPG:\] GOODSIG/m.test(stderr) && /^\[GNUPG:\] VALIDSIG/m.test(stderr)
  if (code === 0 && (isSsh || saysGood)) return 'G'
  if (/no signature found/i.test(stderr)) return 'N'
  return /No principal matched|unknown/i.test(stderr) ? 'U' : null
}

/** Checks each commit that git-log(1) lists for `commits`; if there are none, for `otherwise`. */
async function verifyCommits(
  repository: Repository,
  trust: Trust,
  commits: readonly string[],
  otherwise: readonly string[],
): Promise<void> {
  const list = (which: readonly string[]) => {
    const format = '--format=%H%x00%G?%x00%ct%x00%<(100,trunc)%s' // a subject has no maximum
    const args = [...trust.settings, 'log', format, '--no-show-signature', ...which, '--']
    return gitLines(repository, args, trust.env)
  }
  const between = await list(commits)
  const lines = between.length > 0 ? between : await list(otherwise)
  const bad = lines.flatMap((line) => {
    const [commit = '', grade = '', seconds = '', subject = ''] = line.split('\0')
    if (grade === 'G') return []
    const fault = GRADES[grade] ?? 'has an unknown signature'
    const text = `${commit.slice(0, 12)} ${fault}: ${printable(subject).trim().slice(0, 100)}`
    return [{ grade, seconds, text }]
  })
  const [first] = bad
  if (first === undefined) return
  const which = `${bad.length} of ${count(lines.length, 'commit')}`
  if (bad.every(({ grade, seconds }) => isAhead(repository.world, grade, seconds)))
    throw clockIsBehind(repository.world, which, first.seconds)
  const more = bad.length > NAMED ? [`and ${bad.length - NAMED} more`] : []
  throw refusal(
    `no valid signature: ${which}`,
    [...bad.slice(0, NAMED).map(({ text }) => text), ...more].join('\n'),
    'sign them in a new history, or set deployment.verify_commits to tip',
  )
}

/** Whether a commit or tag, by its Unix seconds, is from the future. */
function isAhead(world: World, grade: string | null, seconds: string): boolean {
  return BY_CLOCK.includes(grade ?? '') && Number(seconds) * 1000 > world.now()
}

/** A computer without a battery for its clock starts years in the past. */
function clockIsBehind(world: World, what: string, seconds: string): TelecError {
  const made = localTime(isoOfSeconds(seconds))
  return new TelecError('later', `cannot check the signature of ${what} yet`, {
    because: `the clock of this computer is slow: it says ${localTime(world.now())}, and the signature is from ${made}`,
    hint: 'set the clock (timedatectl), and wait for the retry',
  })
}

function refusal(message: string, because: string | undefined, hint: string): TelecError {
  return new TelecError('halted', message, { ...(because ? { because } : {}), hint })
}

/** The first key type ends the options of a line in an allowed signers file. */
const KEY_TYPE = /\s(?:ssh|ecdsa|sk|rsa|webauthn)-\S+\s/
/** YYYYMMDD[HHMM[SS]][Z], in this computer's time zone without the Z. */
const VALID_BEFORE = /\bvalid-before="?(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)\b/i

interface Expired {
  /** The principal, as in the file. */
  readonly name: string
  readonly line: number
  readonly at: Date
}

/** The expired keys of an allowed signers file (ssh-keygen(1)). Pure. */
export function expiredSigners(text: string, nowMs: number): Expired[] {
  return text.split('\n').flatMap((line, index) => {
    const options = line.slice(0, KEY_TYPE.exec(line)?.index ?? 0)
    const found = VALID_BEFORE.exec(options)
    if (!found || line.trimStart().startsWith('#')) return []
    const numbers = found.slice(1, 7).map((part) => Number(part ?? 0))
    const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = numbers
    const inUtc = Date.UTC(year, month - 1, day, hour, minute, second)
    const at = found[7] ? new Date(inUtc) : new Date(year, month - 1, day, hour, minute, second)
    const [name = ''] = options.trim().split(/\s/)
    return at.getTime() <= nowMs ? [{ name, line: index + 1, at }] : []
  })
}
