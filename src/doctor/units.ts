import { existsSync } from 'node:fs'
import type { Scope } from '../config/paths.ts'
import type { Service } from '../config/service.ts'
import { commandFor } from '../config/services.ts'
import { redisFault, withRedis } from '../fleet/client.ts'
import { Pong } from '../fleet/replies.ts'
import { describeFailure, failedUnits } from '../service/failed-units.ts'
import { findService, type Supervised } from '../service/find.ts'
import { stalePieces } from '../service/install.ts'
import {
  GUARDED,
  guardedFolder,
  verifyLinger,
  verifyPrograms,
  verifySystemd,
} from '../service/installable.ts'
import { planInstall } from '../service/installation.ts'
import type { ServiceManager } from '../service/manager.ts'
import { verifyUnitsOwn } from '../service/others.ts'
import { ownUnit, parseTimespan, showUnit } from '../service/systemd/systemctl.ts'
import { type Installed, readInstalled } from '../state/installed.ts'
import { readRedisState } from '../state/redis.ts'
import { needsRepair, readWatchState } from '../state/watch-state.ts'
import { TelecError } from '../system/errors.ts'
import { modifiedAt, readText } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import type { World } from '../system/world.ts'
import type { Checks } from './check.ts'
import { verifyComesBack } from './contract.ts'

/** What starts telec, and what telec restarts. */
export const UNIT_CHECKS: Checks = { manager, units, runs, polling, service: serviceUnit, redis }

/** How `telec run` starts telec, or what is installed. Throws where nothing starts it. */
export function startedBy(service: Service): Installed | 'telec run' {
  if (findService(service)?.managers[0].name === 'telec run') return 'telec run'
  const installed = readInstalled(service.paths)
  if (installed) return installed
  throw new TelecError('config', 'nothing starts telec on this computer', {
    hint: `${commandFor(service.paths, 'telec install')}, or in a container: telec run -- COMMAND`,
  })
}

async function manager(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return by
  if (by.manager === 'launchd') return by.manager
  const answer = await verifySystemd(service.world, by.scope)
  return by.scope === 'user' ? `${answer}, ${await verifyLinger(service.world)}` : answer
}

/** The text that is installed is the one that would be written now, and all of it is at work. */
async function units(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return 'telec run needs none'
  verifyUnitsOwn(service.paths, by.files)
  for (const path of by.files) verifyNodeIsThere(path)
  // What root installed with another PATH is as good.
  const isRoots = by.scope === 'system' && service.world.uid !== 0
  const node = isRoots
    ? nodeIn(by.files.find((path) => /telec-update\S*\.(service|plist)$/.test(path)) ?? '')
    : undefined
  const plan = planInstall(service, by.manager, by.scope, node)
  verifyPrograms(service.world, plan.owner)
  const pieces = await stalePieces(service, plan)
  if (pieces.length > 0 && by.manager === 'systemd' && by.scope === 'user')
    await verifyStarted(service, pieces)
  if (pieces.length > 0)
    throw new TelecError('config', 'the units are not as telec install would make them', {
      because: pieces.join('\n'),
      hint: commandFor(service.paths, 'telec install'),
    })
  const guarded = guardedFolder(service.world, service.config.deployment.checkout)
  const note = guarded ? `; the checkout is in ${guarded}: ${GUARDED}` : ''
  return `${plan.files.length} files, as telec install would write them${note}`
}

/** A lingering user's manager starts at boot: it knows of no units in a home that is mounted later. */
async function verifyStarted({ world }: Service, pieces: readonly string[]): Promise<void> {
  if (pieces.some((piece) => !piece.includes(' is-active '))) return
  const timer = await showUnit(world, 'user', 'telec-watch.timer', ['StateChangeTimestampMonotonic'])
  if (timer.StateChangeTimestampMonotonic !== '0') return // it was started, and stopped
  throw new TelecError('config', 'the units did not start with the user manager', {
    because: 'their files were not there yet: is the home folder mounted after the boot?',
    hint: `${START_LATE}; before the next boot: "A home that is mounted late" in docs/operating.md`,
  })
}

/** Starting a target that is active starts what it wants by now. */
const START_LATE =
  'systemctl --user daemon-reload && systemctl --user start default.target timers.target paths.target'

/** The last run of each of them ended well. */
async function runs(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return 'the log has how they ended: telec logs'
  const [failure, ...others] = await failedUnits(service)
  if (failure === undefined) return 'the last run of each unit ended well'
  throw new TelecError('halted', [failure, ...others].map(describeFailure).join('; '), {
    because: failure.lines.join('\n'),
    hint: `fix the cause, and try it: ${by.manager === 'launchd' ? 'telec watch' : `systemctl --${by.scope} start ${failure.unit}`}`,
  })
}

/** The Node.js that a unit or a plist starts. */
function nodeIn(path: string): string | undefined {
  const text = readText(path) ?? ''
  const [, quoted, plain] = /^ExecStart=(?:"(\/[^"]+)"|(\/\S+))/m.exec(text) ?? []
  const [, folder] = /<key>PATH<\/key>\s*<string>([^:<]+)/.exec(text) ?? [] // of a plist: node comes first in its PATH
  return folder ? `${folder}/node` : (quoted ?? plain)?.replaceAll('%%', '%').replaceAll('$$', '$')
}

/** nvm, asdf and their kind remove a Node.js that units still name. */
function verifyNodeIsThere(path: string): void {
  const node = nodeIn(path)
  if (node === undefined || existsSync(node)) return
  throw new TelecError('config', `${path} starts ${node}, which is gone`, {
    hint: 'run telec install with the Node.js that is there now',
  })
}

