import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST, type Ended, succeed } from '../helpers/programs.ts'
import { telecRun } from '../helpers/supervised.ts'
import { watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

const SERVER = `process.on('SIGTERM', () => process.exit(42)); setInterval(() => {}, 1000)\n`

/** A computer on which all that a user fetches stays loose at first. */
async function computerWithLoose(): Promise<Computer> {
  const computer = await freshComputer()
  await computer.gitInCheckout('config', 'fetch.unpackLimit', '10000')
  return computer
}

/** Pushes 700 objects, by far enough to be collected, which a user fetches. */
async function pushMuch(computer: Computer, round: number): Promise<string> {
  const names = Array.from({ length: 698 }, (_, index) => [`f${index}.txt`, `${round} ${index}\n`])
  const commit = await computer.push({ ...version(`1.0.${round}`), ...Object.fromEntries(names) })
  await computer.gitInCheckout('fetch', '--quiet')
  return commit
}

async function updateMuch(computer: Computer, round: number, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const commit = await pushMuch(computer, round)
  const ended = await watchAndUpdate(computer, [], env)
  expect(ended.code, ended.stderr).toBe(42)
  expect(await computer.gitInCheckout('rev-parse', 'HEAD')).toBe(commit)
  return ended
}

async function countLoose(computer: Computer): Promise<number> {
  return Number.parseInt(await computer.gitInCheckout('count-objects'), 10)
}

describe('after many updates', () => {
  test("git's garbage is collected, by git's own rules, and without the checkout's hooks", async () => {
    const computer = await computerWithLoose()
    const hook = join(computer.checkout, '.git/hooks/pre-auto-gc')
    const proof = join(computer.folder, 'hook-ran')
    writeFileSync(hook, `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 })
    const mine = await computer.gitInCheckout('commit-tree', '-m', 'in no ref', 'HEAD^{tree}')
    for (const round of [1, 2]) {
      expect((await updateMuch(computer, round)).stderr).toContain('garbage: collected')
      expect(await countLoose(computer)).toBe(1) // the one in no ref
    }
    await computer.gitInCheckout('fsck', '--full', '--strict')
    await computer.gitInCheckout('cat-file', '-e', mine)
    expect(existsSync(proof)).toBe(false)
    const kib = async (folder: string) => Number.parseInt(await succeed('du', ['-sk', folder]), 10)
    const copy = join(computer.folder, 'copy')
    await succeed('cp', ['-r', computer.checkout, copy])
    await succeed('git', ['-C', copy, 'gc', '--quiet', '--prune=now'])
    expect(await kib(join(computer.checkout, '.git'))).toBeLessThan(2 * (await kib(join(copy, '.git'))))
  })

  test('it stays where a user has turned that off', async () => {
    const computer = await computerWithLoose()
    await computer.gitInCheckout('config', 'gc.auto', '0')
    expect((await updateMuch(computer, 1)).stderr).not.toContain('garbage')
    expect(await countLoose(computer)).toBeGreaterThan(690)
  })

  test('a git that is killed as it collects fails no update, and the next one collects', async () => {
    const computer = await computerWithLoose()
    const killed = await withGit(computer, `case " $* " in *" repack "*) kill -9 $$ ;; esac`)
    expect((await updateMuch(computer, 1, killed)).stderr).toContain("cannot collect git's garbage")
    expect((await updateMuch(computer, 20)).stderr).toContain('garbage: collected')
    expect(await countLoose(computer)).toBeLessThan(100)
  })

  test('a telec that is killed as it collects leaves nothing in the way of the next one', async () => {
    const computer = await computerWithLoose()
    const lock = join(computer.checkout, '.git/packed-refs.lock')
    const kill = `touch ${lock}; kill -9 $(sed -n 's/^.*, pid \\([0-9]*\\),.*/\\1/p' "$TELEC_HOME/telec.lock"); exit 1`
    const killing = await withGit(computer, `case " $* " in *" repack "*) ${kill} ;; esac`)
    await pushMuch(computer, 2)
    expect((await watchAndUpdate(computer, [], killing)).signal).toBe('SIGKILL')
    const { stderr } = await updateMuch(computer, 20)
    expect(stderr).toContain('removed stale locks: packed-refs.lock')
    expect(stderr).toContain('garbage: collected')
  })

  test('an update that is signalled meanwhile is done before telec-update exits', async () => {
    const computer = await computerWithLoose()
    await computer.push({ 'server.js': SERVER })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    computer.writeConfig(
      `deployment:\n  checkout: ${computer.checkout}\n  poll_every: 1h\nservice:\n  name: web\n`,
    )
    const supervised = await telecRun(computer, [process.execPath, 'server.js'])
    const work = join(computer.folder, 'work')
    const again = `touch ${computer.folder}/asked; cd ${work} && echo '{"version":"2.0.0"}' >package.json && $git commit -qam last && $git push -q origin HEAD:main && ${process.execPath} ${join(DIST, 'telec-watch')}`
    const env = await withGit(
      computer,
      `case " $* " in *" repack "*) [ -e ${computer.folder}/asked ] || (${again}) ;; esac`,
    )
    await pushMuch(computer, 1)
    const ended = await watchAndUpdate(computer, [], env)
    expect(ended.code, ended.stderr).toBe(0)
    expect(computer.state('update_state.json')?.deployed).toMatchObject({ version: '2.0.0' })
    await supervised.stop()
  })
})

test("telec's own refs are bounded, and followed refs stay", async () => {
  const computer = await freshComputer()
  await computer.push(version('1.1.0'))
  expect((await watchAndUpdate(computer)).stderr).not.toContain('garbage')
  const refs = async () =>
    (await computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec/')).split('\n')
  expect(await refs()).toEqual(['refs/telec/kept/heads%2Fmain'])
  const tree = await computer.gitInCheckout('rev-parse', 'HEAD^{tree}')
  const day = 24 * 60 * 60
  const now = Math.floor(Date.now() / 1000)
  /** A kept ref of this age, in days. */
  const putAside = async (kind: string, days: number) => {
    const text = `tree ${tree}\nauthor A <a@x> ${now - days * day} +0000\ncommitter A <a@x> ${now - days * day} +0000\n\n`
    const path = join(computer.folder, 'commit')
    writeFileSync(path, text)
    const id = await computer.gitInCheckout('hash-object', '-t', 'commit', '-w', path)
    await computer.gitInCheckout('update-ref', `refs/telec/${kind}/${id.slice(0, 12)}`, id)
  }
  for (let days = 1; days <= 70; days += 1) await putAside('stash', days)
  await putAside('rescued', 1_000)
  await computer.gitInCheckout('update-ref', 'refs/telec/mine/work', 'HEAD')
  for (const name of ['heads%2Fgone', 'tags%2Fv0.1.0'])
    await computer.gitInCheckout('update-ref', `refs/telec/kept/${name}`, 'HEAD')
  await computer.push(version('1.2.0'))
  expect((await watchAndUpdate(computer)).code).toBe(42)
  const left = await refs()
  const ofKind = (kind: string) => left.filter((ref) => ref.startsWith(`refs/telec/${kind}/`))
  expect(ofKind('kept')).toEqual(['refs/telec/kept/heads%2Fmain'])
  expect(ofKind('stash')).toHaveLength(50)
  expect(ofKind('rescued')).toHaveLength(1)
  expect(ofKind('mine')).toHaveLength(1)
  expect(readdirSync(join(computer.checkout, '.git/refs/telec/stash'))).toHaveLength(50)
})
