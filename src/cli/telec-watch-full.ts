import { runCommandLine } from './command-line.ts'
import { watchCommand } from './commands/watch.ts'
import { main } from './main.ts'

void main('telec-watch', (world) => runCommandLine(world, watchCommand))
