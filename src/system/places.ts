import { realpathSync } from 'node:fs'

/** The path without links; null where it is missing, or telec may not follow it. */
export function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

/** Whether both lead to the same place; a missing one leads nowhere else than it says. */
export function isSamePlace(one: string, other: string): boolean {
  return (realPath(one) ?? one) === (realPath(other) ?? other)
}

/** Whether a path is one of the folders or below it, by the text alone. Pure. */
export function isWithin(path: string, ...folders: readonly string[]): boolean {
  return folders.some((folder) => `${path}/`.startsWith(folder.endsWith('/') ? folder : `${folder}/`))
}

/** The same without links, so only where both exist. */
export function leadsInto(path: string, folder: string): boolean {
  const [real, root] = [realPath(path), realPath(folder)]
  return real !== null && root !== null && isWithin(real, root)
}
