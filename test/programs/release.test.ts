import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Ended, execute, succeed } from '../helpers/programs.ts'
import { cloneProject, commitProject, committer, edit } from '../helpers/project-copy.ts'

/**
 * What a push to main and a tag do, without GitHub: the scripts of the workflows, on a copy of this project with a bare
 * remote of its own. Its history is 0.1.0, released.
 */
let folder = ''
let work = ''

const env = committer()
const git = (...args: string[]) => succeed('git', args, { cwd: work, env })
const release = (...args: string[]): Promise<Ended> => execute(join(work, 'scripts/release'), args, { env })
const read = (name: string, root = work) => readFileSync(join(root, name), 'utf8')

async function commit(message: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, name)), { recursive: true })
    writeFileSync(join(work, name), text)
  }
  appendFileSync(join(work, 'README.md'), `${message}\n`)
  edit(work, 'CHANGELOG.md', (text) =>
    text.replace('## [Unreleased]\n', `## [Unreleased]\n\n- ${message.split('\n')[0]}\n`),
  )
  await git('add', '--all')
  await git('commit', '--quiet', '--message', message)
}

const PLACEHOLDERS = {
  repository: { type: 'git', url: 'git+https://example.invalid/telec.git' },
  homepage: 'https://example.invalid/telec',
  bugs: { url: 'https://example.invalid/telec/issues' },
}

/** As after a release that nobody wanted: for the next test. */
async function resetTo(tag: string): Promise<void> {
  const later = (await git('tag', '--list')).split('\n').filter((name) => name !== '' && name > tag)
  for (const name of later) await git('tag', '--delete', name)
  await git('reset', '--quiet', '--hard', tag)
}

const clone = (name: string, ...args: string[]) =>
  cloneProject(join(folder, 'remote.git'), join(folder, name), env, ...args)

/** The `run` lines of a job of release.yml, but for all tests. */
function stepsOf(job: 'test' | 'package', tag: string): string[] {
  const { jobs } = parse(read('.github/workflows/release.yml')) as {
    jobs: Record<string, { steps: { run?: string }[] }>
  }
  return (jobs[job]?.steps ?? [])
    .flatMap(({ run }) => run ?? [])
    .filter((run) => !/\.ci\/run/.test(run))
    .map((run) => run.replaceAll('$GITHUB_REF_NAME', tag))
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'telec-release-'))
  await succeed('git', ['init', '--quiet', '--bare', '--initial-branch=main', join(folder, 'remote.git')])
  work = await clone('work')
  await commitProject(work, env)
  await git('tag', 'v0.1.0')
  await git('push', '--quiet', 'origin', 'main', 'v0.1.0')
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a release', () => {
  test('is what package.json and the change log say, a commit, and an annotated tag with the notes', async () => {
    await commit('feat: a key')
    const { code, stdout } = await release('minor')
    expect(code).toBe(0)
    expect(stdout).toContain('git push --atomic origin main v0.2.0')
    expect(JSON.parse(read('package.json'))).toMatchObject({ version: '0.2.0' })
    expect(JSON.parse(read('package-lock.json'))).toMatchObject({ version: '0.2.0' })
    expect(read('CHANGELOG.md')).toMatch(
      /^## \[Unreleased\]\n\n## \[0\.2\.0\] - \d{4}-\d\d-\d\d\n\n- feat: a key\n/m,
    )
    expect(await git('log', '-1', '--format=%s')).toBe('Release 0.2.0')
    expect(await git('status', '--porcelain')).toBe('')
    expect(await git('cat-file', '-t', 'v0.2.0')).toBe('tag')
    expect(await git('tag', '--list', '--format=%(contents)', 'v0.2.0')).toContain('- feat: a key')
    expect(await release('verify', 'v0.2.0')).toMatchObject({ code: 0 })
    expect((await release('notes', 'v0.2.0')).stdout).toContain('- feat: a key')
    await resetTo('v0.1.0')
  })

  test.each([
    ['a patch', 'fix!: break', ['patch'], 'a patch release contains breaking changes'],
    ['without a migration', 'fix!: break', ['minor'], 'without a migration up to 0.2.0'],
    ['with a footer', 'fix: it\n\nBREAKING CHANGE: all', ['minor'], 'without a migration up to 0.2.0'],
    ['with a waiver without a reason', 'fix!: break', ['minor', '--no-migration'], 'takes the reason'],
    ['of nothing like it', 'fix: it', ['huge'], "takes patch, minor, major, verify or notes, not 'huge'"],
    ['with a flag that there is not', 'fix: it', ['patch', '--yes'], "does not know '--yes'"],
  ])('is refused: %s', async (_, message, args, why) => {
    await commit(message)
    const before = await git('rev-parse', 'HEAD')
    const { code, stderr } = await release(...args)
    expect(code).toBe(1)
    expect(stderr).toContain(why)
    expect(stderr).not.toMatch(/^ {4}at /m)
    expect(await git('rev-parse', 'HEAD')).toBe(before)
    expect(await git('status', '--porcelain')).toBe('')
    await resetTo('v0.1.0')
  })

  test('of what breaks comes with a migration that computers of the release before will run', async () => {
    await commit('feat!: rename a key')
    const late = { 'migrations/v0.3.0/001_rename.ts': '' }
    await commit('for a later version', late)
    expect((await release('minor')).stderr).toContain('feat!: rename a key')
    await git('mv', 'migrations/v0.3.0', 'migrations/v0.2.0')
    await commit('for this version')
    expect(await release('minor')).toMatchObject({ code: 0 })
    expect(await release('verify', 'v0.2.0')).toMatchObject({ code: 0 })
    await resetTo('v0.1.0')
  })

  test('with breaking changes may do without, with a reason, which its commit keeps', async () => {
    await commit('feat!: drop what nobody had')
    expect(await release('minor', '--no-migration', 'no computer has it')).toMatchObject({ code: 0 })
    expect(await git('log', '-1', '--format=%B')).toContain('No-Migration: no computer has it')
    expect(await release('verify', 'v0.2.0')).toMatchObject({ code: 0 })
    await resetTo('v0.1.0')
  })

  test.each([
    ['changes that are not committed', () => appendFileSync(join(work, 'README.md'), 'x'), 'not committed'],
    ['another branch', () => git('checkout', '--quiet', '-b', 'other'), 'this is other'],
    [
      'nothing in the change log',
      () => git('reset', '--quiet', '--hard', 'v0.1.0'),
      'nothing under [Unreleased]',
    ],
  ])('is not made from %s', async (_, prepare, why) => {
    await commit('fix: it')
    await prepare()
    const { code, stderr } = await release('patch')
    expect(code).toBe(1)
    expect(stderr).toContain(why)
    await git('checkout', '--quiet', '--force', 'main')
    await resetTo('v0.1.0')
  })

  test('is not made from a main that is behind', async () => {
    await commit('fix: by somebody else')
    await git('push', '--quiet', 'origin', 'main')
    await resetTo('v0.1.0')
    expect((await release('patch')).stderr).toContain('main is behind origin/main, by 1')
    await git('push', '--quiet', '--force', 'origin', 'v0.1.0^{commit}:refs/heads/main')
  })
})

