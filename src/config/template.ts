import { stringify } from 'yaml'
import type { Channel } from './schema.ts'

/** What `telec init` knows. Each other key becomes a comment with its default. */
export interface Answers {
  readonly name?: string | null
  readonly computer?: string | undefined
  readonly channel: Channel
  readonly pinnedMinor?: string | undefined
  readonly checkout: string
  readonly remote?: string | undefined
  readonly branch?: string | undefined
  readonly install?: string | undefined
  readonly service?: readonly string[] | undefined
  readonly scope?: 'user' | 'system' | undefined
}

/** The text of a new `config.yml`. */
export function renderConfig(answers: Answers): string {
  return `# telec keeps ${answers.name ? `the service ${answers.name}` : 'the service'} of this computer up to date. It never rewrites this file.
${line('', 'computer', answers.computer, 'NAME')} # default: the host name
deployment:
${line('  ', 'channel', answers.channel)} # alpha: head of branch | beta: releases | stable: patches
${line('  ', 'pinned_minor', answers.pinnedMinor, '"1.4"')} # stable only: the minor version to stay on
${line('  ', 'checkout', answers.checkout)} # the git work tree that the service runs from
${line('  ', 'remote', answers.remote, 'origin')} # one of the checkout's remotes, or a URL
${line('  ', 'branch', answers.branch, 'main')} # followed by alpha
  # releases: tags                     # tags | github | gitlab | gitea
${line('  ', 'install', answers.install, 'make install')} # runs in the checkout after the migrations
  # path: [~/.local/bin]               # folders with programs, in front of the PATH of the units
  # env_file: ~/.config/web.env        # lines NAME=VALUE for commands and migrations
  # migrations: migrations             # folder inside the checkout
  # before_migrate: make backup        # runs before pending migrations
  # python: .venv                      # interpreter of migrations in Python; default python3
  # poll_every: 60s                    # at least 5s
  # min_age: 2h                        # how long a target must be known first; default 0s
  # window: "Mon-Fri 02:00-05:00"      # when updates run; default: always
${answers.service === undefined ? noService(answers) : serviceOf(answers)}
`
}

function noService({ name }: Answers): string {
  return `# service:                               # without one, telec-update exits 42 and restarts nothing
#   name: ${name ?? 'example'}.service`
}

function serviceOf({ service, scope }: Answers): string {
  return `service:
${line('  ', 'name', service?.length === 1 ? service[0] : service)} # systemd unit or launchd label, or a list of them
${line('  ', 'scope', scope, 'user')} # user | system
  # restart: exit-42                   # exit-42 | manager | none
  # environment: true                  # migrations get Environment= and EnvironmentFile= of the unit
  # health: curl -fsS http://127.0.0.1:8080/ # exits 0 when the service works
  # healthy_after: 5s                  # how long the new process must stay up`
}

/** A key with its answer, or an example in a comment, padded to one width. */
function line(indent: string, key: string, value: Value | undefined, usual = ''): string {
  return (indent + (value === undefined ? `# ${key}: ${usual}` : `${key}: ${onOneLine(value)}`)).padEnd(38)
}

type Value = string | readonly string[]

/** A value as YAML on one line. Other blanks than YAML's need quotes, too. */
function onOneLine(value: Value): string {
  const needsQuotes = [value].flat().some((text) => /^[\d.]+$|^\s|\s$/.test(text))
  return stringify(value, {
    lineWidth: 0,
    collectionStyle: 'flow',
    flowCollectionPadding: false,
    defaultStringType: needsQuotes ? 'QUOTE_DOUBLE' : 'PLAIN',
  }).trim()
}
