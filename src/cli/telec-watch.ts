// A thousand polls a day find nothing: those need little, and are over before the rest of the program would be loaded.
import { createRequire } from 'node:module'
import { compileFunction } from 'node:vm'
import { source } from 'packed:cli/telec-watch-full.ts'
import { realWorld } from '../system/world.ts'
import { isQuiet } from '../watch/glance.ts'

async function run([...args]: readonly string[]): Promise<void> {
  const isPlain = args.length === 0 || args.join(' ') === '--scheduled'
  if (isPlain && (await isQuiet(realWorld('telec-watch')))) return
  const path = process.argv[1] ?? ''
  compileFunction(source(), ['require'], { filename: path })(createRequire(path))
}

void run(process.argv.slice(2))
