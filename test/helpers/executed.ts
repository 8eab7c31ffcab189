import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { requireTool } from './missing-tool.ts'
import { DIST, type Ended, execute } from './programs.ts'

export interface Executed {
  /** The given path: relative to a folder that only the caller knew, or absolute. */
  readonly path: string
  readonly argv: readonly string[]
}

/** Runs a bundle under strace(1); what it and all that it started have executed, in order. */
export async function runTraced(
  computer: Pick<Computer, 'folder' | 'env'>,
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended & { executed: Executed[] }> {
  requireTool('strace', 'strace')
  const trace = join(computer.folder, `trace-${randomUUID()}`)
  const only = [
    '-f',
    '-qq',
    '-z',
    '-s',
    '1000000',
    '-e',
    'trace=execve,execveat',
    '-e',
    'signal=none',
    '-o',
    trace,
  ]
  const path = program.startsWith('/') ? program : join(DIST, program)
  const env = { ...computer.env, ...options.env }
  const ended = await execute('strace', [...only, process.execPath, path, ...args], { ...options, env })
  const lines = readFileSync(trace, 'utf8').split('\n')
  rmSync(trace)
  return { ...ended, executed: lines.flatMap((line) => parseExecve(line)) }
}

/** `PID execve("PATH", ["ARG", …], …) = 0`, its strings as in C. */
function parseExecve(line: string): Executed[] {
  const [, rest] = /^\d+ +execve(?:at)?\((.*)/.exec(line) ?? []
  const [path = '', ...argv] = [...(rest?.split('], 0x')[0]?.matchAll(/"((?:[^"\\]|\\.)*)"/g) ?? [])].map(
    ([, text = '']) => unescaped(text),
  )
  return rest === undefined ? [] : [{ path, argv }]
}

function unescaped(text: string): string {
  const known: Record<string, string> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }
  const bytes = text.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) =>
    /^[0-7]/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : (known[code] ?? code),
  )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
