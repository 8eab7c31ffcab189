import * as v from 'valibot'
import { about, argument, choice, commandLine, duration, flag, optional, path } from './values.ts'
import { isTimeZone, parseWindow } from './weekly-hours.ts'

const MINOR = 'a minor version in quotes: "1.4"'
/** Each takes up to 45 s of a poll, which the watch unit gives 6 min in all. */
const MOST_MIRRORS = 5
const MIRRORS = `a list of URLs of the same repository, at most ${MOST_MIRRORS}`
const REMOTE = "the name of one of the checkout's remotes, or a URL"
const API_URL = 'the https URL of an API, such as https://git.example.com/api/v4'
const FOLDERS = 'a list of absolute paths of folders (~/ is your home folder), without colons'
const ZONE = "a time zone of the IANA's, such as Europe/Berlin"
const WINDOW = 'weekly hours such as "Mon-Fri 02:00-05:00" or "22:00-04:00", in quotes, or a list of such'

/** A token that goes over http can be read on the way; to this computer itself there is no way. */
function isApiUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return (
    protocol === 'https:' || (protocol === 'http:' && /^(127\.0\.0\.1|\[::1\]|localhost)$/.test(hostname))
  )
}

/** What looks like a URL is one: whoever has to take it apart later can. Paths and HOST:PATH are git's business. */
const source = (takes: string) =>
  v.pipe(
    argument(takes),
    v.check((text) => !/^[a-z][\w+.-]*:\/\//i.test(text) || URL.canParse(text), takes),
  )

const Keys = v.strictObject({
  channel: optional(
    'What this computer follows: alpha is the head of `branch`, beta the newest release, stable the newest patch of `pinned_minor`.',
    choice('alpha', 'beta', 'stable'),
    'alpha',
  ),
  pinned_minor: optional(
    'The minor version that stable stays on. Required there, and an error on the other channels.',
    v.pipe(v.string(MINOR), v.regex(/^\d+\.\d+$/, MINOR)),
  ),
  checkout: about(
    "The git work tree that the service runs from. telec owns its HEAD; files that git does not track stay the service's.",
    path('a git checkout (~/ is your home folder)'),
  ),
  remote: optional(
    "Where new versions come from: one of the checkout's remotes, or a URL.",
    source(REMOTE),
    'origin',
  ),
  mirrors: optional(
    'URLs of the same repository, tried in turn where the remote is out of reach.',
    v.pipe(v.array(source(MIRRORS), MIRRORS), v.maxLength(MOST_MIRRORS, MIRRORS)),
    [],
  ),
  branch: optional('The branch that alpha follows.', argument('the name of a branch'), 'main'),
  releases: optional(
    'What counts as a release on beta and stable: every version tag, or only what is published on GitHub, GitLab, or Gitea (Forgejo, too).',
    choice('tags', 'github', 'gitlab', 'gitea'),
    'tags',
  ),
  api_url: optional(
    "Where the API is that `releases` names, when the remote's URL does not say it: below a path of a server, or of a host name out of ssh's configuration.",
    v.pipe(v.string(API_URL), v.check(isApiUrl, API_URL)),
  ),
  token_file: optional(
    'A file that holds the token for that API. GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN goes before it; for GitHub, without both, `gh auth token` is asked.',
    path('a file that holds a token'),
  ),
  verify: optional(
    'Which signature a target must have before anything of it reaches the work tree: that of its tag, or of its commits.',
    choice('none', 'signed-tag', 'signed-commit'),
    'none',
  ),
  verify_commits: optional(
    'With signed-commit: every commit since the one that is deployed, or only the newest.',
    choice('all', 'tip'),
    'all',
  ),
  allowed_signers: optional(
    'The SSH keys that may sign.',
    path('an allowed signers file (ssh-keygen(1)), outside the checkout'),
  ),
  revoked_signers: optional(
    'SSH keys that count no more.',
    path('a file of revoked SSH keys (ssh-keygen(1)), outside the checkout'),
  ),
  keyring: optional(
    'The GPG keys that may sign; instead of `allowed_signers`, or beside it.',
    path('a file of public keys (gpg --export), outside the checkout'),
  ),
  prereleases: optional('Whether beta and stable take versions such as 1.2.0-rc.1.', flag, false),
  submodules: optional(
    "Whether submodules follow the target, over the remote's own transport alone.",
    flag,
    false,
  ),
  migrations: optional(
    'Where migrations are, inside the checkout.',
    argument('a folder inside the checkout'),
    'migrations',
  ),
  python: optional(
    'What runs migrations in Python: a program on the PATH, or the path of one, or of a virtual environment; without a slash before it, inside the checkout.',
    argument('python3, or the path of an interpreter or a virtual environment'),
    'python3',
  ),
  before_migrate: optional(
    'Run by a shell in the checkout before migrations, where some are pending: a backup, for example. It reads their list as JSON, and may take as long as `install`. Where it fails the update halts, and none of them ran.',
    commandLine,
  ),
  version_file: optional(
    'The file inside the checkout that holds its version. By default the first of package.json, pyproject.toml, Cargo.toml and VERSION.',
    argument('a file inside the checkout'),
  ),
  install: optional(
    'Run by a shell in the checkout, after the migrations and before the restart. By default nothing is. What it leaves running is named in the log, and ends under systemd with the unit of telec-update.',
    commandLine,
  ),
  install_timeout: optional('How long `install` may take before the update halts.', duration('1s'), '30m'),
  path: optional(
    'Folders where telec and the commands find programs, in front of the PATH of the units. After a change: telec install.',
    v.array(v.pipe(v.string(FOLDERS), v.regex(/^(~\/|\/)[^:\p{Cc}]*$/u, FOLDERS)), FOLDERS),
    [],
  ),
  env_file: optional(
    'A file of variables for install, health, on_status and migrations: a line NAME=VALUE each.',
    path('a file with a line NAME=VALUE for each variable'),
  ),
  poll_every: optional(
    'How often the remote is asked. After a change: telec install.',
    duration('5s', '20d'), // telec run adds up to a tenth, and still has to fit into a timer
    '60s',
  ),
  poll_timeout: optional(
    'How long a remote may take to say what it has before it counts as out of reach.',
    duration('1s', '45s'), // the watch unit's own limit counts on that
    '45s',
  ),
  fetch_timeout: optional('How long a fetch may take.', duration('1s'), '15m'),
  min_age: optional(
    'How long this computer must have known a target before it takes it: time for others to find out that it is bad.',
    duration('0s', '3650d'), // no timer waits for it
    '0s',
  ),
  window: optional(
    'When updates are applied; what is new is still detected at once. By default always.',
    v.pipe(
      v.union([v.string(), v.array(v.string())], WINDOW),
      v.transform((given) => [given].flat()),
      v.check((given) => given.every((text) => parseWindow(text) !== null), WINDOW),
    ),
    [],
  ),
  timezone: optional(
    "The time zone of `window`. By default the computer's own.",
    v.pipe(v.string(ZONE), v.check(isTimeZone, ZONE)),
  ),
})

type Deployment = v.InferOutput<typeof Keys>

/** A rule across keys, and what the key that it is about takes by it. */
function rule(key: keyof Deployment, takes: string, isMet: (deployment: Deployment) => boolean) {
  return v.forward(v.check(isMet, takes), [key])
}

/** `deployment:` of the configuration. */
export const Deployment = v.pipe(
  Keys,
  rule(
    'pinned_minor',
    'with channel: stable, the minor version to stay on, in quotes: "1.4"',
    ({ channel, pinned_minor }) => channel !== 'stable' || pinned_minor !== undefined,
  ),
  rule(
    'pinned_minor',
    'nothing unless channel is stable: remove the key, or set channel: stable',
    ({ channel, pinned_minor }) => channel === 'stable' || pinned_minor === undefined,
  ),
  rule(
    'verify',
    'signed-commit on alpha, which follows a branch and no tags',
    ({ verify, channel }) => verify !== 'signed-tag' || channel !== 'alpha',
  ),
  rule(
    'verify',
    'nothing but none without the keys that may sign: set allowed_signers (SSH) or keyring (GPG)',
    ({ verify, allowed_signers, keyring }) => verify === 'none' || Boolean(allowed_signers ?? keyring),
  ),
  rule(
    'releases',
    'nothing on alpha, which follows a branch: remove the key, or set channel: beta',
    ({ channel, releases }) => channel !== 'alpha' || releases === 'tags',
  ),
)
