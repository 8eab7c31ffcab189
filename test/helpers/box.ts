import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { requireTool } from './missing-tool.ts'

const PROGRAM = join(import.meta.dirname, '../systemd/box')

export interface Finished {
  /** As a shell says it: 128 + N for signal N. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ExecOptions {
  /** Default: root. Their environment is the one of a login; nothing is inherited from the test. */
  readonly user?: string
  readonly env?: Readonly<Record<string, string>>
  /** Default: the user's home. */
  readonly cwd?: string
  readonly input?: string
  /** Without it an exit code other than 0 throws. */
  readonly allowFailure?: boolean
}

/** A throw-away computer with a real systemd; see test/systemd/box. Each test that boots one ends it in afterAll. */
export interface Box {
  readonly name: string
  exec(argv: readonly string[], options?: ExecOptions): Promise<Finished>
  /** A bash script, stopped by its first failing command. */
  sh(script: string, options?: ExecOptions): Promise<Finished>
  /** Adds a user who lingers, and waits until their systemd runs. */
  addUser(user: string): Promise<void>
  /** A power cut. */
  cut(): Promise<void>
  /** Boots after a cut or a shutdown. */
  boot(): Promise<void>
  /** Does nothing if it was removed already. */
  down(): Promise<void>
}

export interface BoxOptions {
  /** Folders of this computer that the box shares, at the same paths. */
  readonly bind?: readonly string[]
  /** An address such as 10.9.8.2/24 on a network of its own, instead of this computer's network. */
  readonly net?: string
}

let booted = 0

export async function bootBox({ bind = [], net }: BoxOptions = {}): Promise<Box> {
  requireTool('/lib/systemd/systemd', 'systemd')
  requireTool('nsenter', 'util-linux')
  if (net) requireTool('ip', 'iproute2')
  booted += 1
  const name = `t${process.pid}-${booted}`
  await box([
    'up',
    name,
    ...bind.flatMap((folder) => ['--bind', folder]),
    ...(net === undefined ? [] : ['--net', net]),
  ])

  const exec: Box['exec'] = (argv, { user, env = {}, cwd, input, allowFailure } = {}) => {
    const args = [
      ...(user === undefined ? [] : ['--user', user]),
      ...(cwd === undefined ? [] : ['--cwd', cwd]),
      ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ]
    return box(['exec', name, ...args, '--', ...argv], { input, allowFailure })
  }
  return {
    name,
    exec,
    // --norc: bash takes a socket as its stdin, which is what Node.js gives, for a remote login.
    sh: (script, options) => exec(['/bin/bash', '--norc', '-euo', 'pipefail', '-c', script], options),
    addUser: async (user) => void (await box(['user', name, user])),
    cut: async () => void (await box(['cut', name])),
    boot: async () => void (await box(['boot', name])),
    down: async () => void (await box(['down', name])),
  }
}

async function box(
  args: readonly string[],
  {
    input = '',
    allowFailure = false,
  }: { input?: string | undefined; allowFailure?: boolean | undefined } = {},
): Promise<Finished> {
  const child = spawn(PROGRAM, args)
  child.stdin.on('error', () => {}) // a command need not read its input
  child.stdin.end(input)
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  if (code !== 0 && !allowFailure) {
    throw new Error(`box ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`)
  }
  return { code, stdout, stderr }
}
