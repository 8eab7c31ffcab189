/** `file:` has none; an ssh user alone is no secret. */
const IN_URL = /\b(?!file:)([a-z][a-z\d+.-]*:\/\/)(\S*)@/gi
/** An address for scp, or a URL without its scheme; not a PATH with `node@20` in it. */
const BEFORE_HOST = /(?<=^|[\s'"(<=])(?!file:|\/(?!\/)|[~.]|\S*:\/\/)[^\s'"(<=:]*:\S*@/gim
const AFTER_PATH = /\b((?!file:)[a-z][a-z\d+.-]*:\/\/[^\s?#;]*[?#;])\S+/gi

/**
 * Removes possible passwords and tokens from the URLs of a text: everything before the last @, as a password may have a
 * slash in it, and everything after the path.
 */
export function withoutLogins(text: string): string {
  return text
    .replace(IN_URL, (whole, scheme: string, login: string) =>
      /ssh/i.test(scheme) && !/[:/]/.test(login) ? whole : `${scheme}…@`,
    )
    .replace(BEFORE_HOST, '…@')
    .replace(AFTER_PATH, '$1…')
}
