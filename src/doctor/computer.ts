import { statSync } from 'node:fs'
import gte from 'semver/functions/gte'
import type { Service } from '../config/service.ts'
import { headDate } from '../git/checkout.ts'
import { verifyGit } from '../git/git.ts'
import { locateRepository } from '../git/repository.ts'
import { readChoices } from '../state/choices.ts'
import { readHistory } from '../state/history.ts'
import { readInstalled } from '../state/installed.ts'
import { readMigrationRecord } from '../state/migrations.ts'
import { readPause } from '../state/pause.ts'
import { readSignal } from '../state/signal.ts'
import { readStatus } from '../state/status.ts'
import { readUpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import { isLocked } from '../system/lock.ts'
import { verifyFree } from '../system/space.ts'
import type { Checks } from './check.ts'

/** Programs, disk, clock, and telec's own folder. */
export const COMPUTER_CHECKS: Checks = { node, git, home, state, disk, clock }

const LEAST_NODE = '20.19.0'
/** Clocks of two computers may differ by that without anybody minding. */
const CLOCK_TOLERANCE_MS = 60 * 60_000

async function node({ world }: Service): Promise<string> {
  const { node, nodeVersion } = world.program
  if (gte(nodeVersion, LEAST_NODE)) return `Node.js ${nodeVersion}, ${node}`
  throw new TelecError('config', `Node.js ${nodeVersion} is too old (${node})`, {
    hint: `install ${LEAST_NODE} or newer, and run telec install with it`,
  })
}

async function git({ world }: Service): Promise<string> {
  return `git ${await verifyGit(world)}`
}

/** What others can write there telec would believe; what they can read is theirs to know. */
async function home({ world, paths }: Service): Promise<string> {
  const { mode } = statSync(paths.home)
  const wrong = (what: string, hint: string) => new TelecError('config', `${paths.home} ${what}`, { hint })
  if (mode & 0o077)
    throw wrong(`is open to others (mode ${(mode & 0o777).toString(8)})`, `chmod 700 ${paths.home}`)
  const isBusy = isLocked(world, paths.lock) // needs flock(1), which may be missing
  return `${paths.home}${isBusy ? ', another telec is at work' : ''}`
}

const STATE_FILES = [
  readUpdateState,
  readMigrationRecord,
  readSignal,
  readWatchState,
  readStatus,
  readHistory,
  readInstalled,
  readChoices,
]

/** Every file of telec's own can be understood. */
async function state({ world, paths }: Service): Promise<string> {
  for (const read of STATE_FILES) read(paths)
  readPause(paths, world.now())
  return 'all state files can be read'
}

async function disk({ config, paths }: Service): Promise<string> {
  const least = Math.min(...[paths.home, config.deployment.checkout].map(verifyFree))
  return `${(least / 2 ** 30).toFixed(1)} GiB are free`
}

/** A clock that lags behind what it has already seen is wrong: TLS certificates and back-offs depend on it. */
async function clock({ world, config, paths }: Service): Promise<string> {
  const repository = locateRepository(world, config.deployment.checkout)
  const known = {
    'what is checked out was committed': await headDate(repository),
    'the last update ended': readUpdateState(paths)?.deployed.at,
  }
  for (const [what, date] of Object.entries(known))
    if (date && Date.parse(date) > world.now() + CLOCK_TOLERANCE_MS)
      throw new TelecError('config', `the clock is wrong: it is ${localTime(world.now())}`, {
        because: `${what} at ${localTime(date)}`,
        hint: 'set it (timedatectl set-ntp true), and look at the time zone',
      })
  return localTime(world.now())
}
