import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { type Ended, succeed } from '../helpers/programs.ts'
import { watchAndUpdate } from '../helpers/update.ts'
import { withGit } from '../helpers/with-git.ts'

// An update that brings fewer objects than fetch.unpackLimit leaves them loose.

/** An update that adds 90 loose objects. */
async function updateMuch(computer: Computer, round: number, env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const names = Array.from({ length: 88 }, (_, index) => [`f${index}.txt`, `${round} ${index}\n`])
  const commit = await computer.push({ ...version(`1.0.${round}`), ...Object.fromEntries(names) })
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
    const computer = await freshComputer()
    const hook = join(computer.checkout, '.git/hooks/pre-auto-gc')
    const proof = join(computer.folder, 'hook-ran')
    writeFileSync(hook, `#!/bin/sh\ntouch ${proof}\n`, { mode: 0o755 })
    const mine = await computer.gitInCheckout('commit-tree', '-m', 'in no ref', 'HEAD^{tree}')
    let collected = 0
    for (let round = 1; round <= 14; round += 1) {
      const { stderr } = await updateMuch(computer, round)
      if (stderr.includes('garbage: collected')) collected += 1
      expect(await countLoose(computer)).toBeLessThan(800)
    }
    expect(collected).toBe(2)
    await computer.gitInCheckout('fsck', '--full', '--strict')
    await computer.gitInCheckout('cat-file', '-e', mine)
    expect(existsSync(proof)).toBe(false)
    const kib = async (folder: string) => Number.parseInt(await succeed('du', ['-sk', folder]), 10)
    const copy = join(computer.folder, 'copy')
    await succeed('cp', ['-r', computer.checkout, copy])
    await succeed('git', ['-C', copy, 'gc', '--quiet', '--prune=now'])
    const loose = 4 * (await countLoose(computer))
    expect((await kib(computer.checkout)) - loose).toBeLessThan(2 * (await kib(copy)))
  })

  test('it stays where a person has turned that off', async () => {
    const computer = await freshComputer()
    await computer.gitInCheckout('config', 'gc.auto', '0')
    for (let round = 1; round <= 8; round += 1)
      expect((await updateMuch(computer, round)).stderr).not.toContain('garbage')
    expect(await countLoose(computer)).toBeGreaterThan(700)
  })

  test('a git that is killed as it collects fails no update, and the next one collects', async () => {
    const computer = await freshComputer()
    const killed = await withGit(computer, `case " $* " in *" repack "*) kill -9 $$ ;; esac`)
    let warned = false
    for (let round = 1; round <= 8 && !warned; round += 1)
      warned = (await updateMuch(computer, round, killed)).stderr.includes(
        'the garbage of git was not collected',
      )
    expect(warned).toBe(true)
    expect((await updateMuch(computer, 20)).stderr).toContain('garbage: collected')
    expect(await countLoose(computer)).toBeLessThan(100)
  })
})

test("telec's own refs are bounded, and what is followed stays", async () => {
  const computer = await freshComputer()
  expect((await updateMuch(computer, 1)).stderr).not.toContain('garbage')
  const refs = async () =>
    (await computer.gitInCheckout('for-each-ref', '--format=%(refname)', 'refs/telec/')).split('\n')
  expect(await refs()).toEqual(['refs/telec/kept/heads%2Fmain'])
  const tree = await computer.gitInCheckout('rev-parse', 'HEAD^{tree}')
  const day = 24 * 60 * 60
  const now = Math.floor(Date.now() / 1000)
  /** One that was put aside so many days ago. */
  const putAside = async (kind: string, days: number) => {
    const text = `tree ${tree}\nauthor A <a@x> ${now - days * day} +0000\ncommitter A <a@x> ${now - days * day} +0000\n\n`
    const path = join(computer.folder, 'commit')
    writeFileSync(path, text)
    const id = await computer.gitInCheckout('hash-object', '-t', 'commit', '-w', path)
    await computer.gitInCheckout('update-ref', `refs/telec/${kind}/${id.slice(0, 12)}`, id)
  }
  for (let days = 1; days <= 70; days += 1) await putAside('stash', days)
  await putAside('rescued', 1_000)
  for (const name of ['heads%2Fgone', 'tags%2Fv0.1.0'])
    await computer.gitInCheckout('update-ref', `refs/telec/kept/${name}`, 'HEAD')
  await updateMuch(computer, 2)
  const left = await refs()
  const ofKind = (kind: string) => left.filter((ref) => ref.startsWith(`refs/telec/${kind}/`))
  expect(ofKind('kept')).toEqual(['refs/telec/kept/heads%2Fmain'])
  expect(ofKind('stash')).toHaveLength(50)
  expect(ofKind('rescued')).toHaveLength(1)
  expect(readdirSync(join(computer.checkout, '.git/refs/telec/stash'))).toHaveLength(50)
})
