import { toJsonSchema } from '@valibot/to-json-schema'
import { ConfigSchema } from '../../src/config/schema.ts'

/** A schema, or a step of its pipe. */
interface Part {
  readonly type: string
  readonly message?: string
  readonly description?: string
  readonly default?: unknown
  readonly wrapped?: Part
  readonly pipe?: readonly Part[]
  readonly entries?: Readonly<Record<string, Part>>
}

interface Key {
  readonly name: string
  readonly what: string
  readonly takes: string
  readonly fallback: string
}

/** The reference in Markdown: a table per group of keys. */
export function reference(): string {
  const groups: { name: string; what: string; keys: Key[] }[] = [{ name: '', what: '', keys: [] }]
  for (const [name, part] of Object.entries(entriesOf(ConfigSchema as unknown as Part))) {
    const entries = entriesOf(part)
    if (Object.keys(entries).length === 0) groups[0]?.keys.push(keyOf(name, part))
    else {
      const keys = Object.entries(entries).map(([key, one]) => keyOf(key, one))
      groups.push({ name, what: find(part, 'description') ?? '', keys })
    }
  }
  return groups
    .map(({ name, what, keys }) => {
      const title = name === '' ? '### At the top' : `### \`${name}\`\n\n${what}`
      const rows = keys.map(
        (key) => `| \`${key.name}\` | ${cell(key.takes)} | ${key.fallback} | ${cell(key.what)} |`,
      )
      return `${title}\n\n| key | takes | default | purpose |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
    })
    .join('\n')
}

/** The JSON Schema of the configuration file, for editors. */
export function jsonSchema(): object {
  const schema = toJsonSchema(ConfigSchema, {
    typeMode: 'input',
    errorMode: 'ignore', // rules between keys, and what only telec itself can look up, such as a time zone
    overrideAction({ valibotAction, jsonSchema }) {
      // Valibot says the flag s; in JSON Schema the line breaks of a path are no matter.
      if (valibotAction.type !== 'regex') return null
      return {
        ...jsonSchema,
        pattern: (valibotAction as unknown as { requirement: RegExp }).requirement.source,
      }
    },
  })
  return { ...schema, title: 'config.yml of telec' }
}

function keyOf(name: string, part: Part): Key {
  const { default: fallback } = part
  return {
    name,
    what: find(part, 'description') ?? '',
    takes: find(part, 'message') ?? '',
    fallback: isRequired(part) ? 'required' : isNothing(fallback) ? '' : `\`${fallback}\``,
  }
}

function isRequired(part: Part): boolean {
  return part.type !== 'optional'
}

function isNothing(fallback: unknown): boolean {
  return fallback === undefined || (Array.isArray(fallback) && fallback.length === 0)
}

function entriesOf(part: Part): Readonly<Record<string, Part>> {
  return part.entries ?? (part.wrapped ? entriesOf(part.wrapped) : {})
}

/** The first of a part's texts, from the outside in. */
function find(part: Part, text: 'message' | 'description'): string | undefined {
  if (typeof part[text] === 'string') return part[text]
  for (const inner of [...(part.pipe ?? []), ...(part.wrapped ? [part.wrapped] : [])]) {
    const found = inner === part ? undefined : find(inner, text)
    if (found !== undefined) return found
  }
  return undefined
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
