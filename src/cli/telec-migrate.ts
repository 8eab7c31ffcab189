import { migrateCommand } from './commands/migrate/run.ts'
import { main } from './main.ts'

void main('telec-migrate', migrateCommand)
