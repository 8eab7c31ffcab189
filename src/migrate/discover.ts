import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import compare from 'semver/functions/compare'
import parse from 'semver/functions/parse'
import { systemErrorCode, TelecError } from '../system/errors.ts'

export interface Migration {
  /** `VERSION/FILE`, as it is recorded. */
  readonly id: string
  readonly version: string
  readonly number: number
  readonly path: string
}

const RUNNABLE = /\.(ts|js|mjs|cjs)$/

/**
 * The migrations below `folder`, in the order in which they run: by version as semver orders it, then by
 * number. Other files (README, notes) are passed over; what looks like a migration and is not named like one
 * is an error that lists all of them.
 */
export function discoverMigrations(folder: string): Migration[] {
  const faults: string[] = []
  const migrations = list(folder)
    .filter((name) => /^v\d/.test(name))
    .flatMap((name) => {
      const version = parse(name.slice(1))?.version
      if (version) return migrationsOf(folder, name, version, faults)
      faults.push(`${name}: is not a version; a folder is named like v1.2.0`)
      return []
    })
    .sort((a, b) => compare(a.version, b.version) || a.number - b.number)
  for (const [index, migration] of migrations.entries()) {
    const before = migrations[index - 1]
    if (before?.version === migration.version && before.number === migration.number)
      faults.push(`${migration.id}: has the number of ${before.id}`)
  }
  if (faults.length > 0)
    throw new TelecError('halted', `migrations in ${folder} are not named as they must be`, {
      because: faults.join('\n'),
      hint: 'name them vMAJOR.MINOR.PATCH/NNN_description.ts (or .js, .mjs, .cjs), each number once in a version',
    })
  return migrations
}

function migrationsOf(folder: string, versionFolder: string, version: string, faults: string[]): Migration[] {
  return list(join(folder, versionFolder)).flatMap((file) => {
    if (!/^\d/.test(file) || file.endsWith('.d.ts')) return []
    const [, number] = /^(\d{3,})_\w[\w.-]*$/.exec(file) ?? []
    if (!number) faults.push(`${versionFolder}/${file}: a migration is named NNN_description.EXT`)
    else if (!RUNNABLE.test(file)) faults.push(`${versionFolder}/${file}: telec runs .ts, .js, .mjs and .cjs`)
    else
      return [
        {
          id: `${version}/${file}`,
          version,
          number: Number(number),
          path: join(folder, versionFolder, file),
        },
      ]
    return []
  })
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
