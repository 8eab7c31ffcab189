import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DIST, type Ended, execute, type ProgramName } from '../helpers/programs.ts'
import { inTerminal } from '../helpers/terminal.ts'

const SUBCOMMANDS = ['init', 'install', 'uninstall', 'status', 'run', 'watch', 'update', 'migrate']
const COMMANDS: [ProgramName, string[]][] = [
  ['telec', []],
  ['telec-watch', []],
  ['telec-update', []],
  ['telec-migrate', []],
  ...SUBCOMMANDS.map((name): [ProgramName, string[]] => ['telec', [name]]),
]
const named = COMMANDS.map(([program, args]) => [[program, ...args].join(' '), program, args] as const)

function run(program: ProgramName, args: readonly string[]): Promise<Ended> {
  return execute(process.execPath, [join(DIST, program), ...args], {
    cwd: '/',
    env: { ...process.env, TELEC_HOME: '/nonexistent/telec' },
  })
}

describe('--help', () => {
  test.each(named)(
    'of %s shows how it is used, with its exit codes or an example',
    async (_, program, args) => {
      const { code, stdout, stderr } = await run(program, [...args, '--help'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(new RegExp(`^Usage: ${[program, ...args].join(' ')} `))
      expect(stdout).toMatch(/^(Exit codes:|Examples?:\n {2}telec)/m)
    },
  )

  test.each(named.filter(([, , args]) => args.length === 0))(
    'of %s says what each exit code means',
    async (_, program) => {
      const { stdout } = await run(program, ['--help'])
      expect(stdout).toMatch(/^Exit codes:$/m)
      for (const exitCode of [0, 1, 2, 42, 75, 78]) expect(stdout).toMatch(new RegExp(`^ +${exitCode} `, 'm'))
    },
  )

  test.each(named)('of %s knows no command to deploy with', async (_, program, args) => {
    const { stdout } = await run(program, [...args, '--help'])
    expect(stdout).not.toMatch(/^\s*(telec[ -])?deploy\b/m)
  })

  test('of telec names every subcommand', async () => {
    const { stdout } = await run('telec', ['--help'])
    for (const name of SUBCOMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  })

  test.each(['watch', 'update', 'migrate'] as const)(
    'of telec %s has the options of the program of its own',
    async (name) => {
      const options = ({ stdout }: Ended) =>
        stdout.match(/^ {2}(?!-V)-.*(?= {2})/gm)?.map((line) => line.trim())
      expect(options(await run('telec', [name, '--help']))).toEqual(
        options(await run(`telec-${name}`, ['--help'])),
      )
    },
  )
})

describe('telec help', () => {
  test.each([['status'], ['migrate'], ['migrate', 'verify']])('of %s %s is its --help', async (...words) => {
    const asked = words.filter((word) => word !== undefined)
    const { code, stdout } = await run('telec', ['help', ...asked])
    expect({ code, stdout }).toEqual({ code: 0, stdout: (await run('telec', [...asked, '--help'])).stdout })
  })

  test('of a misspelled command shows the existing ones', async () => {
    const { code, stderr } = await run('telec', ['help', 'statsu'])
    expect(code).toBe(2)
    expect(stderr).toContain('there is no command statsu; did you mean status?')
  })

  test('in a terminal of 60 columns keeps its columns', async () => {
    const program = `stty cols 60; exec '${process.execPath}' '${join(DIST, 'telec')}' --help`
    const { stdout } = await inTerminal([], ['sh', '-c', program])
    const table = stdout.slice(stdout.indexOf('Options:'), stdout.indexOf('Examples:')).split(/\r?\n/)
    expect(table.length).toBeGreaterThan(40)
    expect(table.filter((line) => line.length > 60)).toEqual([])
    expect(table.filter((line) => !/^(\S+:| {2}[-a-z].*| {21}\S.*|)$/.test(line))).toEqual([])
  })
})

describe('wrong usage exits with 2', () => {
  test.each(named)('%s --no-such-option', async (_, program, args) => {
    const { code, stdout, stderr } = await run(program, [...args, '--no-such-option'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain("unknown option '--no-such-option'")
    expect(stderr).toContain('--help')
  })

  test.each([
    ['telec without a command', 'telec', []],
    ['telec with a command that there is not', 'telec', ['updat']],
    ['telec run without a command to run', 'telec', ['run']],
    ['telec-watch with an argument', 'telec-watch', ['now']],
    ['telec-update with an argument', 'telec-update', ['now']],
    ['telec-migrate with a version that is none', 'telec-migrate', ['--to', 'x']],
    ['telec install for a manager that there is not', 'telec', ['install', '--manager', 'upstart']],
  ] as [string, ProgramName, string[]][])('%s', async (_, program, args) => {
    const { code, stderr } = await run(program, args)
    expect(code).toBe(2)
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})
