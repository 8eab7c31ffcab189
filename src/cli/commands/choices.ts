import { Argument, Command } from 'commander'
import { isCalled, NAME_OF_TARGET, parseName, shortName } from '../../channel/choices.ts'
import { nameOf, type Target } from '../../channel/target.ts'
import type { Paths } from '../../config/paths.ts'
import { openService } from '../../config/service.ts'
import { asAsked, commandFor } from '../../config/services.ts'
import { locateRepository } from '../../git/repository.ts'
import { type Choice, readChoices, writeChoices } from '../../state/choices.ts'
import { asTarget, isUnderWay, readUpdateState, type UpdateState } from '../../state/update-state.ts'
import { TelecError } from '../../system/errors.ts'
import { isHeld } from '../../system/lock.ts'
import { isoTime } from '../../system/world.ts'

import { choosePin, findTarget } from '../../watch/named-target.ts'
import { serviceArgument } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'

// What a person says of versions: it goes before what the channel says.

interface Options {
  readonly json: boolean
}

const versionArgument = () => new Argument('<version>', NAME_OF_TARGET)

const JSON_OPTION = ['--json', 'say the same as JSON, for programs', false] as const

export const pinCommand: DefineCommand = (world) =>
  new Command('pin')
    .addArgument(versionArgument())
    .addArgument(serviceArgument())
    .description('go to that version, or stay at it, whatever the channel offers, until telec unpin')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
It goes forwards only: what is older than what is deployed is refused; go back first, by telec rollback --to. The remote has
to have it, and it is verified as every update is. A pin waits for the window and for a pause, and for its turn in a fleet;
it does not wait for deployment.min_age, nor for others that halted at it.

Examples:
  telec pin 1.8.0
  telec pin 0123abcd
  telec pin 1.8.0 worker   of the service worker`,
    )
    .action(async (text: string, _, { json }: Options) => {
      const service = await openService(world)
      const { pin, state } = await choosePin(service, text)
      world.out(
        json
          ? { pin, deployed: asTarget(state.deployed) }
          : asAsked(world, `pinned to ${nameOf(pin)}: ${whatFollows(pin, state, service.paths)}\n`),
      )
    })

function whatFollows({ commit }: Target, { deployed, halted }: UpdateState, paths: Paths): string {
  if (commit === deployed.commit) return 'it is deployed, and stays'
  if (halted?.target.commit === commit)
    return `it halted at ${halted.step}; to go on: ${commandFor(paths, halted.go_on)}`
  return 'the next poll takes it; now: telec update'
}

export const unpinCommand: DefineCommand = (world) =>
  new Command('unpin')
    .addArgument(serviceArgument())
    .description('end a pin: what the channel offers is taken again')
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
  new Command('hold')
    .addArgument(versionArgument())
    .addArgument(serviceArgument())
    .description('never take that version; the channel then offers the next best one, or nothing')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      `
One that is deployed stays deployed: telec goes back when a person says so. The channel alpha follows commits: hold the commit.

Examples:
  telec hold 1.8.0
  telec hold 0123abcd
  telec unhold 1.8.0   take it again`,
    )
    .action(async (text: string, _, { json }: Options) => {
      const service = await openService(world)
      const { paths } = service
      const state = verifyDeployed(readUpdateState(paths))
      const repository = locateRepository(world, service.config.deployment.checkout)
      const target = asTarget(await findTarget(service, repository, state, text))
      const choices = readChoices(paths)
      if (choices.pin?.commit === target.commit)
        throw new TelecError('halted', `this computer is pinned to ${nameOf(target)}`, {
          hint: 'to hold it: telec unpin first',
        })
      const others = choices.held.filter(({ commit }) => commit !== target.commit)
      await writeChoices(paths, { ...choices, held: [...others, { ...target, since: isoTime(world) }] })
      world.out(
        json
          ? { held: target, deployed: asTarget(state.deployed) }
          : asAsked(world, describeHold(target, state, isHeld(world, paths.lock))),
      )
    })

/** @param isAtWork another telec is at it right now: it asks nobody any more. */
function describeHold(target: Target, { deployed, update }: UpdateState, isAtWork: boolean): string {
  const undo = `to take it all the same: telec unhold ${shortName(target)}`
  const now =
    target.commit === deployed.commit
      ? '\nit is deployed, and stays until a newer one comes; to go back: telec rollback'
      : update?.target.commit === target.commit && (isAtWork || isUnderWay(update))
        ? '\nthe update to it has begun already, and is not stopped; to go back once it has ended or halted: telec rollback'
        : ''
  return `${nameOf(target)} is held; ${undo}${now}\n`
}

export const unholdCommand: DefineCommand = (world) =>
  new Command('unhold')
    .addArgument(versionArgument())
    .addArgument(serviceArgument())
    .description('take a version again that telec hold named')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  telec unhold 1.8.0')
    .action(async (text: string, _, { json }: Options) => {
      const { paths } = await openService(world)
      const choices = readChoices(paths)
      const found = theHeld(choices.held, text)
      await writeChoices(paths, { ...choices, held: choices.held.filter((one) => one !== found) })
      world.out(json ? { unheld: asTarget(found) } : `${nameOf(found)} is no longer held\n`)
    })

function theHeld(held: readonly Choice[], text: string): Choice {
  const name = parseName(text)
  const found = held.filter((one) => isCalled(one, name))
  const [only, ...others] = found
  if (only && others.length === 0) return only
  const what = only ? `${text} could be ${found.length} that are held` : `${text} is not held`
  const because = (only ? found : held).map(nameOf).join('\n')
  throw new TelecError('usage', what, {
    because: because || 'nothing is',
    hint: 'what is held: telec status',
  })
}

function verifyDeployed(state: UpdateState | null): UpdateState {
  if (state) return state
  throw new TelecError('halted', 'telec has deployed nothing on this computer yet', {
    hint: 'look what there is: telec status',
  })
}
