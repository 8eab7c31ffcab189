import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Computer } from './computer.ts'
import { freshComputer } from './fresh-computer.ts'
import { requireTool } from './missing-tool.ts'
import { succeed } from './programs.ts'

/** A computer whose checkout is on a disk that tells no case, as those of Macs: NTFS, by way of FUSE. */
export async function onCaselessDisk(): Promise<Computer> {
  requireTool('mkntfs', 'ntfs-3g')
  requireTool('lowntfs-3g', 'ntfs-3g')
  const computer = await freshComputer({ init: false })
  const [image, disk] = [join(computer.folder, 'image'), join(computer.folder, 'disk')]
  mkdirSync(disk)
  mkdirSync(computer.home, { mode: 0o700 })
  await succeed('truncate', ['--size=128M', image])
  await succeed('mkntfs', ['--quick', '--quiet', '--force', image])
  await succeed('lowntfs-3g', [image, disk, '-o', 'ignore_case,permissions'])
  onTestFinished(async () => {
    await succeed('umount', [disk])
  })
  chmodSync(disk, 0o755) // where anybody may write, anybody could put another checkout
  const checkout = join(disk, 'app')
  await computer.git('clone', '--quiet', computer.remote, checkout)
  computer.writeConfig(`deployment:\n  checkout: ${checkout}\n  install: 'true'\n`)
  return { ...computer, checkout, gitInCheckout: (...args) => computer.git('-C', checkout, ...args) }
}