describe('what does not say where it comes from is not published', () => {
  const packageJson = (change: (fields: Record<string, unknown>) => void) => {
    const fields = JSON.parse(read('package.json')) as Record<string, unknown>
    change(fields)
    return { 'package.json': JSON.stringify(fields, null, 2) }
  }

  test.each([
    ['the placeholders that telec comes with', 'repository, homepage, bugs', PLACEHOLDERS],
    ['one of them', 'homepage', { homepage: 'https://telec.Invalid' }],
    ['no field', 'bugs', { bugs: undefined }],
    ['a field without an address', 'repository', { repository: { type: 'git' } }],
    ['an empty one', 'bugs', { bugs: { url: '' } }],
  ])('%s', async (_, named, fields) => {
    await commit(
      'fix: it',
      packageJson((all) => Object.assign(all, fields)),
    )
    const before = await git('rev-parse', 'HEAD')
    for (const args of [['patch'], ['patch', '--dry-run']]) {
      const { code, stdout, stderr } = await release(...args)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toContain(`placeholders, or nothing, for: ${named}\n`)
    }
    expect(await git('rev-parse', 'HEAD')).toBe(before)
    expect(await git('tag', '--list', 'v0.1.1')).toBe('')
    await resetTo('v0.1.0')
  })

  test('nor from a tag that was made by hand; what the message says to do is enough', async () => {
    await commit(
      'fix: it',
      packageJson((all) => Object.assign(all, PLACEHOLDERS, { version: '0.1.1' })),
    )
    edit(work, 'CHANGELOG.md', (text) => text.replace('## [Unreleased]\n', '## [Unreleased]\n\n## [0.1.1]\n'))
    await git('commit', '--quiet', '--all', '--message', 'notes')
    await git('tag', 'v0.1.1')
    const { code, stderr } = await release('verify', 'v0.1.1')
    expect(code).toBe(1)
    expect(stderr).toContain('placeholders, or nothing, for: repository, homepage, bugs\n')
    const [, command = ''] = /what to do: (npm .*)/.exec(stderr) ?? []
    await succeed('sh', ['-c', command.replaceAll('URL', 'https://forge.example.org/telec')], { cwd: work })
    await git('commit', '--quiet', '--all', '--message', 'addresses')
    await git('tag', '--force', 'v0.1.1')
    expect(await release('verify', 'v0.1.1')).toMatchObject({ code: 0 })
    await resetTo('v0.1.0')
  })
})

