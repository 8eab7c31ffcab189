/** What ends the options of a line of an allowed signers file: the type of its key. */
const KEY_TYPE = /\s(?:ssh|ecdsa|sk|rsa|webauthn)-\S+\s/
/** YYYYMMDD[HHMM[SS]][Z], by this computer's time zone without the Z. */
const VALID_BEFORE = /\bvalid-before="?(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)\b/i

interface Expired {
  /** Who signs with it, as the file says. */
  readonly name: string
  readonly line: number
  readonly at: Date
}

/** The keys of an allowed signers file (ssh-keygen(1)) that have expired. Pure. */
export function expiredSigners(text: string, nowMs: number): Expired[] {
  return text.split('\n').flatMap((line, index) => {
    const options = line.slice(0, KEY_TYPE.exec(line)?.index ?? 0)
    const found = VALID_BEFORE.exec(options)
    if (!found || line.trimStart().startsWith('#')) return []
    const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = found
      .slice(1, 7)
      .map((part) => Number(part ?? 0))
    const inUtc = Date.UTC(year, month - 1, day, hour, minute, second)
    const at = found[7] ? new Date(inUtc) : new Date(year, month - 1, day, hour, minute, second)
    const [name = ''] = options.trim().split(/\s/)
    return at.getTime() <= nowMs ? [{ name, line: index + 1, at }] : []
  })
}
