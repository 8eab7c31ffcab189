import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute, ROOT, succeed } from '../helpers/programs.ts'
import { cloneProject, commitProject, committer } from '../helpers/project-copy.ts'
import { readTree } from '../helpers/tree.ts'

/** What a release has, made twice: in two folders, more than a year apart, by people with other settings. */
let folder = ''
let out = ''

/** The npm package, the archive and the Debian package, unpacked: where each has its documents. */
const PACKED = ['package', 'archive', 'debian/usr/share/doc/telec'] as const
const DEB = 'telec_0.1.0_all.deb'

beforeAll(async () => {
  requireTool('faketime', 'faketime')
  requireTool('lintian', 'lintian')
  folder = mkdtempSync(join(tmpdir(), 'telec-shipped-'))
  const env = committer('2026-05-04T12:00:00Z')
  await succeed('git', ['init', '--quiet', '--initial-branch=main', join(folder, 'remote')])
  await commitProject(join(folder, 'remote'), env)
  await cloneProject(join(folder, 'remote'), join(folder, 'here'), env)
  await succeed(join(folder, 'here/scripts/package'), [], { env })
  out = join(folder, 'out') // where the workflow has it
  cpSync(join(folder, 'here/out'), out, { recursive: true })
  for (const [name, file] of [
    ['package', 'telec-0.1.0.tgz'],
    ['archive', 'telec-0.1.0.tar.gz'],
  ] as const) {
    mkdirSync(join(folder, name))
    await succeed('tar', ['-xzf', join(out, file), '--strip-components=1', '-C', join(folder, name)])
  }
  await succeed('dpkg-deb', ['--extract', join(out, DEB), join(folder, 'debian')])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the same commit gives the same bytes, wherever and whenever it is built', async () => {
  const env = { ...committer(), LC_ALL: 'C.UTF-8', NODE_ENV: 'production', TZ: 'Pacific/Auckland' }
  const elsewhere = await cloneProject(join(folder, 'remote'), join(folder, 'another/folder'), env)
  mkdirSync(join(elsewhere, 'dist/man'), { recursive: true })
  writeFileSync(join(elsewhere, 'dist/man/telec-old.1'), 'of a build before')
  await succeed('chmod', ['--recursive', 'go=', elsewhere])
  const { jobs } = parse(readFileSync(join(ROOT, '.github/workflows/release.yml'), 'utf8')) as {
    jobs: { reproduce: { steps: { run?: string }[] } }
  }
  const steps = jobs.reproduce.steps.flatMap(({ run }) => run ?? [])
  expect(steps).toEqual(['./another/folder/scripts/package', 'diff --recursive out another/folder/out'])
  for (const step of steps)
    await succeed('faketime', ['-f', '+400d', 'bash', '-c', `umask 077; ${step}`], { cwd: folder, env })

  const [first, second] = [out, join(elsewhere, 'out')].map(readTree)
  expect(Object.keys(first ?? {})).toHaveLength(11)
  expect(first).toEqual(second)
})

