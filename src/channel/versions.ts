import parse from 'semver/functions/parse'

/**
 * A version as semver writes it, from what projects write: a leading `v`, Python's `1.2.0rc1`, a minor
 * version alone (`1.4` is 1.4.0). Null when it is none.
 */
export function normalVersion(text: string): string | null {
  const trimmed = text.trim().replace(/^v/, '')
  const full = /^\d+\.\d+$/.test(trimmed) ? `${trimmed}.0` : trimmed
  return parse(full, { loose: true })?.version ?? null
}

/** Where a checkout's version is looked for, in this order. */
export const VERSION_FILES = ['package.json', 'pyproject.toml', 'Cargo.toml', 'VERSION'] as const

/**
 * The version that a file of a checkout declares; null when it declares none or does not parse.
 *
 * @param name decides how it is read: `.json`, `.toml`, or any text with a version in it.
 */
export async function versionIn(name: string, text: string): Promise<string | null> {
  if (name.endsWith('.json'))
    return declared(
      attempt(() => JSON.parse(text)),
      ['version'],
    )
  if (name.endsWith('.toml')) {
    const { parse: parseToml } = await import('smol-toml')
    const table = attempt(() => parseToml(text))
    const places = [['project'], ['tool', 'poetry'], ['package'], ['workspace', 'package']]
    return (
      places.map((place) => declared(table, [...place, 'version'])).find((found) => found !== null) ?? null
    )
  }
  const [, version] = /(?:^|[\s"'=v])(\d+\.\d+[\w.+-]*)/.exec(text) ?? []
  return version ? normalVersion(version) : null
}

function declared(table: unknown, keys: readonly string[]): string | null {
  let value = table
  for (const key of keys) value = (value as Record<string, unknown> | null | undefined)?.[key]
  return typeof value === 'string' ? normalVersion(value) : null
}

/** A file that does not parse declares no version: the next one may. */
function attempt(parseText: () => unknown): unknown {
  try {
    return parseText()
  } catch {
    return null
  }
}
