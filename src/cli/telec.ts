import { runCommandLine } from './command-line.ts'
import { frontDoor } from './front-door.ts'
import { main } from './main.ts'

void main('telec', (world) => runCommandLine(world, frontDoor))
