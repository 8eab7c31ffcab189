/** Whose remote was asked, and by whom: for messages. */
export interface Asked {
  readonly remote: string
  readonly url: string
  readonly workTree: string
  readonly user: string
}

interface Row {
  readonly words: RegExp
  /** @param found what the words' first group found. */
  readonly message: (host: string, found: string) => string
  readonly hint: (asked: Asked, host: string, found: string) => string
  /** By itself: a clock is set once there is a network. */
  readonly passes?: true
}

const GUIDE = 'docs/private-repositories.md'

/** ssh ends with it where no key was taken. */
const LOGIN =
  /Permission denied \([^)]*\)|Permission denied, please try again|Too many authentication failures/

/** What ssh says on its way to a login that is refused. */
function beforeLogin(words: RegExp): RegExp {
  return new RegExp(`(?:${words.source})[\\s\\S]*(?:${LOGIN.source})`, 'm')
}

const byHand = ({ workTree, remote, user }: Asked) => `as ${user}: git -C ${workTree} ls-remote ${remote}`

/** Over ssh, in the words of OpenSSH 8 to 10 and of what runs behind it; the first that fits. */
const SSH: readonly Row[] = [
  {
    words:
      /(?:HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY)[\s\S]*?Host key for (\S+) |Host key for (?:\S+) (?:has changed|was revoked)/,
    message: (host) => `the host key of ${host} is not the one that is known`,
    hint: (asked, host, found) =>
      `ask who runs ${host} whether it has a new key; only then forget the old one (ssh-keygen -R '${found || host}') and accept the new one, ${byHand(asked)}`,
  },
  {
    words: /Host key verification failed|No \S+ host key is known for/,
    message: (host) => `the host key of ${host} is not known to this computer`,
    hint: (asked) => `compare its fingerprint and accept it once, in a terminal, ${byHand(asked)}`,
  },
  {
    words: beforeLogin(/Load key "(.+)": (?!.*passphrase)/),
    message: (_, key) => `ssh cannot use the key ${key}`,
    hint: ({ user }, _, key) =>
      `look at it: ls -l '${key}'; ${user} has to own it, with mode 600, and it has to be a private key`,
  },
  {
    words: beforeLogin(/Identity file (.+) not accessible/),
    message: (_, key) => `the key ${key} is missing`,
    hint: () => `make it, or name another one: "A deploy key" in ${GUIDE}`,
  },
  {
    words: beforeLogin(/sign_and_send_pubkey: signing failed for \S+ "?(.*?)"? from agent/),
    message: (_, key) => `the ssh agent does not sign with the key ${key}`,
    hint: () => `make a deploy key that needs no agent: ${GUIDE}`,
  },
  {
    words: beforeLogin(
      /Server accepts key: (.+?) (?:RSA|DSA|ECDSA|ED25519)\S* SHA256:\S+|Load key "(?:.+)": .*passphrase/,
    ),
    message: (_, key) => `the key ${key || 'for it'} has a passphrase, and nobody is there to type it`,
    hint: (_, __, key) =>
      `make a deploy key without one (${GUIDE}), or take it away: ssh-keygen -p -f '${key || 'KEY'}'`,
  },
  {
    words: beforeLogin(/Offering public key: (.+?) (?:RSA|DSA|ECDSA|ED25519)\S* SHA256:\S+/),
    message: (host, key) => `${host} refuses the key ${key}`,
    hint: (_, __, key) => `add it there as a deploy key: cat '${key}.pub'; or name another one: ${GUIDE}`,
  },
  {
    words: LOGIN,
    message: (host) => `${host} refuses the login`,
    hint: ({ user }, host) => `give ${user} a deploy key that ${host} takes: ${GUIDE}`,
  },
  {
    words:
      /Repository not found|could not be found or you don't have permission|project you were looking for could not be found|does not appear to be a git repository|[Cc]annot find repository|repository does not exist|DENIED by|access denied|not authorized to|Permission to \S+ denied to|SAML SSO|account (?:is|has been) (?:suspended|blocked)/,
    message: (host) => `${host} has no such repository, or does not show it to this key`,
    hint: ({ workTree, remote }, host) =>
      `compare the URL (git -C ${workTree} remote get-url ${remote}), and let the key read it at ${host}: ${GUIDE}`,
  },
]

