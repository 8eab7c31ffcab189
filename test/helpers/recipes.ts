import { blocksOf, readDocument } from './documents.ts'

const DOCUMENT = 'docs/notifications.md'

/** The configuration that docs/notifications.md shows below this heading, as it stands there. */
export function recipe(heading: string): string {
  const section = readDocument(DOCUMENT).split(`\n## ${heading}`)[1]?.split('\n## ')[0] ?? ''
  const found = blocksOf(DOCUMENT, 'yaml').filter(({ text }) => section.includes(text))
  if (found.length !== 1) throw new Error(`${found.length} configurations below "${heading}"`)
  return found[0]?.text ?? ''
}
