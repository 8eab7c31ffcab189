import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  announcesBreaking,
  type Bump,
  breakingCommits,
  migrationsBetween,
  releaseChangelog,
  sectionOf,
} from '../../scripts/lib/release.ts'

describe('a commit is breaking', () => {
  test.each([
    ['feat!: rename the cache key', true],
    ['fix(config)!: drop the old key', true],
    ['feat: a key\n\nWhy.\n\nBREAKING CHANGE: the old key is refused', true],
    ['chore: x\n\nBREAKING-CHANGE: y', true],
    ['feat: a key', false],
    ['Stop at once!', false],
    ['What a day!: it was', false],
    ['feat!:no blank', false],
    ['feat: this is no BREAKING CHANGE: at the start of a line', false],
    ['feat: x\n\nbreaking change: has to be in capitals', false],
  ])('%j: %s', (message, isBreaking) => {
    expect(breakingCommits([{ id: 'a', message }])).toHaveLength(isBreaking ? 1 : 0)
  })
})

describe('a bump announces what breaks', () => {
  test.each([
    ['1.4.2', 'major', true],
    ['1.4.2', 'minor', false],
    ['1.4.2', 'patch', false],
    ['0.4.2', 'minor', true],
    ['0.4.2', 'patch', false],
  ] as [string, Bump, boolean][])('of %s, %s: %s', (previous, bump, announces) => {
    expect(announcesBreaking(previous, bump)).toBe(announces)
  })
})

test('a migration fixes computers of the release before where its version is above that and at most the new one', () => {
  const added = ['1.3.9', '1.4.0', '1.4.1', '1.10.0', '2.0.0', '2.0.1'].map(
    (version) => `migrations/v${version}/001_x.ts`,
  )
  const others = [
    'migrations/README.md',
    'migrations/v1.5/001_x.ts',
    'migrations/v1.5.0/x.ts',
    'src/v1.5.0/001_x.ts',
  ]
  expect(migrationsBetween([...added, ...others, ''], '1.4.0', '2.0.0')).toEqual([
    'migrations/v1.4.1/001_x.ts',
    'migrations/v1.10.0/001_x.ts',
    'migrations/v2.0.0/001_x.ts',
  ])
})

describe('the change log', () => {
  const text = '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- a key\n\n## [1.0.0] - 2026-01-02\n\n- all\n'

  test('gets a section for the version, and an empty one for what comes next', () => {
    const released = releaseChangelog(text, '1.1.0', '2026-02-03') ?? ''
    expect(sectionOf(released, '1.1.0')).toBe('### Added\n\n- a key')
    expect(sectionOf(released, 'Unreleased')).toBe('')
    expect(sectionOf(released, '1.0.0')).toBe('- all')
    expect(sectionOf(released, '1.1')).toBeNull()
  })

  test('without anything unreleased releases nothing', () => {
    expect(
      releaseChangelog('# Changelog\n\n## [Unreleased]\n\n## [1.0.0]\n\n- all\n', '1.0.1', ''),
    ).toBeNull()
    expect(releaseChangelog('# Changelog\n', '1.0.1', '')).toBeNull()
  })

  test('loses nothing, with any text', () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => `- ${text.replace(/[\r\n]/g, ' ')} x`)
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), (lines) => {
        const before = `# Changelog\n\n## [Unreleased]\n\n${lines.join('\n')}\n`
        expect(sectionOf(releaseChangelog(before, '1.0.0', '2026-01-02') ?? '', '1.0.0')).toBe(
          lines.join('\n'),
        )
      }),
    )
  })
})
