import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'

export const PROJECT_KINDS = ['npm', 'python', 'go', 'make'] as const
export type ProjectKind = (typeof PROJECT_KINDS)[number]

/** What is specific to a kind of project in its workflows: steps of GitHub Actions, as lines of YAML. */
export interface Project {
  /** From a checkout to tests that have passed. */
  readonly test: readonly string[]
  /** A shell command that prints the version; null where the tag alone says it. */
  readonly version: string | null
}

/** A file by which a project is known to be of a kind, the first that is there. */
const SIGNS: readonly (readonly [string, ProjectKind])[] = [
  ['package.json', 'npm'],
  ['pyproject.toml', 'python'],
  ['setup.py', 'python'],
  ['requirements.txt', 'python'],
  ['go.mod', 'go'],
  ['Makefile', 'make'],
]

/** Looks at the files in `root`. Throws a TelecError where they say nothing and `kind` does not either. */
export function describeProject(root: string, kind = detect(root)): Project {
  const has = (name: string) => existsSync(join(root, name))
  if (kind === null)
    throw new TelecError('usage', `what builds and tests ${root} cannot be told from its files`, {
      because: `there is none of ${SIGNS.map(([name]) => name).join(', ')}`,
      hint: `say what it is: telec init --workflows ${PROJECT_KINDS.join('|')}`,
    })
  return { test: TEST[kind](has), version: versionCommand(has) }
}

function detect(root: string): ProjectKind | null {
  return SIGNS.find(([name]) => existsSync(join(root, name)))?.[1] ?? null
}

type Has = (name: string) => boolean

const TEST: Readonly<Record<ProjectKind, (has: Has) => readonly string[]>> = {
  npm: (has) => {
    const isLocked = has('package-lock.json')
    return [
      '- uses: actions/setup-node@2028fbc5c25fe9cf00d9f06a71cc4710d4507903 # v6.0.0',
      '  with:',
      '    node-version: lts/*',
      ...(isLocked ? ['    cache: npm'] : []),
      `- run: npm ${isLocked ? 'ci' : 'install'}`,
      '- run: npm test',
    ]
  },
  python: (has) => [
    '- uses: actions/setup-python@e797f83bcb11b83ae66e0230d6156d7c80228e7c # v6.0.0',
    '  with:',
    "    python-version: '3.x'",
    ...(has('requirements.txt') ? ['- run: python -m pip install --requirement requirements.txt'] : []),
    ...(has('pyproject.toml') || has('setup.py') ? ['- run: python -m pip install --editable .'] : []),
    '- run: python -m pip install pytest',
    '- run: python -m pytest',
  ],
  go: () => [
    '- uses: actions/setup-go@44694675825211faa026b3c33043df3e48a5fa00 # v6.0.0',
    '  with:',
    '    go-version-file: go.mod',
    '- run: go vet ./...',
    '- run: go test ./...',
  ],
  make: () => ['- run: make test'],
}

/** From where telec takes the version, too (deployment.version_file). */
function versionCommand(has: Has): string | null {
  if (has('package.json')) return `node --print 'require("./package.json").version'`
  if (has('pyproject.toml'))
    return `python3 -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])'`
  return has('VERSION') ? 'cat VERSION' : null
}
