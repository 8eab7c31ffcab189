import { realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Config } from '../config/schema.ts'
import { TelecError } from '../system/errors.ts'
import { isFile, mayAccess } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import { printable } from '../system/log.ts'
import { inTemporaryFolder } from '../system/temporary.ts'
import { verifyPrivate, wrongPath } from '../system/trust.ts'
import { isoOfSeconds, type World } from '../system/world.ts'
import { git, gitError, tryGit } from './git.ts'
import { keptRef } from './refs.ts'
import type { Repository } from './repository.ts'

type Deployment = Config['deployment']

/** So many of the commits that are refused are named. */
const NAMED = 5

/** What `%G?` of git-log(1) says of a signature that is not good. */
const GRADES: Readonly<Record<string, string>> = {
  B: 'has a bad signature',
  U: 'is signed by an unknown key',
  X: 'has a signature that has expired',
  Y: 'is signed by a key that has expired',
  R: 'is signed by a key that was revoked',
  E: 'is signed by an unknown key',
  N: 'is not signed',
}

/** Of these a clock that is behind can be the cause: the key is not valid yet (gpg does not even import it). */
const BY_CLOCK = ['E', 'U']

/** Has git check, before it reaches the work tree, that what was fetched is signed as `deployment.verify` asks. */
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
    if (trust.keyring) await importKeys(repository.world, gnupgHome, trust.keyring)
    if (deployment.verify === 'signed-tag') return verifyTag(repository, trust, target)
    const tip = ['-1', target.commit]
    const range = [`${from}..${target.commit}`]
    // A branch that was wound back has nothing in between: the commit itself is signed all the same, or not taken.
    await verifyCommits(repository, trust, deployment.verify_commits === 'tip' ? tip : range, tip)
  })
}

/** Whose signatures count, as git takes it. */
interface Trust {
  readonly settings: readonly string[]
  /** With no grafts, by which history could be another one than what was signed (gitrepository-layout(5)). */
  readonly env: Readonly<Record<string, string>>
  readonly keyring: string | undefined
}

/** @param gnupgHome gets the keys of `keyring`, and has nothing else of this user. */
function prepareTrust(deployment: Deployment, gnupgHome: string): Trust {
  const { allowed_signers = '/dev/null', revoked_signers = '/dev/null', keyring } = deployment
  // Whose key is in the keyring is trusted: there is no web of trust on an unattended computer.
  writeFileSync(join(gnupgHome, 'gpg.conf'), 'trust-model always\nno-auto-key-retrieve\nno-autostart\n')
  // Every setting by which the repository's own configuration could choose who checks, or against what.
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
    keyring,
  }
}

/** Throws `config` where somebody else than who configured telec, and root, could say who may sign. */
export function verifyTrustFiles(repository: Repository, deployment: Deployment): void {
  for (const key of ['allowed_signers', 'revoked_signers', 'keyring'] as const) {
    const path = deployment[key]
    if (path !== undefined) verifyTrustFile(`deployment.${key}`, path, repository)
  }
}

/** A commit must not be able to choose who may sign it, nor may anybody else on this computer. */
function verifyTrustFile(key: string, path: string, { workTree, world }: Repository): void {
  const wrong = (what: string, hint: string) => wrongPath(key, path, what, hint)
  if (!isFile(path)) throw wrong('is no file', 'write the keys there that may sign')
  if (`${realpathSync(path)}/`.startsWith(`${realpathSync(workTree)}/`))
    throw wrong('lies in the checkout', 'keep it elsewhere: a commit could change it')
  if (!mayAccess(path, 'read'))
    throw wrong(`${world.user()} may not read`, `chmod a+r ${path}: the keys in it are public`)
  verifyPrivate(path, false, world.uid, key)
}

async function importKeys(world: World, gnupgHome: string, keyring: string): Promise<void> {
  const args = ['--homedir', gnupgHome, '--batch', '--quiet', '--import', keyring]
  const result = await world.run('gpg', args, { cwd: '/', env: world.env, timeoutMs: 60_000 })
  if (result.code === 0) return
  throw new TelecError('config', `deployment.keyring is ${keyring}, which gpg cannot import`, {
    because: result.stderr.trim(),
    hint: `write the public keys there: gpg --export KEY >${keyring}`,
  })
}

