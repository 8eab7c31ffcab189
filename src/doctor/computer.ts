import { statSync } from 'node:fs'
import gte from 'semver/functions/gte'
import type { Service } from '../config/service.ts'
import { headDate } from '../git/checkout.ts'
import { verifyGit } from '../git/git.ts'
import { locateRepository } from '../git/repository.ts'
import { readHistory } from '../state/history.ts'
import { readInstalled } from '../state/installed.ts'
import { readMigrationRecord } from '../state/migrations.ts'
import { readPause } from '../state/pause.ts'
import { readSignal } from '../state/signal.ts'
import { readStatus } from '../state/status.ts'
import { readUpdateState } from '../state/update-state.ts'
import { readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { freeBytes, freeFiles } from '../system/files.ts'
import { isLocked } from '../system/lock.ts'
import { LEAST_FREE_BYTES } from '../update/steps/preflight.ts'
import type { Check } from './check.ts'

/** Programs, disk, clock, and telec's own folder. */
export const COMPUTER_CHECKS: readonly Check[] = [
  { name: 'node', run: node },
  { name: 'git', run: gitProgram },
  { name: 'home', run: home },
  { name: 'state', run: state },
  { name: 'disk', run: disk },
  { name: 'clock', run: clock },
]

const LEAST_NODE = '20.20.0'
const LEAST_FREE_FILES = 1_000
/** Clocks of two computers may differ by that without anybody minding. */
const CLOCK_TOLERANCE_MS = 60 * 60_000

async function node({ world }: Service): Promise<string> {
  const { node, nodeVersion } = world.program
  if (gte(nodeVersion, LEAST_NODE)) return `Node.js ${nodeVersion}, ${node}`
  throw new TelecError('config', `Node.js ${nodeVersion} is too old (${node})`, {
    hint: `install ${LEAST_NODE} or newer, and run telec install with it`,
  })
}

async function gitProgram({ world }: Service): Promise<string> {
  return `git ${await verifyGit(world)}`
}

/** What others can write there telec would believe; what they can read is theirs to know. */
async function home({ world, paths }: Service): Promise<string> {
  const { uid, mode } = statSync(paths.home)
  if (uid !== world.uid)
    throw new TelecError('config', `${paths.home} belongs to another user (uid ${uid})`, {
      hint: `chown -R ${world.uid} ${paths.home}`,
    })
  if ((mode & 0o077) !== 0)
    throw new TelecError('config', `${paths.home} is open to others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `chmod 700 ${paths.home}`,
    })
  const isBusy = isLocked(world, paths.lock) // needs flock(1), which may be missing
  return `${paths.home}${isBusy ? ', another telec is at work' : ''}`
}

/** Every file of telec's own can be understood. */
async function state({ world, paths }: Service): Promise<string> {
  readUpdateState(paths)
  readMigrationRecord(paths)
  readSignal(paths)
  readWatchState(paths)
  readStatus(paths)
  readHistory(paths)
  readPause(paths, world.now())
  readInstalled(paths)
  return 'all state files can be read'
}

async function disk({ config, paths }: Service): Promise<string> {
  const free = await Promise.all(
    [paths.home, config.deployment.checkout].map(async (folder) => {
      const [bytes, files] = [await freeBytes(folder), await freeFiles(folder)]
      if (bytes < LEAST_FREE_BYTES || files < LEAST_FREE_FILES)
        throw new TelecError('later', `the disk of ${folder} is full`, {
          because: `${Math.round(bytes / 1024)} KiB and ${files} files are free`,
          hint: `free some: df -h ${folder}; df -i ${folder}`,
        })
      return bytes
    }),
  )
  return `${(Math.min(...free) / 2 ** 30).toFixed(1)} GiB are free`
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
      throw new TelecError('config', `the clock is wrong: it is ${new Date(world.now()).toISOString()}`, {
        because: `${what} at ${date}`,
        hint: 'set it (timedatectl set-ntp true), and look at the time zone',
      })
  return new Date(world.now()).toISOString()
}
