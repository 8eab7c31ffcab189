import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { discoverMigrations, foundOnDisk, verifyNames } from '../../src/migrate/discover.ts'
import { TelecError } from '../../src/system/errors.ts'

/** Writes a tree, discovers its migrations, and removes it. */
function discover(files: readonly string[], executable: readonly string[] = []): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'telec-discover-'))
  try {
    for (const file of [...files, ...executable]) {
      mkdirSync(dirname(join(folder, file)), { recursive: true })
      writeFileSync(join(folder, file), '', { mode: executable.includes(file) ? 0o755 : 0o644 })
    }
    const discovered = discoverMigrations(folder, foundOnDisk(folder))
    verifyNames(folder, discovered)
    return discovered.migrations.map(({ id }) => id)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The faults of a tree, a line each. */
function faults(files: readonly string[]): string[] {
  try {
    discover(files)
  } catch (error) {
    if (error instanceof TelecError) return error.because?.split('\n') ?? []
    throw error
  }
  return []
}

const NEIGHBOURS = [
  'README.md',
  'helpers.ts',
  'lib/shared.js',
  '__init__.py',
  '__pycache__/001_a.cpython-311.pyc',
  '001_a.d.ts',
  '001_a.test.ts',
  '001_a_spec.spec.py',
  '001_a.js.map',
  '001_a.ts~',
  '.001_a.ts.swp',
  '#001_a.ts#',
  '001_a.orig',
  '_helpers.py',
]

interface Version {
  readonly major: number
  readonly minor: number
  readonly patch: number
  /** The identifiers of a prerelease; none of a release. */
  readonly pre: readonly (number | string)[]
  /** Build metadata, with its plus; it makes no other version. */
  readonly build: string
}

interface Script extends Version {
  readonly number: number
  readonly extension: string
}

const small = fc.constantFrom(0, 1, 2, 9, 10, 11, 100)
const script: fc.Arbitrary<Script> = fc.record({
  major: fc.nat({ max: 2 }),
  minor: small,
  patch: small,
  pre: fc.array(fc.oneof(small, fc.constantFrom('alpha', 'beta', 'rc', 'RC', 'x-1', '0a')), { maxLength: 3 }),
  build: fc.constantFrom('', '', '+linux', '+2.001'),
  number: fc.constantFrom(1, 2, 3, 10, 99, 100, 999, 1000),
  extension: fc.constantFrom('ts', 'mts', 'js', 'mjs', 'cjs', 'py'),
})
const versionOf = ({ major, minor, patch, pre }: Version) =>
  [`${major}.${minor}.${patch}`, pre.join('.')].filter(Boolean).join('-')
const folderOf = (one: Script) => `v${versionOf(one)}${one.build}`
const fileOf = ({ number, extension }: Script) => `${String(number).padStart(3, '0')}_x.${extension}`
const idOf = (one: Script) => `${versionOf(one)}/${fileOf(one)}`
const trees = fc.uniqueArray(script, {
  maxLength: 25,
  selector: (one) => `${versionOf(one)}/${one.number}`,
})

/** The order as the issue words it, one number after the other. */
function isBefore(a: Script, b: Script): boolean {
  if (a.major !== b.major) return a.major < b.major
  if (a.minor !== b.minor) return a.minor < b.minor
  if (a.patch !== b.patch) return a.patch < b.patch
  for (let index = 0; index < Math.max(a.pre.length, b.pre.length); index += 1) {
    const [x, y] = [a.pre[index], b.pre[index]]
    if (x === y) continue
    if (x === undefined || y === undefined) {
      // A release comes after its prereleases; of those the one with more to say comes later.
      const isShorter = x === undefined
      return (isShorter ? a : b).pre.length === 0 ? !isShorter : isShorter
    }
    if (typeof x === typeof y) return x < y
    return typeof x === 'number' // numbers come before words
  }
  return a.number < b.number
}

describe('the migrations of a random tree', () => {
  test('come in one order, nothing twice and nothing lost, beside any other files', () => {
    fc.assert(
      fc.property(trees, fc.subarray(NEIGHBOURS), (scripts, neighbours) => {
        const beside = scripts.flatMap((one) => neighbours.map((name) => `${folderOf(one)}/${name}`))
        const found = discover([
          ...scripts.map((one) => `${folderOf(one)}/${fileOf(one)}`),
          ...beside,
          ...neighbours.map((name) => name.replace(/^\d+/, 'x')),
        ])
        const expected: Script[] = []
        for (const one of scripts) {
          const at = expected.findIndex((other) => isBefore(one, other))
          expected.splice(at === -1 ? expected.length : at, 0, one)
        }
        expect(found).toEqual(expected.map(idOf))
      }),
      { numRuns: 60 },
    )
  })

  test('are none, and every bad name is listed, where one is badly named', () => {
    const bad = fc.constantFrom('v1.0/001_x.ts', 'v1.2.3.4/001_x.ts', '1.5.0/001_x.ts', 'v01.0.0/001_x.ts')
    const badFile = fc.constantFrom(
      '1_x.ts',
      '01_x.ts',
      '001-x.ts',
      '001.ts',
      '001_x.rb',
      '001_.ts',
      '001_x.sh',
    )
    fc.assert(
      fc.property(
        trees,
        fc.uniqueArray(bad, { maxLength: 4 }),
        fc.uniqueArray(badFile, { maxLength: 7 }),
        (scripts, folders, files) => {
          const wrong = [...folders, ...files.map((name) => `v7.0.0/${name}`)]
          const found = faults([...scripts.map((one) => `${folderOf(one)}/${fileOf(one)}`), ...wrong])
          expect(found).toHaveLength(wrong.length)
          for (const path of wrong) {
            const named = path.startsWith('v7.0.0/') ? path : dirname(path)
            expect(found.some((line) => line.startsWith(`${named}: `))).toBe(true)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  test('are none where a version that differs in build metadata alone has their numbers once more', () => {
    fc.assert(
      fc.property(trees, (scripts) => {
        const files = scripts.map((one) => `${folderOf(one)}/${fileOf(one)}`)
        const again = scripts.map((one) => `v${versionOf(one)}+again/${fileOf(one)}`)
        const found = faults([...files, ...again])
        expect(found.map((line) => line.split(/: has the number of /).sort())).toEqual(
          expect.arrayContaining(files.map((file, index) => [file, again[index]].sort())),
        )
        expect(found).toHaveLength(files.length)
      }),
      { numRuns: 20 },
    )
  })
})

test.each<[string, string[], string[]]>([
  [
    'a prerelease comes before its release, and rc.10 after rc.9',
    ['v1.0.0/001_a.js', 'v1.0.0-rc.9/001_a.js', 'v1.0.0-rc.10/001_a.js', 'v1.0.0-alpha/001_a.js'],
    ['1.0.0-alpha/001_a.js', '1.0.0-rc.9/001_a.js', '1.0.0-rc.10/001_a.js', '1.0.0/001_a.js'],
  ],
  [
    '1.10.0 comes after 1.9.0',
    ['v1.10.0/001_a.js', 'v1.9.0/001_a.js'],
    ['1.9.0/001_a.js', '1.10.0/001_a.js'],
  ],
  [
    'number 1000 comes after 999',
    ['v1.0.0/1000_a.js', 'v1.0.0/999_a.js'],
    ['1.0.0/999_a.js', '1.0.0/1000_a.js'],
  ],
  [
    'build metadata makes no other version',
    ['v1.0.0+linux/002_b.js', 'v1.0.0+mac/001_a.js', 'v1.0.0/003_c.js'],
    ['1.0.0/001_a.js', '1.0.0/002_b.js', '1.0.0/003_c.js'],
  ],
])('%s', (_, files, ids) => {
  expect(discover(files)).toEqual(ids)
  expect(discover(files.toReversed())).toEqual(ids)
})

test('any executable is a migration, and one that is none is not', () => {
  expect(discover([], ['v1.0.0/001_a.sh', 'v1.0.0/002_b', 'v1.0.0/003_c.rb'])).toEqual([
    '1.0.0/001_a.sh',
    '1.0.0/002_b',
    '1.0.0/003_c.rb',
  ])
  expect(faults(['v1.0.0/001_a.sh'])).toEqual([expect.stringContaining('is not executable')])
})

test.each([
  ['in a version', ['v1.0.0/001_a.js', 'v1.0.0/001_b.py']],
  ['by build metadata', ['v1.0.0+a/001_a.js', 'v1.0.0+b/001_a.js']],
  ['written with more digits', ['v1.0.0/0001_a.js', 'v1.0.0/001_a.js']],
])('two with one number %s are an error that names both', (_, [first, second]) => {
  expect(faults([first ?? '', second ?? ''])).toEqual([`${second}: has the number of ${first}`])
})

test.each([
  ['a folder named like a migration', ['v1.0.0/001_a.js/index.js'], ['v1.0.0/001_a.js: is a folder']],
  ['a folder without an extension', ['v1.0.0/001_a/x'], ['v1.0.0/001_a: is a folder']],
  ['a file named like a version', ['v1.0.0'], []],
  ['an empty version', ['v1.0.0/README.md'], []],
])('%s', (_, files, lines) => {
  expect(faults(files)).toEqual(lines.map((line) => expect.stringContaining(line)))
})

test('a folder that cannot be listed is an error, not an empty one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'telec-discover-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(foundOnDisk(join(folder, 'none'))).toEqual([])
  writeFileSync(join(folder, 'file'), '')
  expect(() => foundOnDisk(`${folder}/${'x'.repeat(300)}`)).toThrow(/cannot read/)
})
