import { existsSync } from 'node:fs'
import type { Scope } from '../config/paths.ts'
import { type Service, scopeOf } from '../config/service.ts'
import { commandFor } from '../config/services.ts'
import { redisFault, withRedis } from '../fleet/client.ts'
import { Pong } from '../fleet/replies.ts'
import { describeFailure, failedUnits } from '../service/failed-units.ts'
import { findService, type Supervised } from '../service/find.ts'
import { stalePieces } from '../service/install.ts'
import { noteOnGuarded, verifyLinger, verifyPrograms, verifySystemd } from '../service/installable.ts'
import { planInstall } from '../service/installation.ts'
import type { ServiceManager } from '../service/manager.ts'
import { verifyUnitsOwn } from '../service/others.ts'
import { readSupervisor } from '../service/run/manager.ts'
import { ownUnit, parseTimespan, showUnit } from '../service/systemd/systemctl.ts'
import { type Installed, readInstalled } from '../state/installed.ts'
import { readRedisState } from '../state/redis.ts'
import { needsRepair, readWatchState } from '../state/watch-state.ts'
import { shellWord, TelecError } from '../system/errors.ts'
import { modifiedAt, readText } from '../system/files.ts'
import { localTime } from '../system/local-time.ts'
import { count } from '../system/plural.ts'
import type { World } from '../system/world.ts'
import type { Checks } from './check.ts'
import { verifyRestarts } from './contract.ts'

/** The units that start telec, the service, and Redis. */
export const UNIT_CHECKS: Checks = { manager, units, runs, polling, service: serviceUnits, redis }

/** Throws if nothing starts telec. */
export function startedBy(service: Service): Installed | 'telec run' {
  if (readSupervisor(service) !== null) return 'telec run'
  const installed = readInstalled(service.paths)
  if (installed) return installed
  throw new TelecError('config', 'nothing starts telec on this computer', {
    hint: `run ${commandFor(service.paths, 'telec install')}; in a container, telec run -- COMMAND`,
  })
}

async function manager(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return by
  if (by.manager === 'launchd') return by.manager
  const answer = await verifySystemd(service.world, by.scope)
  return by.scope === 'user' ? `${answer}, ${await verifyLinger(service.world)}` : answer
}

/** The installed units are those that telec install would write now, and all are active. */
async function units(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return 'telec run has no units'
  verifyUnitsOwn(service.paths, by.files)
  for (const path of by.files) verifyNodeExists(path)
  // Root may have installed them with another Node.js on its PATH.
  const isRoots = by.scope === 'system' && service.world.uid !== 0
  const updater = by.files.find((path) => /telec-update\S*\.(service|plist)$/.test(path)) ?? ''
  const plan = planInstall(service, by.manager, by.scope, isRoots ? nodeIn(updater) : undefined)
  verifyPrograms(service.world, plan.owner)
  const pieces = await stalePieces(service, plan)
  if (pieces.length > 0 && by.manager === 'systemd' && by.scope === 'user')
    await verifyStarted(service, pieces)
  if (pieces.length > 0)
    throw new TelecError('config', 'the units differ from what telec install would write', {
      because: pieces.join('\n'),
      hint: commandFor(service.paths, 'telec install'),
    })
  const note = noteOnGuarded(service.world, service.config.deployment.checkout)
  return `${plan.files.length} files, as telec install would write them${note ? `; ${note}` : ''}`
}

/** The manager of a lingering user starts at boot: it finds no units in a home that is mounted later. */
async function verifyStarted({ world }: Service, pieces: readonly string[]): Promise<void> {
  if (pieces.some((piece) => !piece.includes(' is-active '))) return
  const timer = await showUnit(world, 'user', 'telec-watch.timer', ['StateChangeTimestampMonotonic'])
  if (timer.StateChangeTimestampMonotonic !== '0') return // it was started, and stopped
  throw new TelecError('config', 'the units did not start with the user manager', {
    because: 'their files did not exist yet: is the home folder mounted after the boot?',
    hint: `${START_LATE}; before the next boot: "A home that is mounted late" in docs/operating.md`,
  })
}

/** To start an active target also starts the units that it wants by now. */
const START_LATE =
  'systemctl --user daemon-reload && systemctl --user start default.target timers.target paths.target'

async function runs(service: Service): Promise<string> {
  const by = startedBy(service)
  if (by === 'telec run') return 'see the log: telec logs'
  const failures = await failedUnits(service)
  const [failure] = failures
  if (failure === undefined) return 'the last run of each unit succeeded'
  const again =
    by.manager === 'launchd' ? 'telec watch' : `systemctl --${by.scope} start ${shellWord(failure.unit)}`
  throw new TelecError('halted', failures.map(describeFailure).join('; '), {
    because: failure.lines.join('\n'),
    hint: `fix the cause, and start it again: ${again}`,
  })
}

