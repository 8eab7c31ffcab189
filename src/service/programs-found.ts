import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { TelecError } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import type { World } from '../system/world.ts'
import { commandEnvironment, unitPath } from './environment.ts'

/** The exit code of a shell and of env(1) where a program is missing. */
export const NOT_FOUND = 127

export function searched({ PATH }: NodeJS.ProcessEnv): string {
  return `searched: PATH=${PATH}; deployment.path puts folders in front of it`
}

/** @param output of a shell or of env(1), which names the missing program. */
export function howToFind(world: World, env: NodeJS.ProcessEnv, output: string): string {
  const [, name] =
    /(?:^|[\s:])['‘]?([^\s:'‘’]+)['’]?: (?:command )?(?:not found|No such file)/m.exec(output) ?? []
  const folder = name ? elsewhere(world, env, name) : null
  return `add ${folder ?? 'the folder of the program'} to deployment.path in config.yml`
}

const IN_HOME = ['.local/bin', 'bin', '.cargo/bin', '.bun/bin', '.deno/bin', '.local/share/pnpm', 'go/bin']
const COMMON = [
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/snap/bin',
  '/run/current-system/sw/bin',
]

/** The folder of a program that the units do not find: in the PATH of the shell, or a common one. */
function elsewhere(world: World, { HOME = world.home }: NodeJS.ProcessEnv, name: string): string | null {
  const shell = (world.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const folders = [...shell, ...IN_HOME.map((folder) => join(HOME, folder)), ...COMMON]
  return folders.find((folder) => mayAccess(join(folder, name), 'run')) ?? null
}

/** The commands of the configuration, by their keys. */
export const COMMANDS: Readonly<Record<string, (config: Config) => string | undefined>> = {
  install: ({ deployment }) => deployment.install,
  health: ({ service }) => service?.health,
  on_status: ({ on_status }) => on_status?.run,
}

/**
 * Throws `config` where the environment of a command does not have the program that it starts with.
 *
 * @param user who will run it: systemd then looks as that user. Null: this user will.
 * @returns the program, for users.
 */
export async function verifyProgram(
  service: Service,
  command: string | undefined,
  user: string | null = null,
): Promise<string> {
  const { world, config } = service
  if (command === undefined) return 'none is configured'
  const word = firstWord(command)
  if (word === null) return command
  // Root does not read env_file of another user.
  const PATH = unitPath(world, world.program.node, config.deployment.path)
  const env = user === null ? await commandEnvironment(service) : { PATH }
  const look = ['/bin/sh', '-c', 'command -v "$1"', 'sh', word]
  const asUser = ['systemd-run', '--quiet', '--wait', '--pipe', '--collect', `--uid=${user}`]
  const [program = '', ...args] = user === null ? look : [...asUser, `--setenv=PATH=${env.PATH}`, ...look]
  // Root's own PATH finds systemd-run, and no folder that the user may write.
  const here = user === null ? { cwd: config.deployment.checkout, env } : { cwd: '/', env: world.env }
  const options = { ...here, timeoutMs: 30_000 }
  const { code, stdout } = await world.run(program, args, options)
  if (code === 0) return `${command}, which is ${stdout.trim()}`
  throw new TelecError('config', `${word} is not found where telec runs it: ${command}`, {
    because: searched(env),
    hint: `${howToFind(world, env, `${word}: not found`)}; then: telec install`,
  })
}

/** The first program of a command line; null: only a shell knows, or the checkout of the next version has it. */
export function firstWord(command: string): string | null {
  const text = command.replace(/^\s*(?:cd\s+[^\s;&|]+\s*(?:&&|;)\s*)*(?:[A-Za-z_]\w*=[^\s'"$`\\]*\s+)*/, '')
  const [word = ''] = /^[^\s;&|]+/.exec(text) ?? []
  const isPlain = /^[\w.+/-]+$/.test(word) && !/^[^/]+\//.test(word)
  return isPlain ? word : null
}
