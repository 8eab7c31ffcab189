import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../helpers/programs.ts'

/** The rooms of src/, from the top: each imports from those below it, and from no other. */
const ROOMS = [
  'cli',
  'doctor',
  'watch',
  'update',
  'view',
  'migrate',
  'fleet',
  'service',
  'releases',
  'git',
  'state',
  'channel',
  'config',
  'system',
]
const MOST_LINES = 300

const SRC = join(ROOT, 'src')
const paths = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) =>
  /\.(ts|py|sh)$/.test(path),
)
const modules = paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
const texts = new Map(paths.map((path) => [path, readFileSync(join(SRC, path), 'utf8')]))

/** What a module imports from src/, types included. */
function importsOf(path: string): string[] {
  const found = (texts.get(path) ?? '').matchAll(/(?:\bfrom|\bimport\()\s*'(\.[^']+\.ts)'/g)
  return [...found].map(([, specifier = '']) => normalize(join(dirname(path), specifier)))
}

function roomOf(path: string): string {
  return path.split('/', 1)[0] ?? ''
}

describe('the house', () => {
  it('has these rooms, and files in rooms alone', () => {
    const rooms = new Set(paths.filter((path) => !path.endsWith('.d.ts')).map(roomOf))
    expect([...rooms].sort()).toEqual(ROOMS.toSorted())
  })

  it('is read whole: imports are found, and lead to files', () => {
    expect(modules.length).toBeGreaterThan(100)
    const all = modules.flatMap(importsOf)
    expect(all.length).toBeGreaterThan(modules.length)
    expect(all.filter((path) => !texts.has(path))).toEqual([])
  })

  it('has no import that runs up', () => {
    const up = modules.flatMap((path) =>
      importsOf(path)
        .filter((other) => ROOMS.indexOf(roomOf(other)) < ROOMS.indexOf(roomOf(path)))
        .map((other) => `${path} imports ${other}`),
    )
    expect(up).toEqual([])
  })

  it('has no circle of imports', () => {
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (path: string, above: readonly string[]) => {
      if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' → '))
      if (done.has(path) || above.includes(path)) return
      for (const other of importsOf(path)) visit(other, [...above, path])
      done.add(path)
    }
    for (const path of modules) visit(path, [])
    expect(circles).toEqual([])
  })

  it('says no time as files have it: a message has it in the zone of the computer', () => {
    const raw = /\$\{(?!options\.)[\w.?]*(?:[._]at|since|until)\}/
    expect(paths.filter((path) => raw.test(texts.get(path) ?? ''))).toEqual([])
  })

  it(`has no file over ${MOST_LINES} lines`, () => {
    const long = paths.filter((path) => (texts.get(path) ?? '').split('\n').length - 1 > MOST_LINES)
    expect(long).toEqual([])
  })
})
