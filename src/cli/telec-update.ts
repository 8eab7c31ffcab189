import { openService } from '../config/service.ts'
import { runUnitInstead, runUpdate } from './commands/run-update.ts'
import { main } from './main.ts'

// The units pass no arguments: starts without the command line's code.
void main('telec-update', async (world) => {
  if (process.argv.length === 2) {
    const handed = await runUnitInstead(world, false)
    if (handed !== null) return handed
    return runUpdate(await openService(world), { retry: false, now: false, permits: [], rollback: null })
  }
  const { runCommandLine } = await import('./command-line.ts')
  const { updateCommand } = await import('./commands/update.ts')
  return runCommandLine(world, updateCommand)
})
