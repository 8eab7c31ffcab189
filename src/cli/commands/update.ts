import { nameOf } from '../../channel/target.ts'
import { openService, type Service } from '../../config/service.ts'
import { asAsked } from '../../config/services.ts'
import { readSignal } from '../../state/signal.ts'
import { readStatus } from '../../state/status.ts'
import { PERMITS, type Permit, readUpdateState } from '../../state/update-state.ts'
import { foreseen } from '../../system/errors.ts'
import { acquireLock, isHeld } from '../../system/lock.ts'
import { count } from '../../system/plural.ts'
import type { UpdateOptions } from '../../update/execute.ts'
import { type Rehearsal, rehearse } from '../../update/rehearse.ts'
import { poll, signalRefused } from '../../watch/poll.ts'
import { serviceCommand } from '../command-line.ts'
import type { DefineCommand } from '../main.ts'
import { ANSWERS } from './migrate/plan.ts'
import { rollbackCommand } from './rollback.ts'
import { runPoll, titleOf, verifyFollowed } from './run-poll.ts'
import { runUnitInstead, runUpdate } from './run-update.ts'

const OPTION_OF = {
  rewrite: 'acceptRewrite',
  downgrade: 'allowDowngrade',
  stash: 'stash',
} as const satisfies Record<Permit, string>

type Options = Record<'retry' | 'now' | 'dryRun' | 'json' | (typeof OPTION_OF)[Permit], boolean>

export const updateCommand: DefineCommand = (world, exitWith) =>
  serviceCommand(
    'update',
    'run the signalled update: fetch, migrate, install, restart, confirm; telec update polls first',
  )
    .option('--retry', 'retry a halted or rolled-back version now', false)
    .option('--now', 'ignore deployment.window', false)
    .option('--accept-rewrite', 'take a force-pushed branch, or a moved tag', false)
    .option('--allow-downgrade', 'take an older version than the deployed one', false)
    .option('--stash', 'stash local changes in the way under a ref', false)
    .option('--dry-run', 'show the update and ask each check(); change nothing', false)
    .option('--json', 'print the dry run, or the final status, as JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  telec-update                     run the signalled update, or resume an interrupted one
  telec-update --dry-run           show commits, files, migrations, install, restart
  telec-update --retry             after you fixed the cause of a halt, or after a rollback
  telec-update --now               ignore the window
  telec-update --accept-rewrite    after you checked the rewritten commits
  telec-update --allow-downgrade   after a release was withdrawn, or pinned_minor lowered
  telec-update rollback            return to the previous version`,
    )
    .action(async (_, options: Options) => {
      const { retry, now } = options
      if (options.dryRun) return dryRun(await openService(world), options.json)
      const permits = PERMITS.filter((permit) => options[OPTION_OF[permit]])
      const isPlain = permits.length === 0 && !retry && !now
      const isTyped = world.program.name === 'telec'
      const handed = isPlain && !options.json ? await runUnitInstead(world, isTyped) : null
      if (handed !== null) return exitWith(handed)
      const service = await openService(world)
      const askedFor = async () => {
        await signalRefused(service, permits)
        return { retry, now, permits, rollback: null }
      }
      try {
        exitWith(isTyped ? await updateByHand(service, askedFor) : await runUpdate(service, await askedFor()))
      } finally {
        if (options.json) world.out({ status: readStatus(service.paths) })
      }
    })
    .addCommand(rollbackCommand(world, exitWith))

const LOCK_INTERVAL_MS = 200

/**
 * `telec update`, as a user types it: polls first, and prints the result. Where another telec is at work, follows it.
 *
 * @returns the exit code.
 */
async function updateByHand(service: Service, askedFor: () => Promise<UpdateOptions>): Promise<number> {
  await pollFirst(service)
  const asked = await askedFor()
  for (;;) {
    if (isHeld(service.world, service.paths.lock)) await follow(service)
    try {
      return await runUpdate(service, asked)
    } catch (error) {
      if (!foreseen(error).isBusy) throw error
      await service.world.sleep(LOCK_INTERVAL_MS)
    }
  }
}

/** A pending or interrupted update needs no poll: it continues also where the remote is out of reach. */
async function pollFirst({ world, paths }: Service): Promise<void> {
  try {
    const { decision, isLogged } = await runPoll(world, { dryRun: false, scheduled: false, heard: null })
    if (decision.kind !== 'update' && !isLogged) world.log.info(asAsked(world, titleOf(decision)))
    verifyFollowed(decision)
  } catch (error) {
    const isPending = readSignal(paths) !== null || readUpdateState(paths)?.update
    if (!isPending) throw error
    world.log.warning(`the poll failed: ${foreseen(error).message}; the pending update continues`)
  }
}

/** Shows the status of another telec until that ends; the caller then runs what it did not do. */
async function follow({ world, paths }: Service): Promise<void> {
  world.log.notice('another telec is at work; its status:')
  world.log.onKill('the other telec continues without this terminal: telec status')
  let shown = ''
  for (let isAtWork = true; isAtWork; ) {
    isAtWork = isHeld(world, paths.lock)
    const status = readStatus(paths)
    const line = status ? `${status.status} ${status.version ?? status.commit.slice(0, 12)}` : ''
    if (line !== shown) world.log.info(line)
    shown = line
    if (isAtWork) await world.sleep(LOCK_INTERVAL_MS)
  }
  world.log.onKill(null)
}

async function dryRun(service: Service, json: boolean): Promise<void> {
  const { world, paths } = service
  const { decision } = await poll(service, { dryRun: true, scheduled: false, heard: null })
  const deployed = readUpdateState(paths)?.deployed
  const target = decision.kind === 'update' ? decision.target : readSignal(paths)?.target
  if (!deployed || !target)
    return world.out(json ? { target: null, reason: decision.reason } : `nothing to do: ${decision.reason}\n`)
  const lock = acquireLock(world, paths.lock)
  try {
    const rehearsal = await rehearse(service, deployed, target)
    world.out(json ? rehearsal : describe(rehearsal, nameOf(deployed)))
  } finally {
    lock.release()
  }
}

const SHOWN_FILES = 20

function describe(rehearsal: Rehearsal, from: string): string {
  const { target, commits, files, migrations, install, restarts } = rehearsal
  const more = files.length > SHOWN_FILES ? [`and ${files.length - SHOWN_FILES} more`] : []
  return [
    `from ${from} to ${nameOf(target)}`,
    ...section('commits', commits),
    ...section(count(files.length, 'changed file'), [...files.slice(0, SHOWN_FILES), ...more]),
    ...section(
      migrations.length === 0 ? 'nothing to migrate' : 'migrations',
      migrations.map(({ id, says, error }) =>
        [`${id}: ${ANSWERS[says]}`, ...(error?.split('\n') ?? [])].join('\n    '),
      ),
    ),
    install === null ? 'no install command is configured' : `then runs: ${install}`,
    restarts.length === 0 ? 'restarts nothing' : `then restarts: ${restarts.join(', ')}`,
    '',
  ].join('\n')
}

function section(title: string, lines: readonly string[]): string[] {
  return [lines.length > 0 ? `${title}:` : title, ...lines.map((line) => `  ${line}`)]
}
