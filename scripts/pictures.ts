// Draws docs/*.svg: the architecture, a run of the demo with its times, and the output of telec in a box.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { drawArchitecture } from './lib/architecture.ts'
import { drawPage } from './lib/page-svg.ts'
import { drawTerminal, type Line, wrap } from './lib/terminal-svg.ts'

const [root = ''] = process.argv.slice(2)

const recorded = recordBox()
write('docs/architecture.svg', drawArchitecture())
write(
  'docs/demo.svg',
  drawTerminal('The demo in a terminal', [command('./scripts/demo'), ...(await recordDemo())]),
)
for (const [name, title, typed] of [
  ['status', 'telec status after an update', 'telec status'],
  ['services', 'telec status with two services', 'telec status'],
  ['halt', 'telec status after a halt', 'telec status worker'],
] as const)
  write(`docs/${name}.svg`, drawTerminal(title, [command(typed), ...linesOf(recorded(name))]))
write('docs/fleet.svg', drawPage('The page of a fleet', recorded('fleet.html')))
writeSession(recorded('session'))

/** Boots a box, runs recording.sh in it, and gives the files that this wrote. Needs root and redis-server. */
function recordBox(): (name: string) => string {
  const folder = mkdtempSync('/srv/telec-pictures-')
  const [bin, out] = [join(folder, 'bin'), join(folder, 'out')]
  const env = { ...process.env, TELEC_BOX_DIR: join(folder, 'boxes') }
  const box = (...args: readonly string[]) =>
    execFileSync(join(root, 'test/systemd/box'), args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    chmodSync(folder, 0o755)
    mkdirSync(out)
    chmodSync(out, 0o777)
    cpSync(join(root, 'dist'), bin, { recursive: true })
    cpSync(join(root, 'scripts/lib/recording.sh'), join(bin, 'recording.sh'))
    box('up', 'studio', '--bind', folder, '--net', '10.93.0.2/24')
    box('user', 'studio', 'ada')
    const path = `PATH=${bin}:/usr/local/bin:/usr/bin:/bin`
    box('exec', 'studio', '--user', 'ada', '--env', path, '--', join(bin, 'recording.sh'), out)
    const files = ['session', 'status', 'services', 'halt', 'fleet.html'] as const
    const texts = new Map<string, string>(files.map((name) => [name, readFileSync(join(out, name), 'utf8')]))
    return (name) => texts.get(name) ?? ''
  } finally {
    box('down', 'studio')
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The demo's lines, with the time since it began; the names that differ from run to run replaced. */
async function recordDemo(): Promise<Line[]> {
  const demo = spawn(join(root, 'scripts/demo'), [], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: Line[] = []
  const zero = Date.now()
  for await (const line of createInterface({ input: demo.stdout })) {
    const text = line
      .replace(/\/(?:srv|var\/tmp)\/telec-demo-\w+/g, '/srv')
      .replace(/\bdemo-\d+\b/g, 'studio')
    const atMs = Date.now() - zero
    for (const part of wrap(text)) lines.push({ text: part, atMs })
  }
  const isText = ({ text }: Line) => text.trim() !== ''
  return lines.slice(lines.findIndex(isText), lines.findLastIndex(isText) + 1)
}

function command(text: string): Line {
  return { text: `$ ${text}`, atMs: 0 }
}

function linesOf(output: string): Line[] {
  return output
    .trimEnd()
    .split('\n')
    .flatMap((line) => wrap(line).map((text) => ({ text, atMs: 0 })))
}

/** Puts the session into the README, between its two comments. */
function writeSession(session: string): void {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [before, rest = ''] = readme.split(/(?<=<!-- session: scripts\/docs --pictures -->\n)/)
  const after = rest.slice(rest.indexOf('<!-- end of the session -->'))
  write('README.md', `${before}\`\`\`text\n${session.trimEnd()}\n\`\`\`\n${after}`)
}

function write(name: string, text: string): void {
  writeFileSync(join(root, name), text)
}
