import { gitAt, shellWord } from '../system/errors.ts'

/** The remote that was asked, and the user who asked it: for messages. */
interface Asked {
  readonly remote: string
  readonly url: string
  readonly workTree: string
  readonly user: string
}

interface Row {
  readonly words: RegExp
  /** @param found the first group of `words`. */
  readonly message: (host: string, found: string) => string
  readonly hint: (asked: Asked, host: string, found: string) => string
  /** It passes without a user: a clock is set once there is a network. */
  readonly passes?: true
}

const GUIDE = 'docs/private-repositories.md'

/** The last words of ssh when the server took no key. */
const LOGIN =
  /Permission denied \([^)]*\)|Permission denied, please try again|Too many authentication failures/

/** Words of ssh before a refused login. */
function beforeLogin(words: RegExp): RegExp {
  return new RegExp(`(?:${words.source})[\\s\\S]*(?:${LOGIN.source})`, 'm')
}

const byHand = ({ workTree, remote, user }: Asked) =>
  `as ${user}: ${gitAt(workTree)} ls-remote ${shellWord(remote)}`

/** Over ssh, in the words of OpenSSH 8 to 10 and of forges; the first match counts. */
const SSH: readonly Row[] = [
  {
    words:
      /(?:HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY)[\s\S]*?Host key for (\S+) |Host key for (?:\S+) (?:has changed|was revoked)/,
    message: (host) => `the host key of ${host} has changed, or was revoked`,
    hint: (asked, host, found) =>
      `ask the owner of ${host} whether it has a new key; only then remove the old one (ssh-keygen -R ${shellWord(found || host)}) and accept the new one, ${byHand(asked)}`,
  },
  {
    words: /Host key verification failed|No \S+ host key is known for/,
    message: (host) => `this computer does not know the host key of ${host}`,
    hint: (asked) => `compare its fingerprint and accept it once, in a terminal, ${byHand(asked)}`,
  },
  {
    words: beforeLogin(/Load key "(.+)": (?!.*passphrase)/),
    message: (_, key) => `ssh cannot use the key ${key}`,
    hint: ({ user }, _, key) =>
      `check it: ls -l ${shellWord(key)}; it must be a private key with mode 600 that ${user} owns`,
  },
  {
    words: beforeLogin(/Identity file (.+) not accessible/),
    message: (_, key) => `the key ${key} is missing`,
    hint: () => `create it, or configure another key: "A deploy key" in ${GUIDE}`,
  },
  {
    words: beforeLogin(/sign_and_send_pubkey: signing failed for \S+ "?(.*?)"? from agent/),
    message: (_, key) => `the ssh agent does not sign with the key ${key}`,
    hint: () => `create a deploy key that needs no agent: ${GUIDE}`,
  },
  {
    words: beforeLogin(
      /Server accepts key: (.+?) (?:RSA|DSA|ECDSA|ED25519)\S* SHA256:\S+|Load key "(?:.+)": .*passphrase/,
    ),
    message: (_, key) => `the key ${key || 'of the remote'} has a passphrase, which telec cannot type`,
    hint: (_, __, key) =>
      `create a deploy key without a passphrase (${GUIDE}), or remove the passphrase: ssh-keygen -p -f ${shellWord(key || 'KEY')}`,
  },
  {
    words: beforeLogin(/Offering public key: (.+?) (?:RSA|DSA|ECDSA|ED25519)\S* SHA256:\S+/),
    message: (host, key) => `${host} refuses the key ${key}`,
    hint: (_, __, key) =>
      `add it there as a deploy key: cat ${shellWord(`${key}.pub`)}; or use another key: ${GUIDE}`,
  },
  {
    words: LOGIN,
    message: (host) => `${host} refuses the login`,
    hint: ({ user }, host) => `give ${user} a deploy key that ${host} accepts: ${GUIDE}`,
  },
  {
    words:
      /Repository not found|could not be found or you don't have permission|project you were looking for could not be found|does not appear to be a git repository|[Cc]annot find repository|repository does not exist|DENIED by|access denied|not authorized to|Permission to \S+ denied to|SAML SSO|account (?:is|has been) (?:suspended|blocked)/,
    message: (host) => `${host} has no such repository, or hides it from this key`,
    hint: ({ workTree, remote }, host) =>
      `check the URL (${gitAt(workTree)} remote get-url ${shellWord(remote)}), and allow the key to read it at ${host}: ${GUIDE}`,
  },
]

const newLogin = (_: Asked, host: string) =>
  `store a token with read access in a credential helper: "A token" in ${GUIDE}; to see the login in use: printf ${shellWord(`protocol=https\\nhost=${host}\\n`)} | git credential fill`