/** The Node.js that a unit or a plist starts. */
function nodeIn(path: string): string | undefined {
  const text = readText(path) ?? ''
  const [, quoted, plain] = /^ExecStart=(?:"(\/[^"]+)"|(\/\S+))/m.exec(text) ?? []
  const [, folder] = /<key>PATH<\/key>\s*<string>([^:<]+)/.exec(text) ?? [] // the first folder in the PATH of a plist
  return folder ? `${folder}/node` : (quoted ?? plain)?.replaceAll('%%', '%').replaceAll('$$', '$')
}

/** nvm, asdf and others remove a Node.js that units still name. */
function verifyNodeExists(path: string): void {
  const node = nodeIn(path)
  if (node === undefined || existsSync(node)) return
  throw new TelecError('config', `${path} starts ${node}, which does not exist`, {
    hint: 'run telec install with the new Node.js',
  })
}

/** After this many intervals without a poll the timer does not work, although it may be active. */
const LATE_INTERVALS = 5
/** The same for the first poll. */
const FIRST_INTERVALS = 2
/** Polls wait up to 15 minutes while the remote is out of reach. */
const LATEST_MS = 30 * 60_000

async function polling(service: Service): Promise<string> {
  const { world, config, paths } = service
  const { poll_every } = config.deployment
  const by = startedBy(service)
  const watch = readWatchState(paths)
  if (watch && watch.failures > 0) {
    const polls = `the last ${watch.failures === 1 ? 'poll' : `${watch.failures} polls`}`
    if (needsRepair(watch))
      throw new TelecError('halted', `${polls} failed: ${watch.last_failure}`, { hint: watch.repair ?? '' })
    throw new TelecError('later', `${polls} did not reach the remote`, {
      because: watch.last_failure ?? '',
      hint: 'see the check remote',
    })
  }
  const agoMs = watch?.polled_at ? world.now() - Date.parse(watch.polled_at) : null
  if (agoMs !== null && Math.abs(agoMs) > Math.max(LATEST_MS, LATE_INTERVALS * poll_every))
    throw new TelecError('halted', `no poll since ${localTime(world.now() - agoMs)}`, {
      hint: 'look at the log (telec logs); a computer that sleeps does not poll',
    })
  const installedAt = by === 'telec run' ? null : modifiedAt(paths.installed)
  const waitedMs = installedAt === null ? 0 : world.now() - installedAt.getTime()
  if (agoMs === null && waitedMs > FIRST_INTERVALS * poll_every)
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

async function serviceUnits(service: Service): Promise<string> {
  const found = findService(service)
  if (found === null) return 'not configured: telec restarts nothing'
  const units: string[] = []
  for (const manager of found.managers) units.push(await serviceUnit(service, manager, found.restart))
  return units.join('; ')
}

async function serviceUnit(
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
      hint: 'look at its log, and push a fix: telec still updates a failed service',
    })
  const scope = scopeOf(service)
  const systemctl = scope === 'user' ? 'systemctl --user' : 'sudo systemctl'
  if (known === 'masked' || activity === 'stopped') {
    const [state, verb] = known === 'masked' ? ['masked', 'unmask'] : ['stopped', 'start']
    throw new TelecError('halted', `${unit} is ${state} (${name})`, {
      because: `an update does not start it${lastExit ? `; it ended with ${lastExit}` : ''}`,
      hint: name === 'systemd' ? `${systemctl} ${verb} ${shellWord(unit)}` : 'start it',
    })
  }
  if (name === 'systemd') await verifyStartsAtBoot(service.world, scope, unit, systemctl)
  const isContract = name === 'systemd' && restart === 'exit-42'
  const contract = isContract ? `, ${await verifyRestarts(service.world, scope, unit)}` : ''
  return `${unit} is ${activity}${main?.pid ? `, pid ${main.pid}` : ''}${contract} (${name})`
}

/** Throws if a unit that can be enabled is disabled, and no other unit starts it. */
async function verifyStartsAtBoot(
  world: World,
  scope: Scope,
  unit: string,
  systemctl: string,
): Promise<void> {
  const properties = ['UnitFileState', 'WantedBy', 'RequiredBy', 'TriggeredBy'] as const
  const { UnitFileState, ...starters } = await showUnit(world, scope, unit, properties)
  if (UnitFileState !== 'disabled' || Object.values(starters).join('') !== '') return
  throw new TelecError('config', `${unit} is disabled: it does not start at boot`, {
    hint: `${systemctl} enable ${shellWord(unit)}`,
  })
}

const REDIS_TIMEOUT_MS = 5_000

async function redis({ world, config, paths }: Service): Promise<string> {
  if (!config.redis) return 'not configured: telec works without it'
  const startedMs = world.monotonic()
  await withRedis(config.redis, REDIS_TIMEOUT_MS, (client) => client.call(Pong, 'PING')).catch(
    redisFault(
      'Redis is out of reach',
      `check redis in ${paths.config}, and whether its server runs; telec works without it`,
    ),
  )
  const { failures, last_failure } = readRedisState(paths)
  if (failures > 0)
    throw new TelecError('later', `Redis answers, but refused the last ${count(failures, 'message')}`, {
      because: last_failure ?? '',
      hint: 'check its access rights, its memory, and that it is no replica',
    })
  return `answers in ${((world.monotonic() - startedMs) / 1000).toFixed(1)} s`
}
