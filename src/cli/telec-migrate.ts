import { migrateCommand } from './commands/migrate.ts'
import { main } from './main.ts'

void main('telec-migrate', migrateCommand)