/** Over http, in the words of git 2.30 to 2.50 and of libcurl with OpenSSL, GnuTLS and Apple's; the first match counts. */
const HTTP: readonly Row[] = [
  {
    words:
      /certificate has expired|certificate expiration date has passed|uses expired certificate|certificate expired|BADCERT_EXPIRED/,
    message: (host) => `the certificate of ${host} has expired`,
    hint: (_, host) => `ask the owner of ${host} to renew it; or correct the clock of this computer: date`,
  },
  {
    words: /not yet valid|not activated yet|BADCERT_FUTURE/,
    message: (host) => `the certificate of ${host} is not valid yet`,
    hint: () => 'set the clock of this computer: timedatectl set-ntp true',
    passes: true,
  },
  {
    words:
      /no alternative certificate subject name matches|certificate subject name.* does not match|subjectAltName does not match|does not match target host name|BADCERT_CN_MISMATCH/,
    message: (host) => `the certificate of ${host} is for another name`,
    hint: ({ workTree, remote }) =>
      `use the name in the certificate: ${gitAt(workTree)} remote set-url ${shellWord(remote)} URL`,
  },
  {
    words:
      /error setting certificate (?:verify locations|file)|Problem with the SSL CA cert|error reading ca cert file|error adding trust anchors from file/,
    message: () => 'git cannot read the certificates to trust',
    hint: () => 'correct the configured file: git config --show-origin --get-regexp sslca',
  },
  {
    words:
      /self[- ]signed certificate|SSL certificate problem|server certificate verification failed|certificate verification failed|certificate is NOT trusted|SSL peer certificate|BADCERT_NOT_TRUSTED/,
    message: (host) => `this computer does not trust the certificate of ${host}`,
    hint: ({ user }, host) =>
      `trust it, as ${user}: git config --global ${shellWord(`http.https://${host}/.sslCAInfo`)} FILE ("A certificate of your own" in ${GUIDE})`,
  },
  {
    words: /HTTP code 407|response 407|returned error: 407/,
    message: () => 'the proxy asks for a login',
    hint: ({ user }) => `add the login to the URL, as ${user}: git config --global http.proxy URL`,
  },
  {
    words: /could not read (?:Username|Password)/,
    message: (host) => `${host} asks for a login, and this computer has none`,
    hint: newLogin,
  },
  {
    words:
      /Authentication failed for|returned error: 401|HTTP Basic: Access denied|Invalid username or (?:password|token)/,
    message: (host) => `${host} refuses the login`,
    hint: newLogin,
  },
  {
    words: /returned error: 403/,
    message: (host) => `${host} does not allow this login to read the repository (403)`,
    hint: newLogin,
  },
  {
    words: /^fatal: repository '.*' not found|returned error: 404/m,
    message: (host) => `${host} has no such repository, or hides it from this login (404)`,
    hint: (asked, host) =>
      `check the URL: ${gitAt(asked.workTree)} remote get-url ${shellWord(asked.remote)}; if it is right, ${newLogin(asked, host)}`,
  },
]

/** The output of `ssh -v` without its debug lines. */
export function withoutDebugLines(output: string): string {
  const details =
    /^(?:debug1: |OpenSSH_\S+ ?\S*, |Authenticated to |Authenticated using |Transferred: sent |Bytes per second: sent ).*(?:\n|$)/gm
  return output.replace(details, '')
}

/**
 * Why a reachable remote refuses this computer, by the words of git and of its helpers (LC_ALL=C), with those of `ssh -v`;
 * null for another fault. `passes`: it passes without a user.
 */
export function accessFault(asked: Asked, output: string) {
  const { isSsh, host } = placeOf(asked.url)
  if (host === null) return null
  for (const { words, message, hint, passes = false } of isSsh ? SSH : HTTP) {
    const match = words.exec(output)
    if (!match) continue
    const found = match[1] ?? ''
    const text = `the remote ${asked.remote}: ${message(host, found)}`
    return { message: text, hint: hint(asked, host, found), passes }
  }
  return null
}

/** The server of a URL, with its port over http; null for a path. */
function placeOf(url: string): { readonly isSsh: boolean; readonly host: string | null } {
  // Digits only: no part of a login with a slash in it may look like the host.
  const [, http] = /^https?:\/\/(?:[^/\s]*@)?([^/\s:]+(?::\d+)?|\[[^\]]+\](?::\d+)?)(?:\/|$)/i.exec(url) ?? []
  if (http) return { isSsh: false, host: http }
  const [, ssh = null] =
    /^(?:git\+)?ssh:\/\/(?:[^/\s@]*@)?(\[[^\]]+\]|[^/:\s]+)/i.exec(url) ??
    /^(?:[^/\s@:]*@)?(\[[^\]]+\]|[^/:\s]+):(?!\/\/)/.exec(url) ?? // scp's: git@HOST:PATH
    []
  return { isSsh: true, host: ssh }
}
