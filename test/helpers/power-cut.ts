import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Computer, makeComputer, version } from './computer.ts'
import { readTree } from './tree.ts'
import { watchAndUpdate } from './update.ts'
import { endState, expectReadable } from './update-sweep.ts'

/** Its check is of what the migration wrote, as that of a file's name would be true of one that a power cut emptied. */
export const migration = (name: string) => `import { existsSync, readFileSync, writeFileSync } from 'node:fs'
const to = process.env.TELEC_HOME + '/${name}.marker'
export const check = () => existsSync(to) && readFileSync(to, 'utf8') === 'ran\\n'
export const migrate = () => (writeFileSync(to, 'ran\\n'), true)
`
export const IDS = ['1.1.0/001_first.mjs', '1.1.0/002_second.mjs']
const INSTALL =
  'rm -rf modules && mkdir modules && for i in 1 2 3 4 5 6 7 8; do echo "module $i of $TELEC_TO" >modules/$i; done && echo installed >installed'

/** A computer of which an update was signalled; what it has to do is of all kinds. */
export async function signalled(): Promise<Computer> {
  const computer = await makeComputer({ initArgs: ['--install', INSTALL] })
  const files = (text: string) =>
    Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`src/${index}.js`, `${text} ${index}\n`]))
  await computer.push({
    ...files('old'),
    'gone.js': 'gone\n',
    'old.js': 'moved\n',
    '.gitignore': 'installed\nmodules\n',
  })
  expect(await watchAndUpdate(computer)).toMatchObject({ code: 42 })
  await computer.push({
    ...version('1.1.0'),
    ...files('new and longer'),
    'gone.js': null,
    'old.js': null,
    'lib/moved.js': 'moved\n',
    'lib/new.js': 'new\n',
    ...Object.fromEntries(IDS.map((id) => [`migrations/v${id}`, migration(id.split('/')[1] ?? '')])),
  })
  expect(await computer.telec('telec-watch')).toMatchObject({ code: 0 })
  return computer
}

/** All that must be the same after a cut, to the byte; whether a poll found nothing since then is not. */
export async function endOf(computer: Computer) {
  const { names, ...state } = await endState(computer)
  return { state, names: names.filter((name) => name !== 'quiet'), files: readTree(computer.checkout) }
}

export type End = Awaited<ReturnType<typeof endOf>>

/** Every record after the boot is on the disk: of the deployed version, in each file that names it, and of migrations. */
export function expectTrue(computer: Computer, end: End | null, where: string): void {
  expectReadable(computer, where)
  const { deployed } = computer.state('update_state.json') as { deployed: { version: string } }
  const { status, version: of } = computer.state('status.json') ?? {}
  const history = (computer.state('history.json') ?? []) as { target: { version: string }; halted: unknown }[]
  const told = history.filter(({ target }) => target.version === '1.1.0')
  expect(told.length, `it is told once, ${where}`).toBeLessThanOrEqual(1)
  expect(
    told.filter(({ halted }) => halted),
    `nothing fails in a power cut, ${where}`,
  ).toEqual([])
  if (deployed.version === '1.1.0' || (status === 'updated' && of === '1.1.0') || told.length === 1)
    expect(readTree(computer.checkout), `deployed, ${where}`).toEqual(end?.files)
  const journal = join(computer.home, 'migration_state.journal')
  const recorded = JSON.stringify(computer.state('migration_state.json')?.applied)
  const text = recorded + (existsSync(journal) ? readFileSync(journal, 'utf8') : '')
  for (const id of IDS.filter((one) => text.includes(`"${one}"`))) {
    const marker = join(computer.home, `${id.split('/')[1]}.marker`)
    expect(readFileSync(marker, 'utf8'), `${id} is recorded, ${where}`).toBe('ran\n')
  }
}