async function verifyTag(repository: Repository, trust: Trust, target: Target): Promise<void> {
  const name = target.ref.replace(/^refs\/tags\//, '')
  const tag = `the tag ${printable(name)}`
  const refuse = (what: string, because?: string) =>
    refusal(`${tag} ${what}`, because, 'sign it anew: git tag --sign')
  if (!target.ref.startsWith('refs/tags/'))
    throw refusal(
      `${target.commit.slice(0, 12)} was not deployed by a tag, and deployment.verify is signed-tag`,
      `it was deployed as ${printable(target.ref)}`,
      'publish a signed release to go on to',
    )
  const parse = ['rev-parse', '--verify', '--end-of-options', keptRef(target.ref)]
  const id = (await git(repository, parse)).trim()
  const kind = (await git(repository, ['cat-file', '-t', id])).trim()
  if (kind !== 'tag') throw refuse('is not signed', 'it is a lightweight tag')
  const text = await git(repository, ['--no-replace-objects', 'cat-file', 'tag', id])
  // git checks the signature, and neither the name nor the object that was signed.
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
  if (result.code === 0 && isGood(result.stderr)) return
  if (result.code === null) throw gitError(repository, ['verify-tag'], result) // it has not said that it is bad
  const grade = gradeOf(result.stderr)
  const what = grade === null ? 'has a signature that is not good' : (GRADES[grade] ?? '')
  const [, seconds = ''] = / (\d+) [-+]\d{4}$/.exec(field('tagger')) ?? []
  if (isAhead(repository.world, grade, seconds)) throw clockIsBehind(repository.world, tag, seconds)
  throw refuse(what, printable(result.stderr.trim()))
}

/** Of OpenPGP the exit code alone is not believed: gpg's own words have to say good, and nothing else (doc/DETAILS). */
function isGood(raw: string): boolean {
  if (!raw.includes('[GNUPG:]')) return true // SSH: ssh-keygen's exit code has said it
  const isFaulty = /^\[GNUPG:\] (BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG)/m.test(raw)
  return !isFaulty && /^\[GNUPG:\] GOODSIG/m.test(raw) && /^\[GNUPG:\] VALIDSIG/m.test(raw)
}

/** The letter in which git-log(1) would say what verify-tag(1) said; null: none of them. */
function gradeOf(raw: string): string | null {
  const [, word = ''] = /^\[GNUPG:\] (BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG)/m.exec(raw) ?? []
  const grade = { BADSIG: 'B', ERRSIG: 'E', EXPSIG: 'X', EXPKEYSIG: 'Y', REVKEYSIG: 'R' }[word]
  if (grade) return grade
  if (/no signature found/i.test(raw)) return 'N'
  return /No principal matched|unknown/i.test(raw) ? 'U' : null
}

/** Each of the commits that git-log(1) lists for these arguments, all by one git; where there are none, for the others. */
async function verifyCommits(
  repository: Repository,
  trust: Trust,
  commits: readonly string[],
  otherwise: readonly string[],
): Promise<void> {
  const list = async (which: readonly string[]) => {
    const format = '--format=%H%x00%G?%x00%ct%x00%<(100,trunc)%s' // a subject may have megabytes
    const args = [...trust.settings, 'log', format, '--no-show-signature', ...which, '--']
    const output = await git(repository, args, { env: trust.env })
    return output.split('\n').filter(Boolean)
  }
  const between = await list(commits)
  const lines = between.length > 0 ? between : await list(otherwise)
  const bad = lines.flatMap((line) => {
    const [commit = '', grade = '', seconds = '', subject = ''] = line.split('\0')
    if (grade === 'G') return []
    const fault = GRADES[grade] ?? 'cannot be judged'
    const text = `${commit.slice(0, 12)} ${fault}: ${printable(subject).trim().slice(0, 100)}`
    return [{ grade, seconds, text }]
  })
  const [first] = bad
  if (first === undefined) return
  const which = `${bad.length} of ${lines.length} commit(s)`
  if (bad.every(({ grade, seconds }) => isAhead(repository.world, grade, seconds)))
    throw clockIsBehind(repository.world, which, first.seconds)
  const more = bad.length > NAMED ? [`and ${bad.length - NAMED} more`] : []
  throw refusal(
    `${which} are not signed as they must be`,
    [...bad.slice(0, NAMED).map(({ text }) => text), ...more].join('\n'),
    'sign them in a new history, or set deployment.verify_commits to tip',
  )
}

/** Whether what is signed was made, in Unix seconds, at a time that has not come yet by this computer's clock. */
function isAhead(world: World, grade: string | null, seconds: string): boolean {
  return BY_CLOCK.includes(grade ?? '') && Number(seconds) * 1000 > world.now()
}

/** A computer without a clock of its own starts years back. */
function clockIsBehind(world: World, what: string, seconds: string): TelecError {
  const made = localTime(isoOfSeconds(seconds))
  return new TelecError('later', `the signature of ${what} cannot be checked yet`, {
    because: `the clock of this computer is behind: it says ${localTime(world.now())}, and what is signed was made at ${made}`,
    hint: 'set the clock (timedatectl); it is tried again by itself',
  })
}

function refusal(message: string, because: string | undefined, hint: string): TelecError {
  return new TelecError('halted', message, { ...(because ? { because } : {}), hint })
}
