import parse from 'semver/functions/parse'

/**
 * A version as semver writes it. Also takes a leading `v`, Python's `1.2.0rc1` and a minor version alone (`1.4` is 1.4.0).
 * Null: the text is no version.
 */
export function normalVersion(text: string): string | null {
  const trimmed = text.trim().replace(/^v/, '')
  const full = /^\d+\.\d+$/.test(trimmed) ? `${trimmed}.0` : trimmed
  return parse(full, { loose: true })?.version ?? null
}

/** The files that may declare a checkout's version: the first that does counts. */
export const VERSION_FILES = ['package.json', 'pyproject.toml', 'Cargo.toml', 'VERSION'] as const

/**
 * The version that a file declares; null: none, or the file does not parse.
 *
 * @param name decides the format: `.json`, `.toml`, or any text with a version in it.
 */
export async function versionIn(name: string, text: string): Promise<string | null> {
  if (name.endsWith('.json')) return declared(() => JSON.parse(text), [[]])
  if (name.endsWith('.toml')) {
    const { parse: parseToml } = await import('smol-toml')
    return declared(() => parseToml(text), TOML_TABLES)
  }
  const [, version] = /(?:^|[\s"'=v])(\d+\.\d+[\w.+-]*)/.exec(text) ?? []
  return version ? normalVersion(version) : null
}

const TOML_TABLES = [['project'], ['tool', 'poetry'], ['package'], ['workspace', 'package']]

/** The `version` in the first of these tables. */
function declared(parseText: () => unknown, tables: readonly (readonly string[])[]): string | null {
  let data: unknown
  try {
    data = parseText()
  } catch {
    return null
  }
  const at = (value: unknown, key: string) => (value as Record<string, unknown> | null | undefined)?.[key]
  for (const table of tables) {
    const value = [...table, 'version'].reduce(at, data)
    const version = typeof value === 'string' ? normalVersion(value) : null
    if (version !== null) return version
  }
  return null
}
