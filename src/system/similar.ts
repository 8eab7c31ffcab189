import leven from 'leven'

/** The names that a user may have meant by an unknown one, closest first. Pure. */
export function similarTo(given: string, names: readonly string[]): string[] {
  const most = Math.max(2, Math.ceil(given.length / 3))
  return names
    .map((name) => ({
      name,
      distance: name.startsWith(`${given}/`) ? 0 : leven(given.toLowerCase(), name.toLowerCase()),
    }))
    .filter(({ distance }) => distance <= most)
    .toSorted((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .map(({ name }) => name)
}
