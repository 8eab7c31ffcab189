import { runCommandLine } from './command-line.ts'
import { migrateCommand } from './commands/migrate/run.ts'
import { main } from './main.ts'

void main('telec-migrate', (world) => runCommandLine(world, migrateCommand))
