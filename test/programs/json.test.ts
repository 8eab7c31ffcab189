import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST, succeed } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'
import { watchAndUpdate } from '../helpers/update.ts'

const MIGRATION = '1.1.0/001_first.mjs'

/** Each command that has --json, in an order in which a computer that was updated to 1.1.0 can run them. */
const COMMANDS: readonly (readonly [name: string, ...args: string[]])[] = [
  ['version'],
  ['status'],
  ['status', '--fleet'],
  ['doctor'],
  ['history'],
  ['watch'],
  ['update', '--dry-run'],
  ['update'],
  ['update rollback', '--dry-run', '--force'],
  ['rollback', '--dry-run', '--force'],
  ['hold', '1.0.0'],
  ['unhold', '1.0.0'],
  ['pin', '1.1.0'],
  ['unpin'],
  ['pause'],
  ['resume'],
  ['repair'],
  ['migrate status'],
  ['migrate plan', '--check'],
  ['migrate mark', MIGRATION, '--pending', '--yes'],
  ['migrate', '--dry-run'],
  ['migrate'],
  ['migrate new', 'a change', '--version', '1.2.0'],
  ['migrate verify', '--home', 'before', '--checkout', 'app', MIGRATION],
  ['notify', '--release', '1.1.0'],
  ['fleet forget', 'studio'],
  ['install', '--print', '--manager', 'systemd'],
  ['uninstall'],
  ['init', '--name', 'other', '--checkout', 'other'],
  ['status'], // of several services
]

/** journalctl prints it, not telec. */
const OF_JOURNALD = 'logs'

/** The names of those whose help has --json. The other programs have the options of `telec watch` and so on. */
async function commandsWithJson(words: readonly string[] = []): Promise<string[]> {
  const help = await succeed(process.execPath, [join(DIST, 'telec'), ...words, '--help'])
  const [options = '', rest = ''] = help.split('\nCommands:\n')
  const [commands = ''] = rest.split('\n\n')
  const names = [...commands.matchAll(/^ {2}([a-z]+) /gm)].flatMap(([, name = '']) => name)
  const below = names.filter((name) => name !== 'help').map((name) => commandsWithJson([...words, name]))
  return [/^ +--json /m.test(options) ? [words.join(' ')] : [], ...(await Promise.all(below))].flat()
}

async function updatedOnce(): Promise<Computer> {
  const redis = await startRedis()
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  const files = { ...version('1.1.0'), ...markerMigration('1.1.0', '001_first.mjs') }
  await computer.push(files, { tag: 'v1.1.0' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  await succeed('git', ['clone', '--quiet', computer.remote, join(computer.folder, 'other')])
  mkdirSync(join(computer.folder, 'before'))
  return computer
}

test('every command with --json is tried here', async () => {
  const tried = new Set(COMMANDS.map(([name]) => name))
  expect((await commandsWithJson()).toSorted()).toEqual([...tried, OF_JOURNALD].toSorted())
})

test('each document that --json prints says its version, and so does each of a list', async () => {
  const computer = await updatedOnce()
  for (const [name, ...args] of COMMANDS) {
    const { stdout, stderr } = await computer.telec('telec', [...name.split(' '), ...args, '--json'])
    expect(stdout, `${name}: ${stderr}`).toMatch(/^[[{]/)
    const documents = [JSON.parse(stdout)].flat() as Record<string, unknown>[]
    expect(documents, name).not.toEqual([])
    for (const document of documents) expect(document, name).toMatchObject({ version: 1 })
  }
})
