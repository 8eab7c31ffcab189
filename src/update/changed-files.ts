import { changedBeside } from '../git/index-file.ts'
import { localChanges, stashPaths } from '../git/local-changes.ts'
import { CHANGED_HINT, type ChangedFile, describeChanged } from '../state/update-state.ts'
import { orWarn } from '../system/limit.ts'
import type { StepContext } from './context.ts'

/** Runs the install command, and notes which tracked files it changes, also where it fails. */
export async function noteChanges(context: StepContext, run: () => Promise<string>): Promise<string> {
  const { world, repository, update } = context
  const migrated = update.steps.find(({ name }) => name === 'migrate')?.note !== 'nothing to migrate'
  const before =
    migrated || update.local === null ? [...(await localChanges(repository)).keys()] : update.local
  try {
    return await run()
  } finally {
    await orWarn(world, 'cannot tell which tracked files the install command changed', async () => {
      const changed = await changedBeside(repository, before, update.target.commit)
      context.remember({ changed })
      if (changed.length > 0) world.log.warning(`${describeChanged(changed)}: ${CHANGED_HINT}`)
    })
  }
}

/** Restores these files from HEAD, so that the checkout can move. @returns the note for users. */
export async function restoreInstalled(
  { world, repository, writeDown }: StepContext,
  files: readonly ChangedFile[],
): Promise<string> {
  await writeDown()
  let note = ''
  const modified = files.map(({ path }) => path)
  await stashPaths(repository, { modified, untracked: [], isStaged: false }, async (what) => {
    note = `restored files that the install command had changed: ${what}`
    world.log.notice(note)
  })
  return note
}
