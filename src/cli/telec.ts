// Half of it is for a few of its many commands: it is packed as a whole.
import { source } from 'packed:cli/telec-full.ts'
import { runPacked } from '../system/packed.ts'

runPacked(source(), process.argv[1] ?? '')
