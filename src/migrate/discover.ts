import { accessSync, constants, type Dirent, readdirSync, statSync } from 'node:fs'
import { extname, join, relative } from 'node:path'
import compare from 'semver/functions/compare'
import parse from 'semver/functions/parse'
import { kindOf, systemErrorCode, TelecError } from '../system/errors.ts'

export type Language = 'node' | 'python' | 'executable'

export interface Migration {
  /** `VERSION/FILE`, as it is recorded. */
  readonly id: string
  readonly version: string
  readonly number: number
  readonly path: string
  readonly language: Language
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  '.ts': 'node',
  '.mts': 'node',
  '.js': 'node',
  '.mjs': 'node',
  '.cjs': 'node',
  '.py': 'python',
}

/** Files that lie beside migrations: documents, types, tests, maps, what editors and interpreters leave. */
const BESIDE = [
  /^[._#]/,
  /[~#]$/,
  /\.(md|txt|map|pyc|swp|swo|bak|orig|rej|tmp|log)$/i,
  /\.d\.[mc]?ts$/,
  /[._-](test|spec)\.\w+$/,
]

/**
 * The migrations below `folder`, in the order in which they run: by version as semver orders it, then by number.
 * What does not begin with a digit is a neighbour that migrations may import. What looks like a migration and
 * is not named like one is an error that lists all of them.
 */
export function discoverMigrations(folder: string): Migration[] {
  const faults: string[] = []
  // Thousands of files share a few versions: only those are compared. Build metadata makes no other version.
  const groups = new Map<string, Migration[]>()
  for (const { name, version } of versionFolders(folder, faults))
    groups.set(version, [...(groups.get(version) ?? []), ...migrationsOf(folder, name, version, faults)])
  const migrations = [...groups]
    .sort(([a], [b]) => compare(a, b))
    .flatMap(([, group]) => group.sort((a, b) => a.number - b.number || (a.path < b.path ? -1 : 1)))
  for (const [index, { path, version, number }] of migrations.entries()) {
    const before = migrations[index - 1]
    if (before?.version === version && before.number === number)
      faults.push(`${relative(folder, path)}: has the number of ${relative(folder, before.path)}`)
  }
  if (faults.length > 0)
    throw new TelecError('halted', `migrations in ${folder} are not named as they must be`, {
      because: faults.join('\n'),
      hint: 'name them vMAJOR.MINOR.PATCH/NNN_description.EXT, each number once in a version',
    })
  return migrations
}

function versionFolders(folder: string, faults: string[]): { name: string; version: string }[] {
  return list(folder)
    .map(({ name }) => name)
    .filter((name) => /^v?\d/.test(name) && isFolder(join(folder, name)))
    .flatMap((name) => {
      const version = name.startsWith('v') ? parse(name.slice(1))?.version : undefined
      if (version) return [{ name, version }]
      faults.push(`${name}: is not a version; a folder is named like v1.2.0`)
      return []
    })
}

/** What is named so is a migration, whatever else its name may look like. */
const PLAIN = /^\d{3,}_[A-Za-z0-9][\w-]*\.([mc]?js|m?ts|py)$/

function migrationsOf(folder: string, versionFolder: string, version: string, faults: string[]): Migration[] {
  return list(join(folder, versionFolder)).flatMap((entry) => {
    const file = entry.name
    if (!/^\d/.test(file) || (!PLAIN.test(file) && BESIDE.some((pattern) => pattern.test(file)))) return []
    const path = `${folder}/${versionFolder}/${file}`
    const fail = (fault: string) => {
      faults.push(`${versionFolder}/${file}: ${fault}`)
      return []
    }
    const [, number] = /^(\d{3,})_[A-Za-z0-9][\w.-]*$/.exec(file) ?? []
    if (!number) return fail('a migration is named NNN_description.EXT')
    if (!entry.isFile() && isFolder(path)) return fail('is a folder; a migration is a file')
    const language = LANGUAGES[extname(file)] ?? (isExecutable(path) ? 'executable' : null)
    if (!language) return fail('is not executable (chmod +x), nor .ts .mts .js .mjs .cjs or .py')
    return [{ id: `${version}/${file}`, version, number: Number(number), path, language }]
  })
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw new TelecError(kindOf(error), `cannot list ${folder}`, {
      because: (error as Error).message,
      hint: `check who owns it and its mode: ls -ld ${folder}`,
      cause: error,
    })
  }
}
