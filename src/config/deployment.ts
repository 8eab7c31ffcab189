import * as v from 'valibot'
import { about, argument, choice, commandLine, duration, flag, optional, path } from './values.ts'
import { isTimeZone, parseWindow } from './weekly-hours.ts'

const MINOR = 'a minor version in quotes: "1.4"'
/** Each may take 45 s of a poll, and telec-watch.service ends after 7 minutes. */
const MOST_MIRRORS = 5
const MIRRORS = `a list of URLs of the same repository, at most ${MOST_MIRRORS}`
const REMOTE = "the name of one of the checkout's remotes, or a URL"
const API_URL = 'the https URL of an API, such as https://git.example.com/api/v4'
const FOLDERS = 'a list of absolute paths of folders (~/ is your home folder), without colons'
const ZONE = "a time zone of the IANA's, such as Europe/Berlin"
const WINDOW = 'weekly hours in quotes, such as "Mon-Fri 02:00-05:00" or "22:00-04:00", or a list of them'

/** Others can read a token sent over http, except to this computer itself. */
function isApiUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return (
    protocol === 'https:' || (protocol === 'http:' && /^(127\.0\.0\.1|\[::1\]|localhost)$/.test(hostname))
  )
}

/** A text with :// must be a valid URL. git checks paths and HOST:PATH. */
const source = (takes: string) =>
  v.pipe(
    argument(takes),
    v.check((text) => !/^[a-z][\w+.-]*:\/\//i.test(text) || URL.canParse(text), takes),
  )

const Keys = v.strictObject({
  channel: optional(
    'What this computer follows: alpha the head of `branch`, beta the newest release, stable the newest patch of `pinned_minor`.',
    choice('alpha', 'beta', 'stable'),
    'alpha',
  ),
  pinned_minor: optional(
    'The minor version of the channel stable, which requires it. Not allowed on other channels.',
    v.pipe(v.string(MINOR), v.regex(/^\d+\.\d+$/, MINOR)),
  ),
  checkout: about(
    'The git work tree that the service runs from. telec owns its HEAD. Files that git does not track belong to the service.',
    path('a git checkout (~/ is your home folder)'),
  ),
  remote: optional(
    "The source of new versions: one of the checkout's remotes, or a URL.",
    source(REMOTE),
    'origin',
  ),
  mirrors: optional(
    'URLs of the same repository, tried in this order while the remote is out of reach.',
    v.pipe(v.array(source(MIRRORS), MIRRORS), v.maxLength(MOST_MIRRORS, MIRRORS)),
    [],
  ),
  branch: optional('The branch that alpha follows.', argument('the name of a branch'), 'main'),
  releases: optional(
    'Which releases beta and stable take: every version tag, or only those published on GitHub, GitLab or Gitea (also Forgejo).',
    choice('tags', 'github', 'gitlab', 'gitea'),
    'tags',
  ),
  api_url: optional(
    "The API of `releases`, if the remote's URL does not show it: a server below a path, or a host name from ssh's configuration.",
    v.pipe(v.string(API_URL), v.check(isApiUrl, API_URL)),
  ),
  token_file: optional(
    'A file with the token for that API. GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN overrides it. Without both, GitHub gets the token of `gh auth token`.',
    path('a file that holds a token'),
  ),
  verify: optional(
    'The signature that a target needs before telec changes the work tree: on its tag, or on its commits.',
    choice('none', 'signed-tag', 'signed-commit'),
    'none',
  ),
  verify_commits: optional(
    'With signed-commit: check every commit since the deployed one, or only the newest.',
    choice('all', 'tip'),
    'all',
  ),
  allowed_signers: optional(
    'The SSH keys that may sign.',
    path('an allowed signers file (ssh-keygen(1)), outside the checkout'),
  ),
  revoked_signers: optional(
    'SSH keys that are revoked.',
    path('a file of revoked SSH keys (ssh-keygen(1)), outside the checkout'),
  ),
  keyring: optional(
    'The GPG keys that may sign, instead of `allowed_signers` or with it.',
    path('a file of public keys (gpg --export), outside the checkout'),
  ),
  prereleases: optional('Let beta and stable take versions such as 1.2.0-rc.1.', flag, false),
  submodules: optional(
    "Update submodules with the target, over the remote's own transport alone.",
    flag,
    false,
  ),
  migrations: optional(
    'The folder of migrations, inside the checkout.',
    argument('a folder inside the checkout'),
    'migrations',
  ),
  python: optional(
    'The interpreter of migrations in Python: a program on the PATH, or the path of an interpreter or a virtual environment. Relative paths are inside the checkout.',
    argument('python3, or the path of an interpreter or a virtual environment'),
    'python3',
  ),
  before_migrate: optional(
    'A shell runs it in the checkout before pending migrations: a backup, for example. It reads their list as JSON from standard input. Its limit is `install_timeout`. If it fails, the update halts before any of them.',
    commandLine,
  ),
  version_file: optional(
    'The file inside the checkout that declares its version. Default: the first of package.json, pyproject.toml, Cargo.toml and VERSION.',
    argument('a file inside the checkout'),
  ),
  install: optional(
    'A shell runs it in the checkout, after the migrations and before the restart. The log names the processes that it leaves running. systemd ends them with the unit of telec-update.',
    commandLine,
  ),
  install_timeout: optional('The update halts if `install` takes longer.', duration('1s'), '30m'),
  path: optional(
    'Folders with programs, in front of the PATH of the units. After a change, run telec install.',
    v.array(v.pipe(v.string(FOLDERS), v.regex(/^(~\/|\/)[^:\p{Cc}]*$/u, FOLDERS)), FOLDERS),
    [],
  ),
  env_file: optional(
    'A file of variables for install, health, on_status and migrations, with a line NAME=VALUE for each.',
    path('a file with a line NAME=VALUE for each variable'),
  ),
  poll_every: optional(
    'How often telec-watch polls the remote. After a change, run telec install.',
    duration('5s', '20d'), // telec run adds up to a tenth, which a timer must hold, too
    '60s',
  ),
  poll_timeout: optional(
    'A remote that takes longer to list its refs is out of reach.',
    duration('1s', '45s'), // the limit of telec-watch.service depends on it
    '45s',
  ),
  fetch_timeout: optional('A fetch fails if it takes longer.', duration('1s'), '15m'),
  min_age: optional(
    'How long this computer must know a target before it takes it, so that others find faults first.',
    duration('0s', '3650d'), // no timer waits for it
    '0s',
  ),
  window: optional(
    'When updates run. Polls still detect new versions. Default: always.',
    v.pipe(
      v.union([v.string(), v.array(v.string())], WINDOW),
      v.transform((given) => [given].flat()),
      v.check((given) => given.every((text) => parseWindow(text) !== null), WINDOW),
    ),
    [],
  ),
  timezone: optional(
    "The time zone of `window`. Default: the computer's own.",
    v.pipe(v.string(ZONE), v.check(isTimeZone, ZONE)),
  ),
})

export type Deployment = v.InferOutput<typeof Keys>

/** A rule across keys. @param key the one that an error names. */
function rule(key: keyof Deployment, takes: string, isMet: (deployment: Deployment) => boolean) {
  return v.forward(v.check(isMet, takes), [key])
}

/** `deployment:` of the configuration. */
export const DeploymentSchema = v.pipe(
  Keys,
  rule(
    'pinned_minor',
    'with channel: stable, a minor version in quotes: "1.4"',
    ({ channel, pinned_minor }) => channel !== 'stable' || pinned_minor !== undefined,
  ),
  rule(
    'pinned_minor',
    'nothing unless channel is stable: remove the key, or set channel: stable',
    ({ channel, pinned_minor }) => channel === 'stable' || pinned_minor === undefined,
  ),
  rule(
    'verify',
    'signed-commit on alpha, which follows a branch',
    ({ verify, channel }) => verify !== 'signed-tag' || channel !== 'alpha',
  ),
  rule(
    'verify',
    'only none without keys: set allowed_signers (SSH) or keyring (GPG)',
    ({ verify, allowed_signers, keyring }) => verify === 'none' || Boolean(allowed_signers ?? keyring),
  ),
  rule(
    'releases',
    'nothing on alpha, which follows a branch: remove the key, or set channel: beta',
    ({ channel, releases }) => channel !== 'alpha' || releases === 'tags',
  ),
)
