import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DOCUMENTS } from '../helpers/documents.ts'
import { ROOT, succeed } from '../helpers/programs.ts'

// The vocabulary is the table "Words" in CONTRIBUTING.md. Here are the words and shapes that it replaces.

const GONE: readonly (readonly [RegExp, string])[] = [
  [/\bleav(e|es|ing) with\b|\bleft with (exit |code )/i, 'exits with'],
  [/\bmend(s|ed|ing)?\b|\bmend[A-Z]/i, 'fix'],
  [/\bheed(s|ed|ing)?\b/i, 'respect, or ignore'],
  [/\bso many\b|\bso long\b(?! as)/i, 'the number, or the time'],
  [/\bwhoever\b|\bwhatever\b/i, 'the user, any'],
  [/\bwhat (\w+ ){0,3}(is|was|are|were)\b(?![^.]*\?)/i, 'a noun: the deployed version'],
  [/\bat the (\d+|\$\{\w+\})\. /, 'attempt 3'],
  [/\b(go|goes|gone|going) on\b/i, 'continues, resumes'],
  [/\banew\b/i, 'again'],
  [/\b(not|never|nothing|nobody|none|neither)\b.{0,60} any more\b|\bno more\b(?! than)/i, 'no longer'],
  [/\bfor one\b(?! [a-z])/i, 'one file'],
  [/\bas (it|they) (was|were)\b/i, 'a noun, or unchanged'],
  [/\bsomebody\b|\bsomeone\b|\ba person\b/i, 'a user, you, another process'],
  [/\b(is|are|was) due\b/i, 'pending, next'],
  [/\bput(s|ting)? aside\b|\bsets? aside\b/i, 'stash, keep'],
  [/\bpass(es|ed|ing)? over\b/i, 'skip'],
  [/\b(is|are) not there\b|\bis gone\b/i, 'is missing, was removed'],
  [/\bby itself\b|\bby themselves\b/i, 'automatically'],
  [/\w\(s\)/, '1 file, 2 files'],
  [/\b(dearer|thereof|wherein|therein|as ever|of old|comes? to nothing)\b/i, 'a plain word'],
  [/\bwhich\b[^.,:;]{0,50} (of|by|with|to|from|for)[.,;:]/i, 'a sentence with a subject'],
]

/** The lines of a file that users and readers see: of a test its names and comments alone. */
function readable(name: string): string[] {
  const text = readFileSync(join(ROOT, name), 'utf8')
  const lines = (name === 'CONTRIBUTING.md' ? text.replace(/^## Words$[\s\S]*?^## /m, '') : text).split('\n')
  if (!name.startsWith('test/')) return lines
  return lines.filter((line) => /^\s*(\/\/|\*|\/\*)|\b(test|describe)(\.\w+)*(\([^)]*\))?\(['"`]/.test(line))
}

const tracked = (
  await succeed('git', ['ls-files', 'src', 'units', 'scripts', 'migrations', 'test', '.github'], {
    cwd: ROOT,
  })
).split('\n')
const texts = [...tracked, ...DOCUMENTS, 'docs/config.schema.json', 'docs/prometheus-alerts.yml'].filter(
  (name) => !/^test\/(corpus\/|unit\/words\.test\.ts)|\.svg$/.test(name),
)

describe.each(GONE)('no %s', (shape, plain) => {
  test(`but ${plain}`, () => {
    const found = texts.flatMap((name) =>
      readable(name)
        .filter((line) => shape.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })
})
