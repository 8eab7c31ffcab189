/** Replies of commands that telec knows nest 4 deep (XREAD). */
const MOST_LEVELS = 8
/** For replies without a length: a status, an error, a number. */
const LONGEST_LINE = 64 * 1024

/** How ioredis names an error that Redis itself answers with. */
export const REFUSAL = 'ReplyError'

type Reply = string | number | null | Error | Reply[]

/**
 * Reads RESP 2 (redis.io/docs/latest/develop/reference/protocol-spec), in pieces. Allocates memory for bytes that arrived,
 * never for a length that Redis claims. Throws where a reply is invalid.
 */
export function createDecoder(onReply: (reply: Reply) => void): (piece: Buffer) => void {
  let pieces: Buffer[] = []
  let size = 0
  /** How many bytes the next element takes at least. */
  let needed = 1
  const open: { readonly items: Reply[]; readonly length: number }[] = []

  const give = (reply: Reply) => {
    let whole: Reply | undefined = reply
    while (whole !== undefined) {
      const list = open.at(-1)
      if (!list) return onReply(whole)
      list.items.push(whole)
      whole = list.items.length < list.length ? undefined : open.pop()?.items
    }
  }

  /** Reads one element, or the start of a list. @returns where it ends; null: more bytes are needed. */
  const readAt = (text: Buffer, at: number): number | null => {
    const end = text.indexOf('\r\n', at)
    if ((end < 0 ? text.length : end) - at > LONGEST_LINE) throw new Error('Redis sent an endless line')
    if (end < 0) {
      needed = text.length - at + 1
      return null
    }
    const line = text.toString('utf8', at + 1, end)
    const next = end + 2
    const type = String.fromCharCode(text[at] ?? 0)
    if (type === '+') give(line)
    else if (type === '-') give(Object.assign(new Error(line), { name: REFUSAL }))
    else {
      const number = /^-?\d+$/.test(line) ? Number(line) : Number.NaN
      if (type === ':' && !Number.isNaN(number)) give(number)
      else if ((type === '$' || type === '*') && number === -1) give(null)
      else if (type === '$' && number >= 0) {
        const last = next + number
        if (text.length < last + 2) {
          needed = last + 2 - at
          return null
        }
        give(text.toString('utf8', next, last))
        return last + 2
      } else if (type === '*' && number === 0) give([])
      else if (type === '*' && number > 0 && open.length < MOST_LEVELS)
        open.push({ items: [], length: number })
      else throw new Error('Redis sent an invalid reply')
    }
    return next
  }

  return (piece) => {
    pieces.push(piece)
    size += piece.length
    if (size < needed) return
    const text = Buffer.concat(pieces)
    let at = 0
    needed = 1
    for (let next = readAt(text, 0); next !== null; next = at < text.length ? readAt(text, at) : null)
      at = next
    pieces = at < text.length ? [text.subarray(at)] : []
    size = text.length - at
  }
}
