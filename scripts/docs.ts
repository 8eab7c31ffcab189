// Writes the reference of the configuration and its JSON Schema, or checks that they are what the schema says.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonSchema, reference } from './lib/reference.ts'

const BEGIN = '<!-- made by scripts/docs from src/config/ -->'
const END = '<!-- end of what scripts/docs made -->'

const [root = '', ...options] = process.argv.slice(2)

const guide = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
const [before = '', after = ''] = [guide.split(BEGIN)[0], guide.split(END)[1]]
const made: Record<string, string> = {
  'docs/configuration.md': `${before}${BEGIN}\n\n${reference()}\n${END}${after}`,
  'docs/config.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
}

for (const [name, text] of Object.entries(made)) {
  const path = join(root, name)
  if (!options.includes('--check')) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${name} is not what src/config/ says: ./scripts/docs`)
    process.exitCode = 1
  }
}
