import { watchCommand } from './commands/watch.ts'
import { main } from './main.ts'

void main('telec-watch', watchCommand)
