import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')
export const DIST = join(ROOT, 'dist')

export type ProgramName = 'telec' | 'telec-watch' | 'telec-update' | 'telec-migrate'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string
}

/** Runs a program to its end. */
export function execute(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    child.stdin.on('error', () => undefined) // it may leave without reading
    child.stdin.end(options.input ?? '')
  })
}

/** Runs a program that must succeed; its standard output, trimmed. */
export async function succeed(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<string> {
  const ended = await execute(command, args, options)
  if (ended.code === 0) return ended.stdout.trim()
  throw new Error(`${command} ${args.join(' ')}: exit code ${ended.code}\n${ended.stdout}${ended.stderr}`)
}

/** The bundles as files of a repository, for a service that brings its own telec; each changed as `change` says. */
export function bundles(change: (text: string) => string): Record<string, string> {
  const programs: ProgramName[] = ['telec', 'telec-watch', 'telec-update']
  return Object.fromEntries([
    ...programs.map((name) => [`bin/${name}`, change(readFileSync(join(DIST, name), 'utf8'))]),
    ['bin/package.json', '{ "type": "commonjs" }\n'],
  ])
}
