import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ConfigSchema } from '../../src/config/schema.ts'
import { version } from '../helpers/computer.ts'
import { blocksOf, commandsOf, DOCUMENTS, inlineCodeOf, readDocument } from '../helpers/documents.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { DIST, execute, ROOT, succeed } from '../helpers/programs.ts'

const tracked = (await succeed('git', ['ls-files'], { cwd: ROOT })).split('\n')
const sources = tracked
  .filter((name) => /^(src|units)\//.test(name))
  .map((name) => readFileSync(join(ROOT, name), 'utf8'))
const schema = JSON.parse(readFileSync(join(ROOT, 'docs/config.schema.json'), 'utf8')) as object
const acceptsJson = new Ajv({ allErrors: true }).compile(schema)

/** A command line's words, without quotes: good enough for what documents show. */
function words(command: string): string[] {
  return (command.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^['"]|['"]$/g, ''))
}

const helps = new Map<string, Promise<string>>()
function help(program: string, subcommands: readonly string[]): Promise<string> {
  const key = [program, ...subcommands].join(' ')
  const known = helps.get(key) ?? succeed(join(DIST, program), [...subcommands, '--help'])
  helps.set(key, known)
  return known
}

/** Fails where a document shows a command of telec that it has not, or a flag that the command has not. */
async function verifyCommand(command: string): Promise<void> {
  const [program = '', ...rest] = words(command)
  const subcommands: string[] = []
  let text = await help(program, [])
  for (const word of rest) {
    if (!new RegExp(`^  ${word}[ |]`, 'm').test(text.split('\nCommands:')[1] ?? '')) break
    subcommands.push(word)
    text = await help(program, subcommands)
  }
  if (/\nCommands:/.test(text) && subcommands.length < 1 && program === 'telec')
    expect(
      rest.filter((word) => /^[a-z]/.test(word)),
      command,
    ).toEqual([])
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
  for (const flag of own.filter((word) => /^--?[a-z]/.test(word)))
    expect(text, `${command}: ${flag}`).toMatch(new RegExp(`(^|[ ,])${flag}\\b`, 'm'))
}

describe.each(DOCUMENTS)('%s', (name) => {
  test('shows only commands and flags that there are', async () => {
    const shown = [...inlineCodeOf(name), ...commandsOf(name)].map((text) => text.replace(/^sudo /, ''))
    for (const command of shown.filter((text) => /^telec(-watch|-update|-migrate)?( |$)/.test(text)))
      await verifyCommand(command.replace(/ (…|COMMAND|PATH).*$/, ''))
  })

  test('names only files of this repository that there are', () => {
    const paths = inlineCodeOf(name).filter((text) =>
      /^(\.\/)?(src|docs|test|scripts|units|migrations|\.github|\.ci)\/[\w./-]*$/.test(text),
    )
    const exists = (path: string) =>
      existsSync(join(ROOT, path)) || tracked.some((one) => one.startsWith(`${path}/`))
    const ofServices = /^(\.github\/workflows\/|migrations\/v1\.2\.0\/)/
    expect(paths.filter((path) => !ofServices.test(path) && !exists(path))).toEqual([])
  })

  test('links only to existing targets', () => {
    const links = [...readDocument(name).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    for (const link of links.filter((target) => !/^https?:/.test(target))) {
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? name : join(dirname(name), path)
      expect(existsSync(join(ROOT, target)), link).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor)
    }
  })

  test('names only keys of the configuration that there are', () => {
    const named = inlineCodeOf(name).flatMap(
      (text) =>
        /^(deployment|service|redis|fleet)\.(?!json$)([a-z_]+)\b/.exec(text)?.slice(1, 3).join('.') ?? [],
    )
    const { properties } = schema as { properties: Record<string, { properties?: object }> }
    const known = Object.entries(properties).flatMap(([group, { properties: keys }]) =>
      Object.keys(keys ?? {}).map((key) => `${group}.${key}`),
    )
    expect(known).toContain('deployment.checkout')
    expect(named.filter((key) => !known.includes(key))).toEqual([])
  })

  test('shows configurations that telec takes, and editors do', () => {
    for (const { text } of blocksOf(name, 'yaml')) {
      const config = parse(text) as unknown
      expect(v.safeParse(ConfigSchema, config).issues, text).toBeUndefined()
      expect(acceptsJson(config), `${text}\n${JSON.stringify(acceptsJson.errors)}`).toBe(true)
    }
  })

  test('has no block whose language nobody knows, and none that is only indented', () => {
    const languages = ['sh', 'yaml', 'js', 'ts', 'text', 'dockerfile']
    expect(blocksOf(name).filter(({ language }) => !languages.includes(language))).toEqual([])
    if (name !== 'CONTRIBUTING.md') expect(readDocument(name)).not.toMatch(/^\n {4}\S/m)
  })
})

/** As GitHub makes them of headings. */
function anchorsOf(name: string): string[] {
  return [...readDocument(name).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}

test("each halt in docs/operating.md says what telec's own sources say", () => {
  const quoted = [...readDocument('docs/operating.md').matchAll(/^\| \w+ \| `([^`]+)` \|/gm)].map(
    ([, text = '']) => text,
  )
  expect(quoted.length).toBeGreaterThan(20)
  for (const message of quoted)
    for (const part of message.split('…').map((text) => text.trim()))
      expect(
        sources.some((text) => text.includes(part)),
        `${message}: ${part}`,
      ).toBe(true)
})

test("every halt and wait of an update's steps is in docs/operating.md", () => {
  const text = readDocument('docs/operating.md')
  const steps = tracked.filter((name) => /^src\/update\/steps\/.*\.ts$/.test(name))
  const messages = steps.flatMap((name) => [
    ...readFileSync(join(ROOT, name), 'utf8').matchAll(
      /new TelecError\(\s*'(?:halted|later)',\s*([`'])(.*?)\1/g,
    ),
  ])
  expect(messages.length).toBeGreaterThan(8)
  for (const [, , message = ''] of messages) {
    const parts = message
      .split(/\$\{[^}]*\}(?:\([^)]*\))?/)
      .map((part) => part.replace(/[\s:,]+$/, '').trim())
      .filter((part) => part.length > 8)
    if (/^HEAD is not at/.test(message)) continue // git said that it did it: nothing that a person could do
    expect(
      parts.some((part) => text.includes(part)),
      message,
    ).toBe(true)
  }
})

