import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { requireTool } from './missing-tool.ts'
import { execute, succeed } from './programs.ts'
import { until } from './until.ts'

/** Each kind of file system, and its mkfs; xfs takes no less than 300 MiB, in a sparse image. */
const KINDS = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], package: 'e2fsprogs', options: 'loop' },
  xfs: { make: ['mkfs.xfs', '-q', '-f'], package: 'xfsprogs', options: 'loop,nouuid' }, // a copy of one that is still alive
  btrfs: { make: ['mkfs.btrfs', '-q', '-f'], package: 'btrfs-progs', options: 'loop' },
} as const
export type DiskKind = keyof typeof KINDS

/** FS_IOC_SHUTDOWN with FS_SHUTDOWN_FLAGS_NOLOGFLUSH: from now on nothing is written. */
export const SHUTDOWN = `open(F, "<", shift) or die; $x = pack("L", 2); ioctl(F, 0x8004587D, $x) or die "no shutdown: $!"`
/** In the same moment, so that nobody else's sync comes between. */
const WRITE_LOST = `open(L, ">", "lost") or die; print L "lost"; close(L);`

/** A file system on a loop device that holds a computer's checkout and home, and whose power can be cut. */
export interface Disk {
  /** The command that cuts it, after it wrote a file that this must lose. */
  readonly cutCommand: string
  /**
   * Mounts it again, with the disk as the power cut left it. Throws where it was not cut. @returns whether the last
   * write is lost; a copy of btrfs's device takes a while, in which another process may have synced all disks
   */
  boot(): Promise<boolean>
  /** Empty again, and mounted. */
  restore(): Promise<void>
  /** Unmounts everything. */
  dispose(): Promise<void>
}

/** Puts the checkout and the home of a computer on a disk of their own; at the same paths, by bind mounts. */
export async function putOnDisk(computer: Computer, kind: DiskKind): Promise<Disk> {
  const [program, ...options] = KINDS[kind].make
  requireTool(program, KINDS[kind].package)
  requireTool('perl', 'perl-base')
  const at = (name: string) => join(computer.folder, name)
  const [image, next, before, left, disk, lost] = [
    'image',
    'image.next',
    'image.before',
    'image.left',
    'disk',
    'disk/lost',
  ].map(at) as [string, string, string, string, string, string]
  const folders = [computer.checkout, computer.home]
  mkdirSync(disk)
  await succeed('truncate', ['--size=320M', image])
  await succeed(program, [...options, image])

  /** From a new file: the old one may still be mounted in another namespace, whose memory differs from the disk. */
  const mount = async (source: string) => {
    await succeed('cp', ['--sparse=always', source, next])
    await succeed('mv', [next, image])
    await succeed('mount', ['-o', KINDS[kind].options, image, disk])
    for (const folder of folders) await succeed('mount', ['--bind', join(disk, nameOf(folder)), folder])
  }
  const isMounted = (path: string) => readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} `)
  const unmount = async () => {
    // Processes killed with the power are exiting.
    for (const path of [...folders, disk])
      await until(`${path} not to be in use`, async () => {
        if (isMounted(path)) await execute('umount', [path])
        return !isMounted(path)
      })
  }
  // btrfs knows no shutdown: what its device holds at that moment is kept aside instead.
  const stop =
    kind === 'btrfs'
      ? `perl -e '${WRITE_LOST}' && cp --sparse=always '${image}' '${left}'`
      : `perl -e '${WRITE_LOST} ${SHUTDOWN}' .`
  writeFileSync(at('cut'), `#!/bin/sh\ncd '${disk}' && ${stop} && touch '${at('cut.done')}'\n`)
  chmodSync(at('cut'), 0o755)

  const dispose = async () => {
    // Also where a test failed, and left what uses it.
    for (const path of [...folders, disk]) if (isMounted(path)) await succeed('umount', ['-l', path])
  }
  try {
    await succeed('mount', ['-o', KINDS[kind].options, image, disk])
    for (const folder of folders) {
      await succeed('cp', ['-a', folder, disk])
      await succeed('mount', ['--bind', join(disk, nameOf(folder)), folder])
    }
    await computer.gitInCheckout('update-index', '--refresh') // the files of a copy have other numbers
    await succeed('sync', ['-f', disk])
    await succeed('cp', ['--sparse=always', image, before])
    await unmount()
  } catch (error) {
    await dispose()
    throw error
  }

  return {
    cutCommand: at('cut'),
    async boot() {
      if (!existsSync(at('cut.done'))) throw new Error('the power was not cut')
      await unmount()
      await succeed('rm', ['-f', at('cut.done')])
      await mount(kind === 'btrfs' ? left : image)
      // Its name alone may be there, by a sync of another file just then.
      const isCut = !existsSync(lost) || readFileSync(lost, 'utf8') === ''
      if (!isCut && kind !== 'btrfs')
        throw new Error('what was written a moment before the cut is there: it was none')
      return isCut
    },
    async restore() {
      await unmount()
      await succeed('rm', ['-f', at('cut.done')])
      await mount(before)
    },
    dispose,
  }
}

function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('/') + 1)
}
