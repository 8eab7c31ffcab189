import { join } from 'node:path'
import * as v from 'valibot'
import { Composer, type Document, isMap, isScalar, Lexer, LineCounter, Parser, visit } from 'yaml'
import { TelecError } from '../system/errors.ts'
import { withoutLogins } from '../system/logins.ts'
import { similarTo } from '../system/similar.ts'
import type { World } from '../system/world.ts'
import type { Scope } from './paths.ts'
import { type Config, ConfigSchema } from './schema.ts'

/** Parses a configuration. Throws `config` with every fault and its line. @param path names the file in messages. */
export function parseConfig(world: World, path: string, text: string, scope: Scope = 'user'): Config {
  if (Buffer.byteLength(text) > MOST_BYTES)
    throw faulty(path, [[1, `the file is larger than ${MOST_BYTES / 1024} KiB`]])
  const lines = new LineCounter()
  const documents = new Composer({ logLevel: 'error' }).compose(
    tokensOf(path, text, lines),
    true,
    text.length,
  )
  const document = documents.next().value as Document.Parsed // an empty text is one, too
  const second = documents.next().value
  const faults = syntaxFaults(document, lines)
  if (second) faults.push([lines.linePos(second.range[0]).line, 'a second document begins; remove the ---'])
  if (faults.length > 0) throw faulty(path, faults)
  const result = v.safeParse(ConfigSchema, toData(path, document))
  if (!result.success)
    throw faulty(
      path,
      result.issues.map((issue) => [lineOf(document, lines, keysTo(issue)), describe(issue)]),
    )
  const { deployment, redis, ...rest } = result.output
  // Its owner is the user whose home `~/` is: root would look in its own home.
  if (scope === 'system' && deployment.checkout.startsWith('~/'))
    throw faulty(path, [
      [
        lineOf(document, lines, ['deployment', 'checkout']),
        `deployment.checkout: got ${show(deployment.checkout, false)}; takes an absolute path in system scope`,
      ],
    ])
  return {
    ...expandHomes(rest, world.home),
    computer: rest.computer ?? defaultComputer(world),
    deployment: expandHomes(deployment, world.home),
    ...(redis && { redis: expandHomes(redis, world.home) }),
  }
}

/** More than a configuration needs. The time of yaml may grow with the square of it. */
export const MOST_BYTES = 64 * 1024
/** A configuration nests 4 deep. yaml recurses, and a deep text would end the program. */
const MOST_LEVELS = 64

function* tokensOf(path: string, text: string, lines: LineCounter) {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > MOST_LEVELS)
      throw faulty(path, [[lines.linePos(parser.offset).line, `values nest more than ${MOST_LEVELS} deep`]])
  }
  yield* parser.end()
}

function syntaxFaults(document: Document.Parsed, lines: LineCounter): Fault[] {
  const faults = document.errors.map(({ pos, code, message }): Fault => {
    const [first = ''] = message.split('\n', 1)
    // Without the value that yaml found, which may be a secret.
    const fault = first.replace(/ at line \d+, column \d+:?$|(?<=\w): .*$|(?<=escape sequence) .*$/g, '')
    const what = code === 'TAG_RESOLVE_FAILED' ? 'a ! at the start of a value needs quotes' : fault
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
      faults.push([line, 'no such alias; a * at the start of a value needs quotes'])
    },
  })
  return faults
}

function toData(path: string, document: Document.Parsed): unknown {
  if (document.contents !== null && !isMap(document.contents))
    throw faulty(path, [[1, 'the file must have keys and values (deployment: …)']])
  try {
    return document.toJS() ?? {}
  } catch (error) {
    throw faulty(path, [[1, (error as Error).message]]) // too many aliases
  }
}

/** A file of another format has a fault in each line. */
const MOST_FAULTS = 20

type Fault = readonly [line: number, message: string]

function faulty(path: string, faults: readonly Fault[]): TelecError {
  return new TelecError('config', `${path}:${faults[0]?.[0] ?? 1}: the configuration is invalid`, {
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
  // The input of a rule across keys is the whole group; the path ends with the key.
  const got = show(issue.path?.at(-1)?.value, isSecret)
  if (issue.type !== 'strict_object') return `${key}: got ${got}; takes ${issue.message}`
  if (issue.expected === 'never') return `${key}: no such key${suggestion(key)}`
  if (issue.received === 'undefined') return `${key}: missing`
  return `${key}: got ${got}; takes a group of keys`
}

/** The properties by which schemas of valibot hold others. */
interface Group {
  readonly entries?: Readonly<Record<string, Group>>
  readonly wrapped?: Group
}

/** Every key, with its group: `deployment.checkout`. */
function keysOf({ entries, wrapped }: Group, before = ''): string[] {
  if (wrapped) return keysOf(wrapped, before)
  return Object.entries(entries ?? {}).flatMap(([name, value]) => [
    `${before}${name}`,
    ...keysOf(value, `${before}${name}.`),
  ])
}

/** The key that the user probably meant: the same name in another group, or a similar one in its own. */
function suggestion(key: string): string {
  const nameOf = (path: string) => path.slice(path.lastIndexOf('.') + 1)
  const keys = keysOf(ConfigSchema as Group)
  const same = keys.find((one) => nameOf(one) === nameOf(key))
  const group = key.slice(0, key.lastIndexOf('.') + 1)
  const beside = keys.filter((one) => one.slice(0, one.lastIndexOf('.') + 1) === group).map(nameOf)
  const [similar] = similarTo(nameOf(key), beside)
  const meant = same ?? (similar && `${group}${similar}`)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

/** Their values may contain a password or a token, also by mistake. */
const SECRET = /^redis(\.|$)|_file(\.|$)|(^|\.)token|^deployment\.(remote|mirrors)(\.|$)/

function show(value: unknown, isSecret: boolean): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'a group of keys'
  if (isSecret) return 'a value that is not shown'
  return withoutLogins(JSON.stringify(value)).slice(0, 80)
}

function keysTo({ path }: v.BaseIssue<unknown>): unknown[] {
  return path?.map(({ key }) => key) ?? []
}

/** The line of a key, or of the nearest group around it. */
function lineOf(document: Document, lines: LineCounter, keys: readonly unknown[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of keys) {
    if (!isMap(node)) break
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key)
    if (!pair) break
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
    node = pair.value
  }
  return lines.linePos(offset).line
}

/** The keys, in all groups, whose values are paths. */
const PATHS = new Set([
  'metrics',
  'checkout',
  'token_file',
  'allowed_signers',
  'revoked_signers',
  'keyring',
  'path',
  'env_file',
  'python',
  'password_file',
  'ca_file',
])

/** A group with `~/` replaced in its paths. */
function expandHomes<Group extends object>(group: Group, home: string): Group {
  const expand = (path: unknown) =>
    typeof path === 'string' && path.startsWith('~/') ? join(home, path.slice(2)) : path
  const expanded = Object.entries(group).map(([key, value]) => {
    if (!PATHS.has(key)) return [key, value]
    return [key, Array.isArray(value) ? value.map(expand) : expand(value)]
  })
  return Object.fromEntries(expanded) as Group
}

/** The host name, with a dash for each character that a computer's name cannot have. */
export function defaultComputer({ hostname }: World): string {
  return (
    hostname
      .replace(/[^\w.-]/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 64) || 'computer'
  )
}
