import { loadConfig } from '../config/load.ts'
import { locate } from '../config/paths.ts'
import { rotateLog } from '../system/rotate.ts'
import { runUpdate } from './commands/run-update.ts'
import { main } from './main.ts'

// As units start it, it has no arguments, and what reads them is not loaded.
void main('telec-update', async (world) => {
  if (process.argv.length === 2) {
    const paths = locate(world)
    rotateLog(world, paths.home)
    const config = await loadConfig(world, paths)
    return runUpdate({ world, config, paths }, { retry: false, now: false, permits: [], rollback: null })
  }
  const { obey } = await import('./command-line.ts')
  const { updateCommand } = await import('./commands/update.ts')
  return obey(world, updateCommand)
})