test('the reference and the JSON Schema are what the schema says', async () => {
  expect(await execute(join(ROOT, 'scripts/docs'), ['--check'])).toMatchObject({ code: 0, stderr: '' })
})

describe('the JSON Schema refuses what telec refuses', () => {
  const good = { deployment: { checkout: '/srv/web' } }
  test.each([
    ['a key that there is not', { ...good, colour: 'red' }],
    ['a key that there is not, further down', { deployment: { ...good.deployment, chanel: 'beta' } }],
    ['no checkout', { deployment: {} }],
    ['a channel that there is not', { deployment: { ...good.deployment, channel: 'gamma' } }],
    [
      'a number for a minor version',
      { deployment: { ...good.deployment, channel: 'stable', pinned_minor: 1.4 } },
    ],
    ['a time without a unit', { deployment: { ...good.deployment, poll_every: '60' } }],
    ['a checkout that is nowhere', { deployment: { checkout: 'web' } }],
    ['a yes for a true', { deployment: { ...good.deployment, prereleases: 'yes' } }],
    ['six mirrors', { deployment: { ...good.deployment, mirrors: ['a', 'b', 'c', 'd', 'e', 'f'] } }],
    ['half a computer', { ...good, redis: { url: 'redis://h' }, fleet: { max_updating: 0.5 } }],
    ['a status that there is not', { ...good, on_status: { run: 'cat', on: ['finished'] } }],
    ['metrics in another file', { ...good, metrics: '/tmp/telec.txt' }],
  ])('%s', (_, config) => {
    expect(acceptsJson(good)).toBe(true)
    expect(v.safeParse(ConfigSchema, config).success).toBe(false)
    expect(acceptsJson(config)).toBe(false)
  })
})

