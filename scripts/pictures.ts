// Draws docs/*.svg: the architecture, and the output of a demo run with its times.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { drawArchitecture } from './lib/architecture.ts'
import { drawTerminal, type Line } from './lib/terminal-svg.ts'

const [root = ''] = process.argv.slice(2)

/** The line of the demo before its status. */
const STATUS = /telec status says:$/

/** The columns of the terminal. */
const COLUMNS = /.{1,100}/g

const lines = await record()
const end = lines.findIndex(({ text }) => STATUS.test(text))
if (end === -1) throw new Error('the demo shows no status')

const story = lines.slice(0, end).map(({ text, atMs }) => ({ text, atMs }))
const status = lines.slice(end + 1).map(({ text }) => ({ text: text.replace(/^ {2}/, ''), atMs: 0 }))
const command = (text: string): Line => ({ text: `$ ${text}`, atMs: 0 })
write('architecture.svg', drawArchitecture())
write('demo.svg', drawTerminal('The demo in a terminal', [command('./scripts/demo'), ...trim(story)]))
write('status.svg', drawTerminal('What telec status says', [command('telec status'), ...trim(status)]))

/** The demo's lines, with the time since it began; the names that differ from run to run replaced. */
async function record(): Promise<Line[]> {
  const demo = spawn(join(root, 'scripts/demo'), [], { stdio: ['ignore', 'pipe', 'inherit'] })
  const recorded: Line[] = []
  const zero = Date.now()
  for await (const line of createInterface({ input: demo.stdout })) {
    const text = line
      .replace(/\/(?:srv|var\/tmp)\/telec-demo-\w+/g, '/srv')
      .replace(/\bdemo-\d+\b/g, 'studio')
    const atMs = Date.now() - zero
    for (const part of text.match(COLUMNS) ?? ['']) recorded.push({ text: part, atMs })
  }
  return recorded
}

function trim(recorded: readonly Line[]): readonly Line[] {
  const isText = ({ text }: Line) => text.trim() !== ''
  return recorded.slice(recorded.findIndex(isText), recorded.findLastIndex(isText) + 1)
}

function write(name: string, text: string): void {
  writeFileSync(join(root, 'docs', name), text)
}
