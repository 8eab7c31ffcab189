import { type Dirent, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import compare from 'semver/functions/compare'
import parse from 'semver/functions/parse'
import { LINK } from '../git/changes.ts'
import type { Committed } from '../git/tree.ts'
import { TelecError } from '../system/errors.ts'
import { listEntries, mayAccess } from '../system/files.ts'

export type Language = 'node' | 'python' | 'executable'

export interface Migration {
  /** `VERSION/FILE`, as it is recorded. */
  readonly id: string
  readonly version: string
  readonly number: number
  readonly path: string
  readonly language: Language
}

/** An entry in the folder of the migrations: `VERSION`, or `VERSION/FILE`. */
export interface Found {
  readonly name: string
  readonly kind: 'file' | 'executable' | 'folder'
}

/** The migrations in their order, and faults for files that look like one and have an invalid name. */
export interface Discovered {
  readonly migrations: readonly Migration[]
  readonly faults: readonly string[]
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  '.ts': 'node',
  '.mts': 'node',
  '.js': 'node',
  '.mjs': 'node',
  '.cjs': 'node',
  '.py': 'python',
}

/** The language of a file by its name; null where the name does not tell. */
function languageOf(file: string): Language | null {
  return LANGUAGES[extname(file)] ?? null
}

/** Files beside migrations: documents, types, tests, maps, leftovers of editors and interpreters. */
const BESIDE = [
  /^[._#]/,
  /[~#]$/,
  /\.(md|txt|map|pyc|swp|swo|bak|orig|rej|tmp|log)$/i,
  /\.d\.[mc]?ts$/,
  /[._-](test|spec)\.\w+$/,
]

/**
 * The migrations among the entries of `folder`, in the order in which they run: by version as semver orders it, then by
 * number. Skips names that do not begin with a digit: migrations may import them. Pure.
 */
export function discoverMigrations(folder: string, all: readonly Found[]): Discovered {
  const faults: string[] = []
  // Thousands of files share a few versions, so only versions are compared. Build metadata makes no other version.
  const groups = new Map<string, Migration[]>()
  const versions = new Map<string, string | null>()
  for (const found of all) {
    const [name = '', file] = found.name.split('/')
    if (!/^v?\d/.test(name) || (file === undefined && found.kind !== 'folder')) continue
    if (!versions.has(name)) versions.set(name, versionOf(name, faults))
    const version = versions.get(name)
    const migration = version && file ? migrationOf(folder, found, version, faults) : null
    if (!version || !migration) continue
    const group = groups.get(version) ?? []
    group.push(migration)
    groups.set(version, group)
  }
  const migrations = [...groups]
    .sort(([a], [b]) => compare(a, b))
    .flatMap(([, group]) => group.sort((a, b) => a.number - b.number || (a.path < b.path ? -1 : 1)))
  for (const [index, { path, version, number }] of migrations.entries()) {
    const before = migrations[index - 1]
    if (before?.version === version && before.number === number)
      faults.push(`${nameIn(folder, path)}: has the number of ${nameIn(folder, before.path)}`)
  }
  return { migrations, faults }
}

/** Throws `halted`, with all faults, where a migration has an invalid name. */
export function verifyNames(folder: string, { faults }: Discovered): void {
  if (faults.length === 0) return
  throw new TelecError('halted', `migrations in ${folder} have invalid names`, {
    because: faults.join('\n'),
    hint: 'name them vMAJOR.MINOR.PATCH/NNN_description.EXT, with each number once in a version',
  })
}

function nameIn(folder: string, path: string): string {
  return path.slice(folder.length + 1)
}

function versionOf(name: string, faults: string[]): string | null {
  const version = name.startsWith('v') ? parse(name.slice(1))?.version : undefined
  if (version === undefined) faults.push(`${name}: is not a version; a folder is named like v1.2.0`)
  return version ?? null
}

/** Always a migration, even if `BESIDE` matches. */
const PLAIN = /^\d{3,}_[A-Za-z0-9][\w-]*\.([mc]?js|m?ts|py)$/

/** Whether a file beside the migrations is neither one of them nor for their imports. */
export function isBeside(file: string): boolean {
  return !PLAIN.test(file) && BESIDE.some((pattern) => pattern.test(file))
}

function migrationOf(
  folder: string,
  { name, kind }: Found,
  version: string,
  faults: string[],
): Migration | null {
  const file = name.slice(name.indexOf('/') + 1)
  if (!/^\d/.test(file) || isBeside(file)) return null
  const fail = (fault: string) => {
    faults.push(`${name}: ${fault}`)
    return null
  }
  const [, number] = /^(\d{3,})_[A-Za-z0-9][\w.-]*$/.exec(file) ?? []
  if (!number) return fail('a migration is named NNN_description.EXT')
  if (kind === 'folder') return fail('is a folder; a migration is a file')
  const language = languageOf(file) ?? (kind === 'executable' ? 'executable' : null)
  if (!language) return fail('is not executable (chmod +x), nor .ts .mts .js .mjs .cjs or .py')
  return { id: `${version}/${file}`, version, number: Number(number), path: `${folder}/${name}`, language }
}

/** The entries on the disk, also those that git does not know. */
export function foundOnDisk(folder: string): Found[] {
  return listEntries(folder).flatMap((version): Found[] => {
    const kind = entryKind(folder, version)
    const files = kind === 'folder' ? listEntries(join(folder, version.name)) : []
    const below = files.map((file) => ({
      name: `${version.name}/${file.name}`,
      kind: entryKind(join(folder, version.name), file),
    }))
    return [{ name: version.name, kind }, ...below]
  })
}

/** The entries in a commit, by its trees. */
export function foundIn({ files, prefix, repository }: Committed): Found[] {
  const all = new Map<string, Found>()
  for (const [path, { mode }] of files) {
    const [version = '', file, ...deeper] = path.slice(prefix.length).split('/')
    all.set(version, { name: version, kind: file === undefined ? 'file' : 'folder' })
    if (file === undefined) continue
    const kind = deeper.length > 0 ? 'folder' : mode === LINK ? kindAt(join(repository.workTree, path)) : null
    const name = `${version}/${file}`
    all.set(name, { name, kind: kind ?? (mode === '100755' ? 'executable' : 'file') })
  }
  return [...all.values()]
}

function kindAt(path: string): Found['kind'] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return 'folder'
  return mayAccess(path, 'run') ? 'executable' : 'file'
}

function entryKind(folder: string, entry: Dirent): Found['kind'] {
  if (entry.isDirectory()) return 'folder'
  return entry.isFile() && languageOf(entry.name) ? 'file' : kindAt(join(folder, entry.name))
}
