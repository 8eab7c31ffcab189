import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import {
  type DisturbedPrograms,
  disturbPrograms,
  OF_AN_UPDATE,
  type ProgramCall,
} from '../helpers/disturbed-programs.ts'
import { DIST, type Ended, succeed } from '../helpers/programs.ts'
import { restore, snapshot } from '../helpers/snapshot.ts'
import {
  addSubmodule,
  commitTo,
  configureSubmodules,
  followRemote,
  putAside,
  removePath,
} from '../helpers/submodules.ts'
import { createTally, isWhole, locksBelow, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { expectDesigned, expectReadable } from '../helpers/update-sweep.ts'

/**
 * An update in which one submodule comes, with another one in it; one moves, and so does the one in it; one becomes a folder
 * with files, and a folder one; one is removed; one gets another URL. It is killed, and started again.
 */
let computer: Computer
let commit: string
let programs: DisturbedPrograms
let calls: readonly ProgramCall[]
let undisturbed: Awaited<ReturnType<typeof endState>>

/** Where a service has left a file; the update replaces all of these but the first. */
const SERVED = ['moves', 'vendored', 'folder']
const BY_HAND = 'by hand\n'

beforeAll(async () => {
  computer = await makeComputer()
  configureSubmodules(computer)
  const work = join(computer.folder, 'work')
  const library = (name: string) => join(computer.folder, name)
  const url = (name: string) => `file://${library(name)}`
  const files = (text: string) => ({ 'lib.txt': text, 'more.txt': text, [`${text.trim()}.txt`]: 'one\n' })
  const add = (name: string, from = name) => addSubmodule(work, url(from), name)
  for (const name of ['inner', 'vendored', 'removed', 'url', 'folder'])
    await commitTo(library(name), files(`${name}\n`))
  for (const name of ['moves', 'comes']) {
    await commitTo(library(name), { ...files(`${name}\n`), 'notes.txt': 'as committed\n' })
    await addSubmodule(library(name), url('inner'), 'inner')
    await commitTo(library(name), {})
  }
  for (const name of ['moves', 'vendored', 'removed', 'url']) await add(name)
  await computer.push({ ...version('1.1.0'), 'folder/lib.txt': 'plain\n' })
  await computer.telec('telec-watch')
  const first = await computer.telec('telec-update')
  expect(first, first.stderr).toMatchObject({ code: 42 })
  for (const name of SERVED)
    writeFileSync(join(computer.checkout, name, 'cache'), `of the service: ${name}\n`)
  writeFileSync(join(computer.checkout, 'moves', 'notes.txt'), BY_HAND)

  await commitTo(library('inner'), { 'lib.txt': 'two\n', 'two.txt': 'two\n' })
  await succeed('git', ['-C', join(library('moves'), 'inner'), 'pull', '--quiet'])
  await commitTo(library('moves'), { 'lib.txt': 'two\n', 'two.txt': 'two\n' })
  await succeed('git', ['-C', library('moves'), 'rm', '--quiet', 'moves.txt'])
  await commitTo(library('moves'), { 'more.txt': 'two\n' })
  await followRemote(computer, 'moves')
  await commitTo(library('url-two'), { ...files('other\n'), 'lib.txt': 'two\n' })
  for (const name of ['vendored', 'removed', 'folder']) await removePath(computer, name)
  await computer.git('config', '--file', '.gitmodules', 'submodule.url.url', url('url-two'))
  await computer.git('submodule', '--quiet', 'sync', 'url')
  await followRemote(computer, 'url')
  for (const name of ['folder', 'comes']) await add(name)
  commit = await computer.push({
    ...version('1.2.0'),
    'vendored/lib.txt': 'plain\n',
    'vendored/own/x': 'x\n',
  })
  await computer.telec('telec-watch')
  snapshot(computer)
  restore(computer) // as each time: a copy's files are not those that git's index has noted
  programs = await disturbPrograms(computer, [], {
    ...OF_AN_UPDATE,
    programs: [...OF_AN_UPDATE.programs, 'rm'],
  })
  calls = await programs.record()
  undisturbed = await endState()
  expect(undisturbed).toMatchObject({
    head: commit,
    caches: SERVED.map((name) => `of the service: ${name}\n`),
  })
}, SWEEP_TIMEOUT_MS)
afterAll(() => computer?.dispose())

/** The work trees of all repositories, with what git says of them. */
async function endState() {
  const names = readdirSync(computer.checkout, { recursive: true, encoding: 'utf8' })
  const paths = names.filter((name) => !/(^|\/)\.git(\/|$)/.test(name)).sort()
  const isFile = (name: string) => lstatSync(join(computer.checkout, name)).isFile()
  const text = (name: string) => readFileSync(join(computer.checkout, name), 'utf8')
  const caches = paths.filter((name) => name.endsWith('/cache')).map(text)
  const submodules = await computer.gitInCheckout('submodule', 'status', '--recursive')
  const { deployed, update, halted } = computer.state('update_state.json') as Record<string, unknown>
  return {
    head: await computer.gitInCheckout('rev-parse', 'HEAD'),
    files: paths.filter(isFile).map((name) => [name, text(name)]),
    submodules: submodules.replace(/ \(.*\)$/gm, ''), // without the names of refs
    changes: await computer.gitInCheckout('status', '--porcelain', '--ignore-submodules=none'),
    url: readFileSync(join(computer.checkout, '.git/modules/url/config'), 'utf8').match(/url = .*/)?.[0],
    caches: [...caches, ...putAside(computer, 'cache')].sort(byServed),
    deployed: (deployed as { commit: string }).commit,
    open: { update, halted },
    locks: locksBelow(join(computer.checkout, '.git')),
  }
}

function byServed(one: string, other: string): number {
  const place = (text: string) => SERVED.findIndex((name) => text.endsWith(` ${name}\n`))
  return place(one) - place(other)
}

/** Expects the update to be whole where it is called so, and else to be completed by the next telec-update. */
async function goesOn(killed: Ended, where: string): Promise<void> {
  // git begins a clone that was killed once more, and its first lock is in nobody's way.
  if (killed.code === 42) return expect({ ...(await endState()), locks: [] }, where).toEqual(undisturbed)
  const state = computer.state('update_state.json') as { deployed: { commit: string } }
  if (state.deployed.commit === commit)
    expect({ ...(await endState()), open: null }, where).toEqual({ ...undisturbed, open: null })
  const again = await computer.telec('telec-update', ['--retry'])
  expect([0, 42], `${where}\nthen: ${again.stderr}`).toContain(again.code)
  expect(await endState(), `${where}\nthen: ${again.stderr}`).toEqual(undisturbed)
}

test(
  'what an update starts, killed at any call that changes something, with telec-update or without it',
  async () => {
    const killTelec = join(computer.folder, 'kill-telec-update')
    const script = `#!/bin/sh
pid=$PPID
until grep -q '${join(DIST, 'telec-update')}' /proc/$pid/cmdline; do read -r _ _ _ pid _ </proc/$pid/stat; done
kill -s KILL $pid
`
    writeFileSync(killTelec, script, { mode: 0o755 })
    const tally = createTally('kills among submodules')
    for (const [index, cut] of sampled(calls, 5).entries()) {
      restore(computer)
      const isWithTelec = index % 2 === 0 || cut.program === 'rm' // xargs(1) calls a kill of it a failure
      const { ended, isInjected } = await programs.update(cut, 'signal=SIGKILL', isWithTelec ? killTelec : '')
      const where = `${cut.program} (${cut.start}) killed at ${cut.call} ${cut.occurrence}: ${ended.stderr}`
      expect(isInjected, `not reached: ${where}`).toBe(true)
      if (isWithTelec) expect(ended.signal, where).toBe('SIGKILL')
      else expectDesigned(ended, [42, 75], where)
      expectReadable(computer, where)
      tally.add(`${cut.program} ${cut.call}`, isWithTelec ? 'with telec-update' : `exit code ${ended.code}`)
      await goesOn(ended, where)
    }
    expect(tally.total()).toBeGreaterThan(isWhole ? 600 : 4)
  },
  SWEEP_TIMEOUT_MS,
)
