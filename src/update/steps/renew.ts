import { installAgain } from '../../service/install.ts'
import { TelecError } from '../../system/errors.ts'
import { programHash } from '../../system/world.ts'
import type { StepContext } from '../step.ts'

/**
 * telec may have come with the update, where it runs from the checkout itself: then the new one goes on from here
 * (exit code 42), and brings the units up to date that the old one installed.
 */
export async function renew({ world, config, paths, programAtStart }: StepContext): Promise<string> {
  const now = programHash(world)
  if (now === null)
    throw new TelecError('halted', `the update removed telec itself: ${world.program.path}`, {
      hint: 'have deployment.install build it, or run telec from outside the checkout; then telec-update --retry',
    })
  if (now !== programAtStart)
    throw new TelecError('restart', 'the update brought a new telec, which goes on from here', {
      hint: 'nothing: whoever started this one starts it again, and so does the next poll',
    })
  const done = await installAgain(world, config, paths)
  return done.length === 0 ? 'telec is as it was' : done.join('; ')
}
