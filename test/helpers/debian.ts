import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { succeed } from './programs.ts'
import { cloneProject, commitProject, committer } from './project-copy.ts'

/** The Debian package that scripts/package makes of this project, as version 0.1.0; its work is below `folder`. */
export async function debianPackage(folder: string): Promise<string> {
  const env = committer()
  await succeed('git', ['init', '--quiet', '--initial-branch=main', join(folder, 'remote')])
  await commitProject(join(folder, 'remote'), env)
  const copy = await cloneProject(join(folder, 'remote'), join(folder, 'project'), env)
  await succeed(join(copy, 'scripts/package'), [], { env })
  return join(copy, 'out/telec_0.1.0_all.deb')
}

/** The same package as another version. */
export async function asVersion(file: string, version: string): Promise<string> {
  const root = `${file}-${version}`
  await succeed('dpkg-deb', ['--raw-extract', file, root])
  await succeed('sh', [
    '-c',
    `sed -i 's/0\\.1\\.0/${version}/' "$1"/DEBIAN/control && sed -i 's/"0\\.1\\.0"/"${version}"/' "$1"/usr/lib/telec/telec*`,
    'sh',
    root,
  ])
  return packed(root)
}

/** The Node.js that runs this, as a Debian package: this computer may have it from elsewhere. */
export async function nodePackage(folder: string): Promise<string> {
  const root = join(folder, 'nodejs')
  mkdirSync(join(root, 'DEBIAN'), { recursive: true })
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  cpSync(process.execPath, join(root, 'usr/bin/node'))
  const control = `Package: nodejs\nVersion: ${process.versions.node}\nArchitecture: all\nMaintainer: A Person <person@example.org>\nDescription: Node.js\n`
  writeFileSync(join(root, 'DEBIAN/control'), control)
  return packed(root)
}

async function packed(root: string): Promise<string> {
  await succeed('dpkg-deb', ['--build', '--root-owner-group', '-Znone', root, `${root}.deb`])
  return `${root}.deb`
}
