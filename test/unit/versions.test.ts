import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { normalVersion, versionIn } from '../../src/channel/versions.ts'

describe('the version of a checkout', () => {
  test.each<[string, string, string, string]>([
    ['a package.json', 'package.json', '{"name": "web", "version": "1.2.3"}', '1.2.3'],
    ['a package.json with a v', 'package.json', '{"version": "v1.2.3"}', '1.2.3'],
    ['a candidate in package.json', 'package.json', '{"version": "1.2.3-rc.1"}', '1.2.3-rc.1'],
    [
      'pyproject.toml of today',
      'pyproject.toml',
      '[build-system]\nrequires = ["hatchling"]\n\n[project]\nname = "web"\nversion = "1.2.3"\n',
      '1.2.3',
    ],
    [
      'pyproject.toml of poetry',
      'pyproject.toml',
      '[tool.poetry]\nname = "web"\nversion = "1.2.3" # keep in step\n',
      '1.2.3',
    ],
    [
      'pyproject.toml that has both',
      'pyproject.toml',
      '[tool.poetry]\nversion = "9.9.9"\n[project]\nversion = "1.2.3"\n',
      '1.2.3',
    ],
    [
      'a version of a tool is not the version of the project',
      'pyproject.toml',
      '[tool.other]\nversion = "9.9.9"\n[project]\nversion = "1.2.3"\n',
      '1.2.3',
    ],
    ["Python's way to write a candidate", 'pyproject.toml', '[project]\nversion = "1.2.0rc1"\n', '1.2.0-rc1'],
    ['a minor version alone', 'pyproject.toml', '[project]\nversion = "1.4"\n', '1.4.0'],
    [
      'Cargo.toml',
      'Cargo.toml',
      '[package]\nname = "web"\nversion = "1.2.3"\n[dependencies]\nserde = { version = "1.0.9" }\n',
      '1.2.3',
    ],
    [
      'Cargo.toml of a workspace',
      'Cargo.toml',
      '[workspace]\nmembers = ["a"]\n[workspace.package]\nversion = "1.2.3"\n',
      '1.2.3',
    ],
    ['a VERSION file', 'VERSION', '1.2.3\n', '1.2.3'],
    ['a VERSION file with a v and Windows line ends', 'VERSION', 'v1.2.3\r\n', '1.2.3'],
    ['a VERSION file that ends without a line break', 'VERSION', '1.2.3', '1.2.3'],
    [
      'a Python module that is named as version_file',
      'src/web/__init__.py',
      '"""Web."""\n\n__version__ = "1.2.3"\n',
      '1.2.3',
    ],
    [
      'a Go file that is named as version_file',
      'version.go',
      'package web\n\nconst Version = "v1.2.3-beta.4"\n',
      '1.2.3-beta.4',
    ],
    ['a TOML file that is named as version_file', 'conf/app.toml', '[package]\nversion = "1.2.3"\n', '1.2.3'],
  ])('%s', async (_, name, text, version) => {
    expect(await versionIn(name, text)).toBe(version)
  })

  test.each<[string, string, string]>([
    ['a package.json without a version', 'package.json', '{"private": true}'],
    ['a package.json that does not parse', 'package.json', '{"version": "1.2.3"'],
    ['a package.json that is a list', 'package.json', '["1.2.3"]'],
    ['a package.json that is null', 'package.json', 'null'],
    ['an empty package.json', 'package.json', ''],
    ['a version that is a number', 'package.json', '{"version": 1.2}'],
    ['a version that is none', 'package.json', '{"version": "workspace:*"}'],
    ['a pyproject.toml that does not parse', 'pyproject.toml', '[project\nversion = "1.2.3"\n'],
    [
      'a pyproject.toml whose version is made by a tool',
      'pyproject.toml',
      '[project]\nname = "web"\ndynamic = ["version"]\n',
    ],
    [
      "a member of a workspace, which has the workspace's version",
      'Cargo.toml',
      '[package]\nname = "a"\nversion.workspace = true\n',
    ],
    ['a VERSION file that is empty', 'VERSION', '\n'],
    ['a VERSION file without a number', 'VERSION', 'unreleased\n'],
    ['merge marks', 'VERSION', '<<<<<<< HEAD\n=======\n>>>>>>> topic\n'],
  ])('%s declares none', async (_, name, text) => {
    expect(await versionIn(name, text)).toBeNull()
  })

  test('any file has a version or none, and is never an error', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('package.json', 'pyproject.toml', 'Cargo.toml', 'VERSION'),
        fc.oneof(fc.string(), fc.json()),
        async (name, text) => {
          const version = await versionIn(name, text)
          if (version !== null) expect(normalVersion(version)).toBe(version)
        },
      ),
    )
  })
})

test.each<[string, string | null]>([
  ['1.2.3', '1.2.3'],
  [' v1.2.3\n', '1.2.3'],
  ['1.4', '1.4.0'],
  ['1.2.3+build.7', '1.2.3'],
  ['01.2.3', '1.2.3'],
  ['1', null],
  ['', null],
  ['1.2.3.4', null],
  ['latest', null],
])('%j is the version %j', (text, version) => {
  expect(normalVersion(text)).toBe(version)
})
