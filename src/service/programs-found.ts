import { join } from 'node:path'
import type { Service } from '../config/service.ts'
import { TelecError } from '../system/errors.ts'
import { mayAccess } from '../system/files.ts'
import type { World } from '../system/world.ts'
import { commandEnvironment, unitPath } from './environment.ts'

/** Of a shell and of env(1): a program was not found. */
export const NOT_FOUND = 127

/** Where programs were looked for, for messages about one that was not found. */
export function searched({ PATH }: NodeJS.ProcessEnv): string {
  return `searched: PATH=${PATH}; deployment.path puts folders in front of it`
}

/** How to have the program found that a shell or env(1) complains of. */
export function howToFind(world: World, env: NodeJS.ProcessEnv, said: string): string {
  const [, name] =
    /(?:^|[\s:])['‘]?([^\s:'‘’]+)['’]?: (?:command )?(?:not found|No such file)/m.exec(said) ?? []
  const folder = name ? elsewhere(world, env, name) : null
  return `add ${folder ?? 'the folder of the program'} to deployment.path in config.yml`
}

const USUAL_IN_HOME = [
  '.local/bin',
  'bin',
  '.cargo/bin',
  '.bun/bin',
  '.deno/bin',
  '.local/share/pnpm',
  'go/bin',
]
const USUAL = [
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/snap/bin',
  '/run/current-system/sw/bin',
]

/** The folder of a program that the units do not find: where a person's shell does, or where such programs usually are. */
function elsewhere(world: World, { HOME = world.home }: NodeJS.ProcessEnv, name: string): string | null {
  const shell = (world.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'))
  const folders = [...shell, ...USUAL_IN_HOME.map((folder) => join(HOME, folder)), ...USUAL]
  return folders.find((folder) => mayAccess(join(folder, name), 'run')) ?? null
}

/** The commands of the configuration, by the names of their keys. */
export const COMMANDS = {
  install: ({ deployment }) => deployment.install,
  health: ({ service }) => service?.health,
  on_status: ({ on_status }) => on_status?.run,
} satisfies Record<string, (config: Service['config']) => string | undefined>

/**
 * Tries whether the program is found that a command starts with, in the environment that the command will have. Throws a
 * TelecError of kind `config` where it is not.
 *
 * @param user who will run it, where that is not who asks: systemd then looks in that user's name.
 * @returns what was found, for people.
 */
export async function verifyProgram(
  service: Service,
  key: keyof typeof COMMANDS,
  user: string | null = null,
): Promise<string> {
  const { world, config } = service
  const command = COMMANDS[key](config)
  if (command === undefined) return 'none is configured'
  const word = firstWord(command)
  if (word === null) return command
  // Of another user's files root reads none.
  const PATH = unitPath(world, world.program.node, config.deployment.path)
  const env = user === null ? await commandEnvironment(service) : { PATH }
  const look = ['/bin/sh', '-c', 'command -v "$1"', 'sh', word]
  const inTheirName = ['systemd-run', '--quiet', '--wait', '--pipe', '--collect', `--uid=${user}`]
  const [program = '', ...args] =
    user === null ? look : [...inTheirName, `--setenv=PATH=${env.PATH}`, ...look]
  // Root's own systemd-run is found by root's PATH, and never by what that user may write.
  const here = user === null ? { cwd: config.deployment.checkout, env } : { cwd: '/', env: world.env }
  const options = { ...here, timeoutMs: 30_000 }
  const { code, stdout } = await world.run(program, args, options)
  if (code === 0) return `${command}, which is ${stdout.trim()}`
  throw new TelecError('config', `${word} is not found where telec runs it: ${command}`, {
    because: searched(env),
    hint: `${howToFind(world, env, `${word}: not found`)}; then: telec install`,
  })
}

/** The program that a command line starts with; null: only a shell can tell, or the checkout of the next version. */
export function firstWord(command: string): string | null {
  const text = command.replace(/^\s*(?:cd\s+[^\s;&|]+\s*(?:&&|;)\s*)*(?:[A-Za-z_]\w*=[^\s'"$`\\]*\s+)*/, '')
  const [word = ''] = /^[^\s;&|]+/.exec(text) ?? []
  const isPlain = /^[\w.+/-]+$/.test(word) && !/^[^/]+\//.test(word)
  return isPlain ? word : null
}