describe('a tag that was made by hand is not published', () => {
  test.each([
    ['when the code says another version', 'fix: it', 'v0.9.0', 'package.json says 0.1.0'],
    ['when it does not exist', 'fix: it', 'v9.9.9', 'git show'],
  ])('%s', async (_, message, tag, why) => {
    await commit(message)
    if (tag !== 'v9.9.9') await git('tag', tag)
    const { code, stderr } = await release('verify', tag)
    expect(code).toBe(1)
    expect(stderr).toContain(why)
    await resetTo('v0.1.0')
  })

  test('when what it breaks comes without a migration', async () => {
    await commit('feat!: break it')
    const text = read('package.json').replace('"0.1.0"', '"0.2.0"')
    await commit('to 0.2.0', { 'package.json': text })
    const changelog = read('CHANGELOG.md').replace('## [Unreleased]\n', '## [Unreleased]\n\n## [0.2.0]\n')
    await commit('notes', { 'CHANGELOG.md': changelog })
    await git('tag', 'v0.2.0')
    expect((await release('verify', 'v0.2.0')).stderr).toContain('feat!: break it')
    await resetTo('v0.1.0')
  })
})

test('from a push to a computer on beta: verified, packaged, and telec updates itself from the tag', async () => {
  // A computer whose service is telec itself, at 0.1.0.
  const checkout = await clone('checkout', '--branch', 'v0.1.0')
  await git('checkout', '--quiet', 'v0.1.0')
  await succeed(join(checkout, 'scripts/build'), [], { env })
  await git('checkout', '--quiet', 'main')
  const computer = { ...env, TELEC_HOME: join(folder, 'home') }
  const own = (program: string, ...args: string[]) =>
    execute(join(checkout, 'dist', program), args, { env: computer })
  const options = ['--checkout', checkout, '--channel', 'beta', '--install', './scripts/build']
  expect(await own('telec', 'init', ...options)).toMatchObject({ code: 0 })
  expect((await own('telec', 'version')).stdout).toMatch(/^telec 0\.1\.0 \([0-9a-f]{40}\), channel beta\n/)

  await commit('feat: a better telec')
  const { stdout } = await release('minor')
  const [push = ''] = /git push .*/.exec(stdout) ?? []
  await succeed('sh', ['-c', push], { cwd: work, env })

  // What release.yml runs.
  const runner = await clone('runner', '--branch', 'v0.2.0')
  const steps = [...stepsOf('test', 'v0.2.0'), ...stepsOf('package', 'v0.2.0')]
  expect(steps).toEqual(['./scripts/release verify "v0.2.0"', './scripts/package'])
  for (const step of steps) await succeed('bash', ['-eo', 'pipefail', '-c', step], { cwd: runner, env })
  await succeed('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: join(runner, 'out') })
  expect(read('out/NOTES.md', runner)).toContain('- feat: a better telec')
  const assets = read('out/SHA256SUMS', runner).match(/\S+$/gm)
  expect(assets).toEqual([
    'THIRD-PARTY-NOTICES',
    'telec',
    'telec-0.2.0.cdx.json',
    'telec-0.2.0.tar.gz',
    'telec-0.2.0.tgz',
    'telec-migrate',
    'telec-update',
    'telec-watch',
    'telec_0.2.0_all.deb',
  ])
  const archive = await succeed('tar', ['-tzf', join(runner, 'out/telec-0.2.0.tar.gz')])
  for (const name of [
    'bin/telec',
    'bin/telec-watch',
    'bin/completions/telec.bash',
    'man/man1/telec.1',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ])
    expect(archive.split('\n')).toContain(`telec-0.2.0/${name}`)

  // The updates of the computer.
  expect(await own('telec-watch')).toMatchObject({ code: 0 })
  expect(await own('telec-update')).toMatchObject({ code: 42 }) // a new telec goes on
  expect(await own('telec-update')).toMatchObject({ code: 42 }) // no service: the restart is its caller's
  const id = await git('rev-parse', 'v0.2.0^{commit}')
  expect((await own('telec', 'version')).stdout).toBe(`telec 0.2.0 (${id}), channel beta\n`)
  const status = JSON.parse((await own('telec', 'status', '--json')).stdout) as object
  expect(status).toMatchObject({
    deployed: { version: '0.2.0', commit: id },
    telec: { version: '0.2.0', commit: id },
  })
  // The same commit gives the same programs, wherever it is built.
  for (const name of ['telec', 'telec-watch', 'telec-update', 'telec-migrate'])
    expect(read(`dist/${name}`, checkout)).toBe(read(`out/${name}`, runner))
})
