import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Throws if there is no such command (a name or an absolute path): a test that cannot run fails, it is not skipped. */
export function requireTool(command: string, debianPackage: string): void {
  const candidates = isAbsolute(command)
    ? [command]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, command))
  if (!candidates.some(isExecutable)) {
    throw new Error(
      `this test needs ${command}: apt-get install ${debianPackage}, or run scripts/test as root`,
    )
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
