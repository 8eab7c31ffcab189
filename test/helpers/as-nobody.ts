import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireTool } from './missing-tool.ts'
import { DIST, type Ended, execute, type ProgramName } from './programs.ts'

/**
 * Runs a bundle as a user who owns nothing here. From `folder`, which that user can reach: the project may lie where
 * others cannot look.
 */
export function asNobody(
  folder: string,
  program: ProgramName,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Ended> {
  requireTool('setpriv', 'util-linux')
  const path = join(folder, program)
  copyFileSync(join(DIST, program), path)
  const user = ['--reuid=65534', '--regid=65534', '--clear-groups']
  return execute('setpriv', [...user, process.execPath, path, ...args], { cwd: folder, env })
}
