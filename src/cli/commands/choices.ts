import { Argument } from 'commander'
import { isCalled, NAME_OF_TARGET, parseName, shortName } from '../../channel/choices.ts'
import { nameOf, type Target } from '../../channel/target.ts'
import type { Paths } from '../../config/paths.ts'
import { openService } from '../../config/service.ts'
import { asAsked, commandFor } from '../../config/services.ts'
import { parseDuration } from '../../config/values.ts'
import { locateRepository } from '../../git/repository.ts'
import { type Choice, readChoices, writeChoices } from '../../state/choices.ts'
import { endPause, readPause, writePause } from '../../state/pause.ts'
import { wakeUpdater } from '../../state/signal.ts'
import { asTarget, isUnderWay, readUpdateState, type UpdateState } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { isHeld } from '../../system/lock.ts'
import { isoTime } from '../../system/world.ts'
import { endOfPause } from '../../view/show.ts'
import { choosePin, findTarget } from '../../watch/named-target.ts'
import { JSON_OPTION, parser, serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

// What users decide about updates: it overrides the channel.

interface Options {
  readonly json: boolean
}

const versionArgument = () => new Argument('<version>', NAME_OF_TARGET)

export const pinCommand: DefineCommand = (world) =>
  serviceCommand('pin', 'take that version and keep it, until telec unpin', versionArgument())
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
The version must be at the remote, and not older than the deployed one: roll back first, with telec rollback --to. telec verifies
it as in every update. A pin respects the window, a pause and the order of the fleet; it ignores deployment.min_age, and halts of
other computers.

Examples:
  telec pin 1.8.0
  telec pin 0123abcd
  telec pin 1.8.0 worker   for the service worker`,
    )
    .action(async (text: string, _, { json }: Options) => {
      const service = await openService(world)
      const { pin, state } = await choosePin(service, text)
      world.out(
        json
          ? { pin, deployed: asTarget(state.deployed) }
          : asAsked(world, `pinned to ${nameOf(pin)}: ${describePin(pin, state, service.paths)}\n`),
      )
    })

function describePin({ commit }: Target, { deployed, halted }: UpdateState, paths: Paths): string {
  if (commit === deployed.commit) return 'it is deployed, and stays'
  if (halted?.target.commit === commit)
    return `it halted at ${halted.step}; then run: ${commandFor(paths, halted.go_on)}`
  return 'the next poll takes it; now: telec update'
}

export const unpinCommand: DefineCommand = (world) =>
  serviceCommand('unpin', 'end a pin: the channel decides again')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec unpin')
    .action(async (_, { json }: Options) => {
      const { paths } = await openService(world)
      const choices = readChoices(paths)
      const { pin } = choices
      if (pin) await writeChoices(paths, { ...choices, pin: null })
      const text = pin ? `no longer pinned to ${nameOf(pin)}` : 'it was not pinned'
      world.out(json ? { unpinned: pin } : `${text}\n`)
    })

export const holdCommand: DefineCommand = (world) =>
  serviceCommand('hold', 'never take that version, but the next best one of the channel', versionArgument())
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
A deployed version stays deployed: roll back with telec rollback. The channel alpha follows commits: hold the commit.

Examples:
  telec hold 1.8.0
  telec hold 0123abcd
  telec unhold 1.8.0   take it again`,
    )
    .action(async (text: string, _, { json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const state = readDeployed(paths)
      const repository = locateRepository(world, service.config.deployment.checkout)
      const target = asTarget(await findTarget(service, repository, state, text))
      const choices = readChoices(paths)
      if (choices.pin?.commit === target.commit)
        throw new TelecError('halted', `this computer is pinned to ${nameOf(target)}`, {
          hint: 'end the pin first: telec unpin',
        })
      const others = choices.held.filter(({ commit }) => commit !== target.commit)
      await writeChoices(paths, { ...choices, held: [...others, { ...target, since: isoTime(world) }] })
      world.out(
        json
          ? { held: target, deployed: asTarget(state.deployed) }
          : asAsked(world, describeHold(target, state, isHeld(world, paths.lock))),
      )
    })

/** @param isAtWork another telec is at work: it does not read the choices again. */
function describeHold(target: Target, { deployed, update }: UpdateState, isAtWork: boolean): string {
  const isUpdating = update?.target.commit === target.commit && (isAtWork || isUnderWay(update))
  const now =
    target.commit === deployed.commit
      ? '\nit is deployed, and stays until there is a newer one; to roll back: telec rollback'
      : isUpdating
        ? '\nan update to it is under way, and continues; to roll back after it: telec rollback'
        : ''
  return `${nameOf(target)} is held; to take it again: telec unhold ${shortName(target)}${now}\n`
}

export const unholdCommand: DefineCommand = (world) =>
  serviceCommand('unhold', 'take a held version again', versionArgument())
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec unhold 1.8.0')
    .action(async (text: string, _, { json }: Options) => {
      const { paths } = await openService(world)
      const choices = readChoices(paths)
      const found = findHeld(choices.held, text)
      await writeChoices(paths, { ...choices, held: choices.held.filter((one) => one !== found) })
      world.out(json ? { unheld: asTarget(found) } : `${nameOf(found)} is no longer held\n`)
    })

function findHeld(held: readonly Choice[], text: string): Choice {
  const name = parseName(text)
  const found = held.filter((one) => isCalled(one, name))
  const [only, ...others] = found
  if (only && others.length === 0) return only
  throw new TelecError('usage', only ? `${text} fits ${found.length} held versions` : `${text} is not held`, {
    because: `held: ${(only ? found : held).map(nameOf).join(', ') || 'none'}`,
    hint: 'list the held versions: telec status',
  })
}

/** Throws where telec has no record of a deployed version yet. */
export function readDeployed(paths: Paths): UpdateState {
  const state = readUpdateState(paths)
  if (state) return state
  throw new TelecError('halted', 'telec has deployed nothing on this computer yet', {
    hint: 'poll first: telec watch',
  })
}

/** Dates end long before numbers do. */
const LONGEST_PAUSE = '3650d'

const parseTime = parser(`a time of at most ${LONGEST_PAUSE}, such as 90s, 5m or 2h`, (text) => {
  const ms = parseDuration(text) ?? 0
  return ms > 0 && ms <= (parseDuration(LONGEST_PAUSE) ?? 0) ? ms : null
})

export const pauseCommand: DefineCommand = (world) =>
  serviceCommand('pause', 'pause updates until telec resume; polls continue')
    .option('--for <time>', 'resume automatically after 90s, 5m or 2h', parseTime)
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExamples:\n  telec pause --for 2h\n  telec resume')
    .action(async (_, { for: ms, json }: Options & { readonly for?: number }) => {
      const until = ms === undefined ? null : new Date(world.now() + ms).toISOString()
      const { paths } = await openService(world)
      const pause = { since: isoTime(world), until }
      await writePause(paths, pause)
      world.out(json ? { paused: pause } : asAsked(world, `paused ${endOfPause(pause)}\n`))
    })

export const resumeCommand: DefineCommand = (world) =>
  serviceCommand('resume', 'end a pause, and start a pending update')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec resume')
    .action(async (_, { json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const pause = readPause(paths, world.now())
      await endPause(paths)
      await wakeUpdater(service)
      const text = pause === null ? 'updates were not paused\n' : 'updates are no longer paused\n'
      world.out(json ? { resumed: pause } : text)
    })