test('a bug report asks for what telec can tell', async () => {
  const form = parse(readFileSync(join(ROOT, '.github/ISSUE_TEMPLATE/bug_report.yml'), 'utf8')) as {
    body: { attributes: { label?: string } }[]
  }
  const labels = form.body.flatMap(({ attributes: { label } }) => label ?? [])
  const commands = labels.filter((label) => label.startsWith('telec '))
  expect(commands).toEqual(['telec version', 'telec doctor --json', 'telec logs'])
  for (const command of commands) await verifyCommand(command)
})

test('docs/architecture.md has each file that telec leaves in its home', async () => {
  const computer = await freshComputer()
  const migration = 'export const check = () => true\nexport const migrate = check\n'
  await computer.push({ ...version('1.1.0'), 'migrations/v1.1.0/001_none.mjs': migration })
  await computer.telec('telec-watch')
  await computer.telec('telec-update')
  await computer.telec('telec', ['pause'])
  await computer.telec('telec', ['pin', '1.1.0'])
  const files = readdirSync(computer.home)
  expect(files.length).toBeGreaterThan(6)
  const named = inlineCodeOf('docs/architecture.md')
  expect(files.filter((name) => !named.includes(name))).toEqual([])
})

test("README's migration is one: telec-migrate verify says so", async () => {
  const computer = await freshComputer()
  const [block] = blocksOf('README.md', 'ts')
  const folder = join(computer.checkout, 'migrations/v1.2.0')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, '001_settings_file.ts'), block?.text ?? '')
  writeFileSync(join(computer.checkout, 'config.json'), '{}')
  const ended = await computer.telec('telec-migrate', [
    'verify',
    '--home',
    computer.home,
    '--checkout',
    computer.checkout,
    '1.2.0/001_settings_file.ts',
  ])
  expect(ended.stdout + ended.stderr).toContain('1.2.0/001_settings_file.ts')
  expect(ended.code).toBe(0)
})

test('the pictures match their names, and need nothing else', async () => {
  const pictures = tracked.filter((name) => name.endsWith('.svg'))
  expect(pictures.map((name) => basename(name))).toEqual([
    'architecture.svg',
    'demo.svg',
    'fleet.svg',
    'halt.svg',
    'services.svg',
    'status.svg',
  ])
  for (const name of pictures) {
    await succeed('xmllint', ['--noout', join(ROOT, name)])
    const text = readFileSync(join(ROOT, name), 'utf8')
    expect(text).toMatch(/^<svg [^>]*role="img"/)
    expect(text).toContain('<title>')
    expect(text).not.toMatch(/<script|href=|url\(http|\/work\/|\/tmp\/|\/root\//)
  }
})

describe('SECURITY.md names tests that there are', () => {
  const rows = [...readDocument('SECURITY.md').matchAll(/^\|(.*)\|$/gm)].map(
    ([, row = '']) => row.split('|').at(-1) ?? '',
  )
  const cells = rows.map((cell) => cell.trim()).filter((cell) => !/^(-+|test|attacked by)$/.test(cell))

  test.each(cells)('%s', (cell) => {
    const named = [...cell.matchAll(/(?:\b(crash|systemd|unit|launchd|programs)\/)?([a-z][a-z-]+)\b/g)].map(
      ([, folder, name = '']) => `test/${folder ?? 'programs'}/${name}.test.ts`,
    )
    expect(named.filter((name) => tracked.includes(name))).not.toEqual([])
    for (const [, folder, name = ''] of cell.matchAll(
      /\b(crash|systemd|unit|launchd|programs)\/([a-z][a-z-]+)/g,
    ))
      expect(tracked, `${folder}/${name}`).toContain(`test/${folder}/${name}.test.ts`)
    for (const [, name = '', title = ''] of cell.matchAll(/([a-z][a-z-]+): ([^;.(]+)/g)) {
      const files = tracked.filter((one) => one.endsWith(`/${name}.test.ts`))
      const file =
        files.find((one) => readFileSync(join(ROOT, one), 'utf8').includes(title.trim())) ?? files[0]
      expect(file, `${name}: ${title}`).toBeDefined()
      expect(readFileSync(join(ROOT, file ?? ''), 'utf8'), `${name}: ${title}`).toContain(title.trim())
    }
  })
})