const newLogin = (_: Asked, host: string) =>
  `store a token that may read it in a credential helper: "A token" in ${GUIDE}; which login is used: printf 'protocol=https\\nhost=${host}\\n' | git credential fill`

/** Over http, in the words of git 2.30 to 2.50 and of libcurl with OpenSSL, GnuTLS and those of Macs; the first that fits. */
const HTTP: readonly Row[] = [
  {
    words:
      /certificate has expired|certificate expiration date has passed|uses expired certificate|certificate expired|BADCERT_EXPIRED/,
    message: (host) => `the certificate of ${host} has expired`,
    hint: (_, host) => `ask who runs ${host} to renew it; is the clock of this computer right? date`,
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
      `use the name that it is for: git -C ${workTree} remote set-url ${remote} URL`,
  },
  {
    words:
      /error setting certificate (?:verify locations|file)|Problem with the SSL CA cert|error reading ca cert file|error adding trust anchors from file/,
    message: () => 'git cannot read the certificates that it is to trust',
    hint: () => 'correct the file that is named: git config --show-origin --get-regexp sslca',
  },
  {
    words:
      /self[- ]signed certificate|SSL certificate problem|server certificate verification failed|certificate verification failed|certificate is NOT trusted|SSL peer certificate|BADCERT_NOT_TRUSTED/,
    message: (host) => `the certificate of ${host} is not trusted by this computer`,
    hint: ({ user }, host) =>
      `as ${user}: git config --global http.https://${host}/.sslCAInfo FILE ("A certificate of your own" in ${GUIDE})`,
  },
  {
    words: /HTTP code 407|response 407|returned error: 407/,
    message: () => 'the proxy asks for a login',
    hint: ({ user }) => `as ${user}: git config --global http.proxy URL, with the login in it`,
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
    message: (host) => `${host} forbids the repository to this login (403)`,
    hint: newLogin,
  },
  {
    words: /^fatal: repository '.*' not found|returned error: 404/m,
    message: (host) => `${host} has no such repository, or does not show it to this login (404)`,
    hint: (asked, host) =>
      `compare the URL: git -C ${asked.workTree} remote get-url ${asked.remote}; where it is right, ${newLogin(asked, host)}`,
  },
]

export interface AccessFault {
  readonly message: string
  readonly hint: string
  /** Else a person repairs it. */
  readonly passes: boolean
}

/** What is left of the words of `ssh -v` for people. */
export function withoutDetails(said: string): string {
  const details =
    /^(?:debug1: |OpenSSH_\S+ ?\S*, |Authenticated to |Authenticated using |Transferred: sent |Bytes per second: sent ).*(?:\n|$)/gm
  return said.replace(details, '')
}

/**
 * What keeps this computer out of a remote that is in reach, by the words of git and of its helpers (LC_ALL=C); null where
 * they name nothing.
 *
 * @param said with the words of `ssh -v`, where it is over ssh.
 */
export function accessFault(asked: Asked, said: string): AccessFault | null {
  const { isSsh, host } = placeOf(asked.url)
  if (host === null) return null
  for (const { words, message, hint, passes = false } of isSsh ? SSH : HTTP) {
    const match = words.exec(said)
    if (!match) continue
    const found = match[1] ?? ''
    const what = `the remote ${asked.remote}: ${message(host, found)}`
    return { message: what, hint: hint(asked, host, found), passes }
  }
  return null
}

/** The server of a URL, with its port over http; null for a path. */
function placeOf(url: string): { readonly isSsh: boolean; readonly host: string | null } {
  // A port has digits: of a login with a slash in it nothing is taken for the host.
  const [, http] = /^https?:\/\/(?:[^/\s]*@)?([^/\s:]+(?::\d+)?|\[[^\]]+\](?::\d+)?)(?:\/|$)/i.exec(url) ?? []
  if (http) return { isSsh: false, host: http }
  const [, ssh = null] =
    /^(?:git\+)?ssh:\/\/(?:[^/\s@]*@)?(\[[^\]]+\]|[^/:\s]+)/i.exec(url) ??
    /^(?:[^/\s@:]*@)?(\[[^\]]+\]|[^/:\s]+):(?!\/\/)/.exec(url) ?? // scp's: git@HOST:PATH
    []
  return { isSsh: true, host: ssh }
}
