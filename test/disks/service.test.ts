import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Computer, makeComputer, version } from '../helpers/computer.ts'
import { type Disk, type DiskKind, putOnDisk } from '../helpers/disk.ts'
import { succeed } from '../helpers/programs.ts'
import { runInjected } from '../helpers/strace.ts'
import { telecRun } from '../helpers/supervised.ts'
import { createTally, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'
import { readTree } from '../helpers/tree.ts'
import { until } from '../helpers/until.ts'
import { expectReadable } from '../helpers/update-sweep.ts'

const SERVER = `process.on('SIGTERM', () => process.exit(42))
console.log('web ' + require('./package.json').version)
setInterval(() => {}, 60000)
`
/** Which of the files that telec-update puts in place is the one before which the power is cut, once install has ended. */
const RENAMES = [6, 7, 8, 9, 10]

/** As a power cut ends them: it is stopped first, so that it starts nothing meanwhile. */
function killWithChildren({ pid = 0 }: ChildProcess): void {
  process.kill(pid, 'SIGSTOP')
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
  for (const one of [...children.map(Number), pid]) process.kill(one, 'SIGKILL')
}

describe.each<DiskKind>(['ext4', 'xfs'])(
  'on %s, cut off its power around the restart of a service',
  (kind) => {
    let computer: Computer
    let disk: Disk
    let base: string

    beforeAll(async () => {
      computer = await makeComputer({ init: false })
      base = await computer.push({ 'server.js': SERVER, '.gitignore': 'installed\n' })
      await computer.gitInCheckout('pull', '--quiet')
      const install = ['--install', 'cp package.json installed']
      await computer.telec('telec', ['init', '--checkout', computer.checkout, '--service', 'web', ...install])
      await succeed('sed', [
        '-i',
        's/# healthy_after: 5s/healthy_after: 0s/',
        join(computer.home, 'config.yml'),
      ])
      disk = await putOnDisk(computer, kind)
    })
    afterAll(async () => {
      await disk?.dispose()
      computer?.dispose()
    })

    test(
      'the new version runs after the boot',
      async () => {
        const tally = createTally(`power cuts on ${kind}, around the restart`)
        for (const occurrence of sampled(RENAMES, 2)) {
          await disk.restore()
          await computer.git('reset', '--quiet', '--hard', base)
          await computer.git('push', '--quiet', '--force', 'origin', 'HEAD:main')
          const before = await telecRun(computer, [process.execPath, 'server.js'])
          const commit = await computer.push(version(`1.1.${occurrence}`))
          await computer.telec('telec-watch')
          const cut = { call: 'rename', occurrence, paths: [], alone: true, env: computer.env }
          const killed = await runInjected('telec-update', [], cut)
          await succeed(disk.cutCommand, [])
          const where = `cut at rename ${occurrence}: ${killed.stderr}`
          expect(killed.signal, where).toBe('SIGKILL')
          killWithChildren(before.process)
          await disk.boot()
          expectReadable(computer, where)
          const after = await telecRun(computer, [process.execPath, 'server.js'])
          await until('the update to be done', async () => {
            await computer.telec('telec-update')
            const { deployed } = computer.state('update_state.json') as { deployed: { commit: string } }
            return deployed.commit === commit && computer.state('status.json')?.status === 'updated'
          })
          await until('the new version to run', async () =>
            after.output().includes(`web 1.1.${occurrence}\n`),
          )
          const files = readTree(computer.checkout)
          expect(files['package.json'], where).toBe(version(`1.1.${occurrence}`)['package.json'])
          expect(files.installed, where).toBe(files['package.json'])
          expect(await computer.gitInCheckout('status', '--porcelain'), where).toBe('')
          expect(await after.stop(), where).toBe(42)
          tally.add(`rename ${occurrence}`, 'gone on from')
        }
        expect(tally.total()).toBeGreaterThan(1)
      },
      SWEEP_TIMEOUT_MS,
    )
  },
)
