import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './programs.ts'

/** A fenced block of a document. */
export interface Block {
  readonly language: string
  readonly text: string
}

/** What people read: paths below the root of the repository. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'migrations/README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

export function readDocument(name: string): string {
  return readFileSync(join(ROOT, name), 'utf8')
}

export function blocksOf(name: string, language?: string): Block[] {
  const found = [...readDocument(name).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
  return found
    .map(([, language = '', text = '']) => ({ language, text }))
    .filter((block) => language === undefined || block.language === language)
}

/** The commands of a document's `sh` blocks, without comments: a line each. */
export function commandsOf(name: string): string[] {
  return blocksOf(name, 'sh')
    .flatMap(({ text }) => text.split('\n'))
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter(Boolean)
}

/** What stands between backticks in a document's running text. */
export function inlineCodeOf(name: string): string[] {
  const prose = readDocument(name).replace(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text.replace(/\s+/g, ' '))
}
