import { TelecError } from '../../src/system/errors.ts'
import { createLog, printable, printableJson } from '../../src/system/log.ts'
import { PARSERS } from './parsers.ts'

/** What nobody may get onto a terminal: C0, DEL and C1 but for newlines and tabs, and what reorders text (UAX #9). */
const SHOWS_NOT = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

let logged = ''
const sink = { write: (text: string) => (logged += text) } as unknown as NodeJS.WriteStream
const log = createLog(() => sink, {}, null)

/** The fault in a parser's result; null: none. */
async function faultOf(parser: string, text: string): Promise<string | null> {
  const parse = PARSERS[parser]
  if (!parse) return Object.keys(PARSERS).join(' ')
  let shown: string
  try {
    const value = await parse(text)
    shown = typeof value === 'string' ? printable(value) : printableJson(value ?? null, 2)
  } catch (error) {
    if (!(error instanceof TelecError)) return error instanceof Error ? (error.stack ?? '') : String(error)
    logged = ''
    for (const part of [error.message, error.because, error.hint]) if (part) log.error(part)
    shown = logged
    if (!error.hint) return `no hint: ${error.message}`
  }
  return SHOWS_NOT.test(shown) ? `control characters: ${JSON.stringify(shown)}` : null
}

process.on('message', ({ parser, text }: { parser: string; text: string }) => {
  void faultOf(parser, text).then((fault) => process.send?.({ fault }))
})
