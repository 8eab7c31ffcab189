import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { SHUTDOWN } from '../helpers/disk.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute, succeed } from '../helpers/programs.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** A disk of the computer on which nothing of the service is. */
async function otherDisk(computer: Computer): Promise<string> {
  requireTool('mkfs.ext4', 'e2fsprogs')
  const [image, disk] = [join(computer.folder, 'image'), join(computer.folder, 'disk')]
  mkdirSync(disk)
  await succeed('truncate', ['--size=16M', image])
  await succeed('mkfs.ext4', ['-q', '-F', image])
  await succeed('mount', ['-o', 'loop', image, disk])
  onTestFinished(async () => void (await execute('umount', ['-l', disk])))
  return disk
}

test('one that is broken does not hold up an update, which says so once', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'true'] })
  const disk = await otherDisk(computer)
  await succeed('perl', ['-e', SHUTDOWN, disk])
  await computer.push(version('1.1.0'))
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(ended.stderr.match(/cannot sync every disk/g), ended.stderr).toHaveLength(1)
  expect(ended.stderr).toContain(`'${disk}': Input/output error`)
})

test('a process that waits for a dead disk and takes no signal is left alone at its time limit', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'true'] })
  const disk = await otherDisk(computer)
  const settings = [
    `checkout: ${computer.checkout}`,
    `install: echo more >${disk}/file`,
    'install_timeout: 1s',
  ]
  computer.writeConfig(`deployment:\n${settings.map((line) => `  ${line}\n`).join('')}`)
  await succeed('fsfreeze', ['--freeze', disk])
  onTestFinished(async () => void (await execute('fsfreeze', ['--unfreeze', disk])))
  await computer.push(version('1.1.0'))
  expectFailure(await watchAndUpdate(computer), 1, ['did not end within 1 s, and was killed'])
  await succeed('fsfreeze', ['--unfreeze', disk])
  expect(await computer.telec('telec-update', ['--retry'])).toMatchObject({ code: 42 })
})
