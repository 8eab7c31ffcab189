import { join } from 'node:path'
import * as v from 'valibot'
import { type Document, isMap, isScalar, Lexer, LineCounter, Parser, parseDocument, visit } from 'yaml'
import { TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'
import { similarTo } from '../system/similar.ts'
import type { World } from '../system/world.ts'
import { type Config, ConfigSchema } from './schema.ts'

/**
 * The configuration in a text. Throws a TelecError of kind `config` that names every fault and its line.
 *
 * @param path names the file in messages.
 */
export function parseConfig(world: World, path: string, text: string): Config {
  verifySize(path, text)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const faults = syntaxFaults(document, lines)
  if (faults.length > 0) throw faulty(path, faults)
  const result = v.safeParse(ConfigSchema, toData(path, document))
  if (!result.success)
    throw faulty(
      path,
      result.issues.map((issue) => [lineOf(document, lines, issue), describe(issue)]),
    )
  const { deployment, redis, ...rest } = result.output
  return {
    ...expandHomes(rest, ['metrics'], world.home),
    computer: rest.computer ?? defaultComputer(world),
    deployment: expandHomes(deployment, DEPLOYMENT_PATHS, world.home),
    ...(redis && { redis: expandHomes(redis, REDIS_PATHS, world.home) }),
  }
}

/** More than a configuration needs, and few enough for yaml, whose time may grow with the square of it. */
export const MOST_BYTES = 64 * 1024
/** The configuration nests 4 deep. yaml recurses as deep as a text nests, and V8 may end the program before its stack does. */
const MOST_LEVELS = 64

function verifySize(path: string, text: string): void {
  if (Buffer.byteLength(text) > MOST_BYTES)
    throw faulty(path, [[1, `the file takes at most ${MOST_BYTES / 1024} KiB`]])
  const parser = new Parser()
  for (const lexeme of new Lexer().lex(text)) {
    Array.from(parser.next(lexeme))
    const line = () => text.slice(0, parser.offset).split('\n').length
    if (parser.stack.length > MOST_LEVELS)
      throw faulty(path, [[line(), `values nest more than ${MOST_LEVELS} deep`]])
  }
}

function syntaxFaults(document: Document.Parsed, lines: LineCounter): Fault[] {
  const faults = document.errors.map(({ pos, code, message }): Fault => {
    const [first = ''] = message.split('\n', 1)
    const said = first.replace(/ at line \d+, column \d+:?$|(?<=\w): .*$|(?<=escape sequence) .*$/g, '') // not what it found
    const what = code === 'TAG_RESOLVE_FAILED' ? 'a ! at the start of a value needs quotes' : said
    return [lines.linePos(pos[0]).line, what]
  })
  const anchors = new Set<string>()
  visit(document, {
    Value(_, { anchor }) {
      if (anchor !== undefined) anchors.add(anchor)
    },
    Alias(_, alias) {
      if (anchors.has(alias.source)) return
      const { line } = lines.linePos(alias.range?.[0] ?? 0)
      faults.push([line, 'there is no such alias; a * at the start of a value needs quotes'])
    },
  })
  return faults
}

function toData(path: string, document: Document.Parsed): unknown {
  if (document.contents !== null && !isMap(document.contents))
    throw faulty(path, [[1, 'the file takes keys and values (deployment: …)']])
  try {
    return document.toJS() ?? {}
  } catch (error) {
    throw faulty(path, [[1, (error as Error).message]]) // aliases that multiply without end
  }
}

/** Of a file that is something else each line is one. */
const MOST_FAULTS = 20

type Fault = readonly [line: number, message: string]

function faulty(path: string, faults: readonly Fault[]): TelecError {
  return new TelecError('config', `${path}:${faults[0]?.[0] ?? 1}: the configuration is wrong`, {
    because: faults
      .slice(0, MOST_FAULTS)
      .map(([line, message]) => `line ${line}: ${message}`)
      .join('\n'),
    hint: `edit ${path}`,
  })
}

function describe(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? 'the whole file'
  const isSecret = SECRET.test(path)
  const key = isSecret ? path.replace(/[^.]*[^a-z_.][^.]*$/, '…') : path
  // Of a rule across keys the input is the whole group; the path names the key that it is about.
  const got = show(issue.path?.at(-1)?.value, isSecret)
  if (issue.type !== 'strict_object') return `${key}: got ${got}; takes ${issue.message}`
  if (issue.expected === 'never') return `${key}: there is no such key${suggestion(key)}`
  if (issue.received === 'undefined') return `${key}: is missing`
  return `${key}: got ${got}; takes a group of keys`
}

/** What a schema of valibot has of those below it, whatever its kind. */
interface Group {
  readonly entries?: Readonly<Record<string, Group>>
  readonly wrapped?: Group
}

/** Every key that there is, with its group: `deployment.checkout`. */
function keysOf({ entries, wrapped }: Group, before = ''): string[] {
  if (wrapped) return keysOf(wrapped, before)
  return Object.entries(entries ?? {}).flatMap(([name, value]) => [
    `${before}${name}`,
    ...keysOf(value, `${before}${name}.`),
  ])
}

/** The key that was meant: by its name one of another group, or one that is spelled nearly so. */
function suggestion(key: string): string {
  const keys = keysOf(ConfigSchema as Group)
  const group = key.slice(0, key.lastIndexOf('.') + 1)
  const name = key.slice(group.length)
  const beside = keys.filter((one) => one.startsWith(group)).map((one) => one.slice(group.length))
  const [similar] = similarTo(name, beside).map((one) => `${group}${one}`)
  const meant = keys.find((one) => one === name || one.endsWith(`.${name}`)) ?? similar
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

/** In the place of these a password, a token or a URL with one may stand, also where something else is taken. */
const SECRET = /^redis(\.|$)|_file(\.|$)|(^|\.)token|^deployment\.(remote|mirrors)(\.|$)/

function show(value: unknown, isSecret: boolean): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a group of keys'
  if (isSecret) return 'what is not shown here'
  return withoutLogins(JSON.stringify(value)).slice(0, 80)
}

/** The line of the key that an issue is about, or of the nearest key around it that is there. */
function lineOf(document: Document, lines: LineCounter, issue: v.BaseIssue<unknown>): number {
  let node: unknown = document.contents
  let offset = 0
  for (const { key } of issue.path ?? []) {
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
    if (!pair) break
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return lines.linePos(offset).line
}

const DEPLOYMENT_PATHS = [
  'checkout',
  'token_file',
  'allowed_signers',
  'revoked_signers',
  'keyring',
  'path',
  'env_file',
  'python',
] as const
const REDIS_PATHS = ['password_file', 'ca_file'] as const

/** A group with `~/` replaced in those of its keys that hold a path. */
function expandHomes<Group extends object>(
  group: Group,
  keys: readonly (keyof Group)[],
  home: string,
): Group {
  const expand = (path: unknown) =>
    typeof path === 'string' && path.startsWith('~/') ? join(home, path.slice(2)) : path
  const expanded = keys.flatMap((key) => {
    const given = group[key]
    if (given === undefined) return []
    return [[key, Array.isArray(given) ? given.map(expand) : expand(given)]]
  })
  return { ...group, ...Object.fromEntries(expanded) }
}

/** The host name as a computer's name: what that does not take becomes a dash. */
export function defaultComputer({ hostname }: World): string {
  return (
    hostname
      .replace(/[^\w.-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 64) || 'computer'
  )
}
