import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import compare from 'semver/functions/compare'
import { TelecError } from '../system/errors.ts'
import { writeDurably, writeFailure } from '../system/files.ts'
import type { Migration } from './discover.ts'

export const TEMPLATE_LANGUAGES = ['ts', 'py', 'sh'] as const
export type TemplateLanguage = (typeof TEMPLATE_LANGUAGES)[number]

const TEMPLATES: Readonly<Record<TemplateLanguage, (description: string) => string>> = {
  ts: (description) => `// ${description}
import { existsSync, writeFileSync } from 'node:fs'

const marker = \`\${process.env.TELEC_HOME}/what-this-migration-leaves\`

/** true: there is nothing left to do. */
export function check(): boolean {
  return existsSync(marker)
}

/** true: done. false, or an error: halt. */
export function migrate(): boolean {
  writeFileSync(marker, '')
  return true
}
`,
  py: (description) => `# ${description}
import os
import pathlib

MARKER = pathlib.Path(os.environ["TELEC_HOME"]) / "what-this-migration-leaves"


def check() -> bool:
    """True: there is nothing left to do."""
    return MARKER.exists()


def migrate() -> bool:
    """True: done. False, or an exception: halt."""
    MARKER.touch()
    return True
`,
  sh: (description) => `#!/bin/sh
# ${description}
set -eu
marker=$TELEC_HOME/what-this-migration-leaves

case $1 in
  check) test -e "$marker" ;; # 0: there is nothing left to do; 1: there is
  migrate) touch "$marker" ;; # 0: done
esac
`,
}

const FILE_MODE = { ts: 0o644, py: 0o644, sh: 0o755 } as const

/** In characters. */
const LONGEST_NAME = 60

/** Writes a working template with the next number of its version. */
export async function newMigration(
  folder: string,
  migrations: readonly Migration[],
  options: { readonly description: string; readonly version: string; readonly language: TemplateLanguage },
): Promise<{ id: string; path: string }> {
  const { description, version, language } = options
  const name = description
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, LONGEST_NAME)
    .replace(/^_+|_+$/g, '')
  if (name === '')
    throw new TelecError('usage', `"${description}" has no letter or digit for the file's name`, {
      hint: "describe it in words: telec-migrate new 'rename the cache key'",
    })
  const numbers = migrations.filter((one) => compare(one.version, version) === 0).map(({ number }) => number)
  const number = String(Math.max(0, ...numbers) + 1).padStart(3, '0')
  const id = `${version}/${number}_${name}.${language}`
  const path = join(folder, `v${id}`)
  const text = TEMPLATES[language](description.replace(/\s+/g, ' '))
  try {
    mkdirSync(dirname(path), { recursive: true }) // not private, unlike telec's own folders
  } catch (error) {
    throw writeFailure(path, error)
  }
  await writeDurably(path, text, { mode: FILE_MODE[language] })
  return { id, path }
}
