import { join } from 'node:path'

/** A file of units, by its name in their folder. */
export interface UnitFile {
  readonly name: string
  readonly text: string
}

/** The units as files of a folder. */
export function inFolder(folder: string, units: readonly UnitFile[]): { path: string; text: string }[] {
  return units.map(({ name, text }) => ({ path: join(folder, name), text }))
}

/** Puts the values in the place of the template's `@NAME@`s; one that has no value is a bug. */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`a unit template asks for @${name}@, which has no value`)
    return value
  })
}
