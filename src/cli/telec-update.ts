import { updateCommand } from './commands/update.ts'
import { main } from './main.ts'

void main('telec-update', updateCommand)
