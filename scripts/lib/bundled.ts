import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Metafile } from 'esbuild'

/** An npm package whose code is in a program. */
export interface Bundled {
  readonly name: string
  readonly version: string
  /** What its author wants passed on with every copy. */
  readonly license: string
}

/** The packages whose code esbuild put into what it built, by name. Fails where one of them has no license. */
export function bundledPackages(metafiles: readonly Metafile[]): Bundled[] {
  const outputs = metafiles.flatMap(({ outputs }) => Object.values(outputs))
  const files = outputs.flatMap(({ inputs }) =>
    Object.keys(inputs).filter((file) => (inputs[file]?.bytesInOutput ?? 0) > 0),
  )
  const folders = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? [])
  return [...new Set(folders)].map(packageIn).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
}

/** NAME@VERSION, as npm writes it. */
export function idOf({ name, version }: Pick<Bundled, 'name' | 'version'>): string {
  return `${name}@${version}`
}

/** The text of THIRD-PARTY-NOTICES. */
export function noticesOf(packages: readonly Bundled[]): string {
  const line = '-'.repeat(80)
  const notices = packages.map((one) => `${line}\n${idOf(one)}\n${line}\n\n${one.license}\n`)
  return `The programs of telec contain code of these packages, each under its own license.\n\n${notices.join('\n')}`
}

function packageIn(folder: string): Bundled {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Bundled
  const files = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file))
    .sort()
  if (files.every((file) => /^notice/i.test(file)))
    throw new Error(
      `${idOf({ name, version })} is bundled and has no license file, which telec has to pass on`,
    )
  const license = files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n')
  return { name, version, license }
}