describe('the licenses of bundled packages', () => {
  test('are in the npm package, in the Debian package, in the archive and beside the programs of a release, all of them', async () => {
    const notices = [
      join(out, 'THIRD-PARTY-NOTICES'),
      join(folder, 'package/dist/THIRD-PARTY-NOTICES'),
      join(folder, 'archive/THIRD-PARTY-NOTICES'),
      join(folder, 'debian/usr/share/doc/telec/THIRD-PARTY-NOTICES'),
    ].map((file) => readFileSync(file, 'utf8'))
    expect(new Set(notices).size).toBe(1)
    const packages = await bundledFolders()
    expect(packages).toEqual(expect.arrayContaining(['commander', 'yaml', '@babel/parser']))
    for (const name of packages) {
      const path = join(ROOT, 'node_modules', name)
      const texts = readdirSync(path).filter((file) => /^licen[cs]e/i.test(file))
      expect(texts, name).not.toEqual([])
      for (const file of texts)
        expect(notices[0], name).toContain(readFileSync(join(path, file), 'utf8').trim())
      const { version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { version: string }
      expect(notices[0]).toContain(`\n${name.split('node_modules/').at(-1)}@${version}\n`)
    }
  })

  test('one that has none fails the build, which names it and leaves dist/ unchanged', async () => {
    const work = mkdtempSync(join(tmpdir(), 'telec-unlicensed-'))
    onTestFinished(() => rmSync(work, { recursive: true, force: true }))
    for (const name of ['src', 'units', 'scripts', 'package.json', 'package-lock.json'])
      cpSync(join(ROOT, name), join(work, name), { recursive: true })
    mkdirSync(join(work, 'node_modules'))
    for (const name of readdirSync(join(ROOT, 'node_modules')).filter((one) => one !== 'leven'))
      symlinkSync(join(ROOT, 'node_modules', name), join(work, 'node_modules', name))
    cpSync(join(ROOT, 'node_modules/leven'), join(work, 'node_modules/leven'), { recursive: true })
    rmSync(join(work, 'node_modules/leven/license'))
    const { code, stderr } = await execute(join(work, 'scripts/build'), [])
    expect(code).toBe(1)
    expect(stderr).toMatch(/Error: leven@4\.\d+\.\d+ is bundled and has no license file/)
    expect(readdirSync(work)).not.toContain('dist')
  })
})

describe('the Debian package', () => {
  test('lintian finds nothing in it', async () => {
    // It warns on standard error that it runs as root, and that a line of a bundle is long.
    const { code, stdout } = await execute('lintian', ['--pedantic', '--fail-on', 'pedantic', join(out, DEB)])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  })

  test('a user without privileges makes the same', async () => {
    const user = ['--reuid=nobody', '--regid=nogroup', '--clear-groups']
    const git = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' }
    const [archive, made] = ['telec-0.1.0', 'by-nobody'].map((name) => join(folder, name)) as [string, string]
    cpSync(join(folder, 'archive'), archive, { recursive: true })
    mkdirSync(made)
    await succeed('chown', ['nobody', made])
    await succeed('chmod', ['--recursive', 'a+rX', folder]) // the clone of before closed objects that are linked
    const pack = ['scripts/deb/pack', archive, '0.1.0', join(out, 'NOTES.md'), made]
    await succeed('setpriv', [...user, ...pack], {
      cwd: join(folder, 'here'),
      env: { ...process.env, ...git },
    })
    expect(readFileSync(join(made, DEB)).equals(readFileSync(join(out, DEB)))).toBe(true)
  })

  test('says what changed in the form that apt shows', async () => {
    const file = join(folder, 'debian/usr/share/doc/telec/changelog.gz')
    const fields = await succeed('dpkg-parsechangelog', ['--file', file])
    expect(fields).toMatch(/^Version: 0\.1\.0$/m)
    expect(fields).toMatch(/^Maintainer: A Person <person@example\.org>$/m)
    expect(fields).toMatch(/^Date: Mon, 0?4 May 2026 12:00:00 \+0000$/m)
    expect(fields).toMatch(/^ {3}\* `telec-watch` polls a git remote/m)
  })
})

describe('the list of bundled packages (SBOM)', () => {
  interface Sbom {
    readonly bomFormat: string
    readonly serialNumber: string
    readonly metadata: { readonly component: object; readonly timestamp: string }
    readonly components: readonly { readonly name: string; readonly version: string }[]
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
  }

  const read = () => JSON.parse(readFileSync(join(out, 'telec-0.1.0.cdx.json'), 'utf8')) as Sbom

  test('is of the released telec, and has neither a time nor a random value', () => {
    expect(read()).toMatchObject({
      bomFormat: 'CycloneDX',
      serialNumber: expect.stringMatching(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      metadata: {
        timestamp: '2026-05-04T12:00:00.000Z',
        component: { name: 'telec', version: '0.1.0', type: 'application' },
      },
    })
  })

  test('has exactly the packages with licenses, and their sources', async () => {
    const { components, dependencies } = read()
    const listed = components.map(({ name, version }) => `${name}@${version}`)
    const notices = readFileSync(join(out, 'THIRD-PARTY-NOTICES'), 'utf8')
    const noticed = [...notices.matchAll(/^-{80}\n(\S+@\S+)\n-{80}$/gm)].map(([, id]) => id)
    expect(listed.toSorted()).toEqual(noticed.toSorted())
    for (const one of components)
      expect(one).toMatchObject({
        scope: 'required',
        properties: [],
        hashes: [{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }],
        licenses: [{ license: { id: expect.any(String) } }],
      })
    const known = [...listed, 'telec@0.1.0']
    const refs = dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn])
    expect(refs.filter((ref) => !known.includes(ref))).toEqual([])
    expect(dependencies.find(({ ref }) => ref === 'telec@0.1.0')?.dependsOn).toContain(
      listed.find((id) => id.startsWith('commander@')),
    )
  })
})

describe.each(PACKED)('the documents of the %s', (name) => {
  test('show only pictures and files that came with them', () => {
    const root = join(folder, name)
    const documents = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.md'),
    )
    expect(documents).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/operating.md']))
    const targets = documents.flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/\]\(([^)\s#]+)[^)]*\)|(?:src|href)="([^"#]+)/g)]
        .map(([, link, attribute]) => link ?? attribute ?? '')
        .filter((target) => !/^https?:/.test(target))
        .map((target) => ({ path, target: normalize(join(dirname(path), target)) })),
    )
    expect(targets.map(({ target }) => target)).toEqual(
      expect.arrayContaining(['LICENSE', 'CONTRIBUTING.md', 'docs/architecture.svg', 'docs/examples']),
    )
    expect(targets.filter(({ target }) => !statSync(join(root, target), { throwIfNoEntry: false }))).toEqual(
      [],
    )
  })
})

/** The packages, as folders of node_modules, from which esbuild takes code into the programs and those within them. */
async function bundledFolders(): Promise<string[]> {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const within = sources
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .flatMap((file) => [...readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(/'program:([^']+)'/g)])
    .map(([, file = '']) => file)
  expect(within).toContain('migrate/runtimes/typescript-loader.ts')
  const programs = ['telec', 'telec-watch', 'telec-update', 'telec-migrate'].map((name) => `cli/${name}.ts`)
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [...programs, ...within].map((file) => `src/${file}`),
    outdir: 'nowhere',
    write: false,
    bundle: true,
    metafile: true,
    minify: true,
    platform: 'node',
    external: ['program:*'],
    loader: Object.fromEntries(
      ['py', 'service', 'timer', 'path', 'conf', 'plist'].map((end) => [`.${end}`, 'text']),
    ),
    logLevel: 'error',
  })
  const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs))
  return [
    ...new Set(
      files.flatMap(
        (file) => /node_modules\/((?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
      ),
    ),
  ]
}
