import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Computer } from './computer.ts'

const COMMIT = 'git -c user.name=A -c user.email=a@example.org commit --quiet --allow-empty --message placed'

/** Commits a file to the checkout, executable where it begins with `#!`. */
export function place(computer: Computer, name: string, text: string): void {
  const path = join(computer.checkout, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  chmodSync(path, text.startsWith('#!') ? 0o755 : 0o644)
  commit(computer, name)
}

/** Commits a path of the checkout, with its present content. */
export function commit({ checkout }: Computer, name: string): void {
  execFileSync('/bin/sh', ['-c', `git add --all --force -- "$1" && ${COMMIT}`, 'sh', name], { cwd: checkout })
}

/** Commits the index of the checkout, not its files. */
export function commitIndex({ checkout }: Computer): void {
  execFileSync('/bin/sh', ['-c', COMMIT], { cwd: checkout })
}

/** A migration whose effect is a line in `home/NAME.ran` for each time that it ran. */
export function placeMarker(computer: Computer, id: string): void {
  const [version, file = ''] = id.split('/')
  const marker = `${file}.ran`
  const texts: Record<string, string> = {
    py: `import os, pathlib
MARKER = pathlib.Path(os.environ["TELEC_HOME"]) / "${marker}"
def check() -> bool:
    return MARKER.exists()
def migrate() -> bool:
    with open(MARKER, "a") as file:
        file.write("ran\\n")
    return True
`,
    sh: `#!/bin/sh
case $1 in check) test -e "$TELEC_HOME/${marker}" ;; migrate) echo ran >>"$TELEC_HOME/${marker}" ;; esac
`,
    mjs: `import { appendFileSync, existsSync } from 'node:fs'
const marker = process.env.TELEC_HOME + '/${marker}'
export const check = () => existsSync(marker)
export const migrate = () => (appendFileSync(marker, 'ran\\n'), true)
`,
  }
  place(computer, `migrations/v${version}/${file}`, texts[file.split('.').at(-1) ?? ''] ?? '')
}

/** How often a migration of `placeMarker` has run. */
export function timesRun(computer: Computer, id: string): number {
  const marker = join(computer.home, `${id.split('/')[1]}.ran`)
  return existsSync(marker) ? readFileSync(marker, 'utf8').split('\n').length - 1 : 0
}
