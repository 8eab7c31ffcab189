import { obey } from './command-line.ts'
import { migrateCommand } from './commands/migrate/run.ts'
import { main } from './main.ts'

void main('telec-migrate', (world) => obey(world, migrateCommand))
