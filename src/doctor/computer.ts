import { statSync } from 'node:fs'
import gte from 'semver/functions/gte'
import type { Service } from '../config/service.ts'
import { headDate } from '../git/checkout.ts'
import { verifyGit } from '../git/git.ts'
import { locateRepository } from '../git/repository.ts'
import { COMMANDS, verifyProgram } from '../service/programs-found.ts'
import { readChoices } from '../state/choices.ts'
import { readHistory } from '../state/history.ts'
import { readInstalled } from '../state/installed.ts'
import { readMigrationRecord } from '../state/migrations.ts'
import { readPause } from '../state/pause.ts'
import { readSignal } from '../state/signal.ts'
import { readStatus } from '../state/status.ts'
import { readUpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { localTime } from '../system/local-time.ts'
import { isLocked } from '../system/lock.ts'
import { verifyFree } from '../system/space.ts'
import type { Checks } from './check.ts'

/** Programs, disk, clock, and telec's home. */
export const COMPUTER_CHECKS: Checks = { node, git, home, state, disk, clock }

/** The programs of the commands in the configuration. */
export const COMMAND_CHECKS: Checks = Object.fromEntries(
  Object.entries(COMMANDS).map(([key, commandIn]) => [
    key,
    (service) => verifyProgram(service, commandIn(service.config)),
  ]),
)

const LEAST_NODE = '20.19.0'
/** Clocks of two computers may differ by this. */
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

/** telec trusts the files in its home, and some are secret. */
async function home({ world, paths }: Service): Promise<string> {
  const { mode } = statSync(paths.home)
  if (mode & 0o077)
    throw new TelecError('config', `${paths.home} is open to others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `chmod 700 ${shellWord(paths.home)}`,
    })
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

async function state({ world, paths }: Service): Promise<string> {
  for (const read of STATE_FILES) read(paths)
  readPause(paths, world.now())
  return 'all state files are valid'
}

async function disk({ config, paths }: Service): Promise<string> {
  const least = Math.min(...[paths.home, config.deployment.checkout].map(verifyFree))
  return `${(least / 2 ** 30).toFixed(1)} GiB free`
}

/** TLS certificates and waiting times depend on the clock. */
async function clock({ world, config, paths }: Service): Promise<string> {
  const repository = locateRepository(world, config.deployment.checkout)
  const known = {
    'HEAD was committed': await headDate(repository),
    'the last update ended': readUpdateState(paths)?.deployed.at,
  }
  for (const [event, date] of Object.entries(known))
    if (date && Date.parse(date) > world.now() + CLOCK_TOLERANCE_MS)
      throw new TelecError('config', `the clock is wrong: ${localTime(world.now())}`, {
        because: `${event} at ${localTime(date)}`,
        hint: 'set the clock (timedatectl set-ntp true), and check the time zone',
      })
  return localTime(world.now())
}
