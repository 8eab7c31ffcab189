import { TelecError } from '../system/errors.ts'
import type { World } from '../system/world.ts'
import { LEAST_GIT } from './causes.ts'
import { gitEnvironment } from './git.ts'

/** Throws `config` where the git on the PATH is missing or older than what telec asks of it; else its version. */
export async function verifyGit(world: World): Promise<string> {
  const { stdout } = await world.run('git', ['--version'], {
    cwd: '/',
    env: gitEnvironment(world.env),
    timeoutMs: 10_000,
  })
  const [, version = 'of an unknown version', major, minor] = /((\d+)\.(\d+)\S*)/.exec(stdout) ?? []
  const [leastMajor = 0, leastMinor = 0] = LEAST_GIT.split('.').map(Number)
  const [foundMajor, foundMinor] = [Number(major), Number(minor)]
  if (foundMajor > leastMajor || (foundMajor === leastMajor && foundMinor >= leastMinor)) return version
  throw new TelecError('config', `git ${version} is too old`, {
    because: `telec needs git ${LEAST_GIT} or newer`,
    hint: `install it; which one it is: git --version`,
  })
}
