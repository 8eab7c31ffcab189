import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, makeComputer } from '../helpers/computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'

interface Printed {
  readonly files: ReadonlyMap<string, string>
  readonly commands: readonly string[]
}

/** A computer whose telec home has a name that needs care in unit files and in XML. */
async function oddComputer(...initArgs: string[]): Promise<Computer> {
  const plain = await makeComputer({ init: false })
  onTestFinished(() => plain.dispose())
  const home = join(plain.folder, 'my <odd> home & Ann\'s 100% "one"')
  const computer = { ...plain, home, env: { ...plain.env, TELEC_HOME: home, HOME: plain.folder } }
  const args = ['init', '--checkout', plain.checkout, '--service', 'web.service', ...initArgs]
  expect(await plain.telec('telec', args, { env: computer.env })).toMatchObject({ code: 0 })
  return computer
}

async function print(computer: Computer, manager: 'systemd' | 'launchd'): Promise<Printed> {
  const args = ['install', '--print', '--manager', manager]
  const { code, stdout } = await computer.telec('telec', args, { env: computer.env })
  expect(code).toBe(0)
  const files = new Map<string, string>()
  for (const [, path = '', text = ''] of stdout.matchAll(/^# (\/.+)\n([\s\S]*?)(?=^# \/|^\$ |$(?![\s\S]))/gm))
    files.set(path, text)
  return { files, commands: [...stdout.matchAll(/^\$ (.+)$/gm)].map(([, command = '']) => command) }
}

/** Puts the printed files below a folder of the computer, under their own names. */
function writeOut(computer: Computer, { files }: Printed, folder: string): string[] {
  return [...files].map(([path, text]) => {
    const name = dirname(path).endsWith('.d') ? join(basename(dirname(path)), basename(path)) : basename(path)
    const target = join(computer.folder, folder, name)
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, text)
    return target
  })
}

describe('telec install --print for systemd', () => {
  const UNITS = [
    'telec-watch.service',
    'telec-watch.timer',
    'telec-update.path',
    'telec-update.service',
    'telec-update.timer',
  ]

  test('prints its units, and what teaches the service the exit code 42', async () => {
    const { files } = await print(await oddComputer(), 'systemd')
    expect([...files.keys()].map((path) => path.replace(/^.*\/systemd\/user\//, ''))).toEqual([
      ...UNITS,
      'web.service.d/telec.conf',
    ])
  })

  test('prints the same as JSON', async () => {
    const computer = await oddComputer()
    const { files, commands } = await print(computer, 'systemd')
    const args = ['install', '--print', '--json', '--manager', 'systemd']
    const { stdout } = await computer.telec('telec', args, { env: computer.env })
    const data = JSON.parse(stdout) as { files: { path: string }[]; commands: string[][] }
    expect(data.files.map(({ path }) => path)).toEqual([...files.keys()])
    expect(data.commands.map((words) => words.join(' '))).toEqual(commands)
  })

  test('prints for the system scope what takes its rights from the watcher, too', async () => {
    const computer = await oddComputer('--scope', 'system')
    const { files } = await print(computer, 'systemd')
    expect([...files.keys()].map((path) => path.replace('/etc/systemd/system/', ''))).toEqual([
      ...UNITS,
      'telec-watch.service.d/hardening.conf',
      'web.service.d/telec.conf',
    ])
  })

  test('prints a timer by which a push runs within 5 minutes, if the update itself takes up to 3', async () => {
    const { files } = await print(await oddComputer(), 'systemd')
    const timer = [...files].find(([path]) => path.endsWith('telec-watch.timer'))?.[1] ?? ''
    const seconds = (key: string) => Number(new RegExp(`^${key}=(\\d+)s$`, 'm').exec(timer)?.[1])
    // A push waits longest where it comes just after a poll: until the next one begins, at its latest …
    const untilPoll = seconds('OnUnitActiveSec') + seconds('RandomizedDelaySec') + seconds('AccuracySec')
    const longestPoll = 45 // … and that poll takes all of deployment.poll_timeout. The path unit then starts at once.
    const longestUpdate = 3 * 60
    expect(untilPoll).toBeGreaterThan(60)
    expect(untilPoll + longestPoll + longestUpdate).toBeLessThanOrEqual(5 * 60)
  })

  test.each(['user', 'system'])(
    'prints units that systemd-analyze is content with, %s scope',
    async (scope) => {
      requireTool('systemd-analyze', 'systemd')
      const computer = await oddComputer('--scope', scope)
      const units = writeOut(computer, await print(computer, 'systemd'), 'units').filter(
        (path) => !path.endsWith('.conf'),
      )
      const service = join(computer.folder, 'units/web.service')
      writeFileSync(service, `[Service]\nExecStart=${process.execPath} ${computer.checkout}/server.js\n`)
      const env = {
        ...process.env,
        SYSTEMD_UNIT_PATH: `${join(computer.folder, 'units')}:`,
        SYSTEMD_LOG_LEVEL: 'warning',
      }
      const ended = await execute('systemd-analyze', ['verify', '--man=no', ...units, service], { env })
      expect(ended).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    },
  )

  test('watches the signal in the telec home, with any name', async () => {
    const computer = await oddComputer()
    const { files } = await print(computer, 'systemd')
    const unit = (name: string) => [...files].find(([path]) => path.endsWith(`/${name}`))?.[1]
    const home = computer.home.replaceAll('%', '%%')
    expect(unit('telec-update.path')).toContain(`\nPathChanged=${home}/update_signal.json\n`)
    const quoted = `"TELEC_HOME=${home.replaceAll('"', '\\"')}"`
    for (const name of ['telec-watch.service', 'telec-update.service'])
      expect(unit(name)).toMatch(new RegExp(`^Environment=.*${escapeRegExp(quoted)}`, 'm'))
  })

  test('prints the commands that it would run', async () => {
    const { commands } = await print(await oddComputer(), 'systemd')
    expect(commands).toEqual([
      'systemctl --user daemon-reload',
      'systemctl --user enable telec-watch.timer telec-update.path telec-update.timer',
      'systemctl --user restart telec-watch.timer telec-update.path telec-update.timer',
    ])
  })
})

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

describe('telec install --print for launchd', () => {
  type Plist = Record<string, unknown>
  const text = expect.any(String)
  const minutes = expect.arrayContaining([{ Minute: expect.any(Number) }])
  /** The keys that launchd.plist(5) knows and telec uses, each with what it takes. */
  const KEYS: Plist = {
    Label: text,
    ProgramArguments: expect.arrayContaining([text]),
    EnvironmentVariables: { TELEC_HOME: text, TELEC_NAME: text, HOME: text, PATH: text, TELEC_UNIT: text },
    StartCalendarInterval: minutes,
    StandardOutPath: text,
    StandardErrorPath: text,
  }
  const OWN_KEYS: Record<string, Plist> = {
    'telec-watch': { RunAtLoad: true, LowPriorityIO: true, ProcessType: 'Background' },
    'telec-update': { WatchPaths: [text], ExitTimeOut: expect.any(Number) },
    'telec-listen': { RunAtLoad: true, KeepAlive: true, StartCalendarInterval: undefined },
  }
  const TO_JSON = 'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))'
  const parse = async (path: string) => JSON.parse(await succeed('python3', ['-c', TO_JSON, path])) as Plist

  test.each(['telec-watch', 'telec-update', 'telec-listen'])(
    'the plist of %s has the keys that launchd knows, and values of their types',
    async (label) => {
      requireTool('python3', 'python3')
      const computer = await oddComputer()
      const config = join(computer.home, 'config.yml')
      writeFileSync(config, `${readFileSync(config, 'utf8')}redis:\n  url: redis://127.0.0.1\n`)
      const paths = writeOut(computer, await print(computer, 'launchd'), 'plists')
      const plist = await parse(paths.find((path) => path.endsWith(`/${label}.plist`)) ?? '')
      expect(plist).toEqual({ ...KEYS, ...OWN_KEYS[label], Label: label })
      const program = label === 'telec-listen' ? 'telec-watch' : label
      expect((plist.ProgramArguments as string[])[0]).toMatch(new RegExp(`^/.*/${program}$`))
    },
  )

  test('the plists are XML that other parsers read, too', async () => {
    requireTool('xmllint', 'libxml2-utils')
    const computer = await oddComputer()
    const paths = writeOut(computer, await print(computer, 'launchd'), 'plists')
    expect(paths).toHaveLength(2)
    expect(await execute('xmllint', ['--noout', '--nonet', ...paths])).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    })
  })

  test('the telec home survives in each, with any name', async () => {
    const computer = await oddComputer()
    const paths = writeOut(computer, await print(computer, 'launchd'), 'plists')
    for (const path of paths) {
      const plist = await parse(path)
      expect(plist.EnvironmentVariables).toMatchObject({ TELEC_HOME: computer.home })
      expect(plist.StandardErrorPath).toBe(join(computer.folder, `Library/Logs/telec/${plist.Label}.log`))
    }
    const update = await parse(paths.find((path) => path.includes('telec-update')) ?? '')
    expect(update.WatchPaths).toEqual([join(computer.home, 'update_signal.wake')])
  })

  test("a poll every five minutes is twelve times an hour, at minutes of the computer's own", async () => {
    const computer = await oddComputer()
    const offsets = new Set<number>()
    for (const name of ['studio', 'laptop', 'attic', 'cellar', 'garage', 'kitchen']) {
      writeFileSync(
        join(computer.home, 'config.yml'),
        `computer: ${name}\ndeployment:\n  checkout: ${computer.checkout}\n  poll_every: 5m\n`,
      )
      const paths = writeOut(computer, await print(computer, 'launchd'), 'plists')
      const watch = await parse(paths.find((path) => path.includes('telec-watch')) ?? '')
      const minutes = (watch.StartCalendarInterval as { Minute: number }[]).map(({ Minute }) => Minute)
      const [offset = Number.NaN] = minutes
      offsets.add(offset)
      expect(minutes).toEqual(Array.from({ length: 12 }, (_, index) => index * 5 + offset))
      expect(offset).toBeLessThan(5)
    }
    expect(offsets.size).toBeGreaterThan(1)
  })
})

test.each(['systemd', 'launchd'] as const)('--print for %s changes nothing', async (manager) => {
  const computer = await oddComputer()
  const before = readTree(computer.folder)
  await print(computer, manager)
  expect(readTree(computer.folder)).toEqual(before)
})

test('without a configuration there is nothing to print', async () => {
  const computer = await makeComputer({ init: false })
  onTestFinished(() => computer.dispose())
  expectFailure(await computer.telec('telec', ['install', '--print']), 78, ['telec init'])
})
