// The double as a program, for a computer of its own (system.test.ts): its folder and its domains are its arguments. It runs
// as long as its input is open; each line there is a minute of the calendar.
import { createInterface } from 'node:readline'
import { Launchd } from './double.ts'

const [bin = '', ...domains] = process.argv.slice(2)
const launchd = await Launchd.start(bin, domains)
process.stdout.write('ready\n')
for await (const _ of createInterface(process.stdin)) launchd.tick()
await launchd.stop()