/** After so many intervals without a poll the timer does not do its work, whatever it says. */
const LATE_INTERVALS = 5
/** After so many without any poll at all it never will. */
const FIRST_INTERVALS = 2
/** A remote that is out of reach is asked every 15 minutes only. */
const LATEST_MS = 30 * 60_000

async function polling(service: Service): Promise<string> {
  const { world, config, paths } = service
  const by = startedBy(service)
  const watch = readWatchState(paths)
  if (watch && needsRepair(watch))
    throw new TelecError('halted', `the last ${watch.failures} poll(s) failed: ${watch.last_failure}`, {
      hint: watch.repair ?? '',
    })
  if (watch && watch.failures > 0)
    throw new TelecError('later', `the last ${watch.failures} poll(s) did not reach the remote`, {
      because: watch.last_failure ?? '',
      hint: 'see the check of the remote',
    })
  const agoMs = watch?.polled_at ? world.now() - Date.parse(watch.polled_at) : null
  const lateMs = Math.max(LATEST_MS, LATE_INTERVALS * config.deployment.poll_every)
  if (agoMs !== null && Math.abs(agoMs) > lateMs)
    throw new TelecError('halted', `no poll since ${watch?.polled_at && localTime(watch.polled_at)}`, {
      hint: 'is the computer asleep most of the time? Look at the log: telec logs',
    })
  const installedAt = by === 'telec run' ? null : modifiedAt(paths.installed)
  const waitedMs = installedAt === null ? 0 : world.now() - installedAt.getTime()
  if (agoMs === null && waitedMs > FIRST_INTERVALS * config.deployment.poll_every)
    throw new TelecError('halted', `no poll yet, ${Math.round(waitedMs / 1000)} s after telec install`, {
      hint: 'look at the log: telec logs; then run telec install again, which polls once',
    })
  const last = agoMs === null ? 'no poll yet' : `${Math.round(agoMs / 1000)} s ago`
  if (by === 'telec run' || by.manager === 'launchd') return last
  const unit = ownUnit(paths, 'telec-watch.timer')
  const timer = await showUnit(world, by.scope, unit, ['NextElapseUSecMonotonic'])
  const inMs = parseTimespan(timer.NextElapseUSecMonotonic) - world.monotonic()
  return `${last}, next in ${Math.max(0, Math.round(inMs / 1000))} s`
}

async function serviceUnit(service: Service): Promise<string> {
  const found = findService(service)
  if (found === null) return 'none is configured: telec restarts nothing'
  const units: string[] = []
  for (const manager of found.managers) units.push(await oneUnit(service, manager, found.restart))
  return units.join('; ')
}

async function oneUnit(
  service: Service,
  { name, service: unit, inspect }: ServiceManager,
  restart: Supervised['restart'],
): Promise<string> {
  const { known, activity, main, lastExit } = await inspect()
  if (known === 'no')
    throw new TelecError('config', `${name} does not know ${unit}`, {
      hint: 'install the service, or correct service.name and service.scope',
    })
  if (activity === 'failed')
    throw new TelecError('halted', `${unit} has failed${lastExit ? `: ${lastExit}` : ''} (${name})`, {
      hint: 'look at its log; a push that mends it is taken all the same',
    })
  const scope = service.config.service?.scope ?? service.paths.scope
  const systemctl = scope === 'user' ? 'systemctl --user' : 'sudo systemctl'
  if (known === 'masked' || activity === 'stopped') {
    const [state, verb] = known === 'masked' ? ['masked', 'unmask'] : ['stopped', 'start']
    throw new TelecError('halted', `${unit} is ${state} (${name})`, {
      because: `an update leaves it so${lastExit ? `; it ended with ${lastExit}` : ''}`,
      hint: name === 'systemd' ? `${systemctl} ${verb} ${unit}` : 'start it',
    })
  }
  if (name === 'systemd') await verifyStartsAtBoot(service.world, scope, unit, systemctl)
  const isTaught = name === 'systemd' && restart === 'exit-42' && known === 'yes'
  const contract = isTaught ? `, ${await verifyComesBack(service.world, scope, unit)}` : ''
  return `${unit} is ${activity}${main?.pid ? `, pid ${main.pid}` : ''}${contract} (${name})`
}

/** Throws where nothing has systemd start a unit that could be enabled. */
async function verifyStartsAtBoot(
  world: World,
  scope: Scope,
  unit: string,
  systemctl: string,
): Promise<void> {
  const { UnitFileState, ...wanted } = await showUnit(world, scope, unit, [
    'UnitFileState',
    'WantedBy',
    'RequiredBy',
    'TriggeredBy',
  ])
  if (UnitFileState !== 'disabled' || Object.values(wanted).join('') !== '') return
  throw new TelecError('config', `${unit} is disabled: it does not start at boot`, {
    hint: `${systemctl} enable ${unit}`,
  })
}

const REDIS_TIMEOUT_MS = 5_000

async function redis({ world, config, paths }: Service): Promise<string> {
  if (!config.redis) return 'none is configured: all works without it'
  const startedMs = world.monotonic()
  await withRedis(config.redis, REDIS_TIMEOUT_MS, (client) => client.call(Pong, 'PING')).catch(
    redisFault(
      'Redis is out of reach; updates go on without it',
      `look at redis in ${paths.config}, and whether the server runs`,
    ),
  )
  const { failures, last_failure } = readRedisState(paths)
  if (failures > 0)
    throw new TelecError('later', `Redis answers, and did not take the last ${failures} message(s)`, {
      because: last_failure ?? '',
      hint: 'its rights, its memory, or a replica: look at the error',
    })
  return `it answers in ${((world.monotonic() - startedMs) / 1000).toFixed(1)} s`
}
