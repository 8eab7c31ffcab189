import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { place, placeMarker } from '../helpers/migrations.ts'

/** As scripts were written for the original contract, before there was any other language; not to be adapted. */
const ORIGINAL = `"""Rename the 'interval' setting to 'poll_every'."""
from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path(os.environ.get("HOME", str(Path.home()))).expanduser() / "settings.json"
DEFAULTS = Path(__file__).parent / "defaults.json"


@dataclass
class Settings:
    values: dict


def _read() -> Settings:
    return Settings(json.loads(CONFIG.read_text()))


def check() -> bool:
    """Return True if migration already applied."""
    return "interval" not in _read().values


def migrate() -> bool:
    """Apply the migration. Return True on success."""
    settings = _read()
    settings.values["poll_every"] = settings.values.pop("interval")
    settings.values.update(json.loads(DEFAULTS.read_text()))
    CONFIG.write_text(json.dumps(settings.values))
    print(f"renamed a key of {CONFIG}")
    return True


if __name__ == "__main__":
    raise SystemExit("not to be run as a program")
`

describe('a script for the original contract', () => {
  test('runs unmodified between scripts in other languages, and leaves nothing in the checkout', async () => {
    const computer = await freshComputer()
    const settings = join(computer.folder, 'settings.json')
    writeFileSync(settings, '{"interval": "60s", "name": "web"}')
    placeMarker(computer, '1.10.0/001_last.sh')
    placeMarker(computer, '1.9.0/003_third.py')
    place(computer, 'migrations/v1.9.0/002_original.py', ORIGINAL)
    place(computer, 'migrations/v1.9.0/defaults.json', '{"colour": "blue"}')
    place(computer, 'migrations/v1.9.0/__init__.py', '')
    placeMarker(computer, '1.9.0/001_first.mjs')
    const ended = await computer.telec('telec-migrate', [], { env: { HOME: computer.folder } })
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain('renamed a key of')
    expect(JSON.parse(readFileSync(settings, 'utf8'))).toEqual({
      poll_every: '60s',
      name: 'web',
      colour: 'blue',
    })
    expect(computer.state('migration_state.json')?.applied).toEqual([
      '1.9.0/001_first.mjs',
      '1.9.0/002_original.py',
      '1.9.0/003_third.py',
      '1.10.0/001_last.sh',
    ])
    expect(existsSync(join(computer.checkout, 'migrations/v1.9.0/__pycache__'))).toBe(false)
  })

  test('is not disturbed by modules of the checkout that are named like ones of Python', async () => {
    const computer = await freshComputer()
    for (const name of ['json', 'queue', 'selectors', 'subprocess'])
      place(computer, `${name}.py`, 'raise RuntimeError("the one of the checkout")\n')
    placeMarker(computer, '1.1.0/001_x.py')
    const ended = await computer.telec('telec-migrate')
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
  })
})

describe.each([
  [
    'mjs',
    `export const check = () => true
process.chdir('/')
process.env.TELEC_FROM = '0.0.1'
delete process.env.TELEC_TO
`,
    `export function check() { console.log('seen', process.cwd(), process.env.TELEC_FROM, process.env.TELEC_TO); return true }
`,
  ],
  [
    'py',
    `import os
def check():
    os.chdir("/")
    os.environ["TELEC_FROM"] = "0.0.1"
    del os.environ["TELEC_TO"]
    return True
`,
    `import os
def check():
    print("seen", os.getcwd(), os.environ["TELEC_FROM"], os.environ["TELEC_TO"])
    return True
`,
  ],
])('a migration in .%s', (extension, first, second) => {
  test('finds its environment unchanged by the migration before it', async () => {
    const computer = await freshComputer()
    place(computer, `migrations/v1.1.0/001_changes.${extension}`, first)
    place(computer, `migrations/v1.1.0/002_sees.${extension}`, second)
    const ended = await computer.telec('telec-migrate')
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain(`seen ${computer.checkout} 1.0.0 1.1.0`)
  })
})
