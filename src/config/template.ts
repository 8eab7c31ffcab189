import { stringify } from 'yaml'
import type { Channel } from './schema.ts'

/** What `telec init` knows about a computer; null leaves the default, as a comment. */
export interface Answers {
  readonly computer: string | null
  readonly channel: Channel
  readonly pinnedMinor: string | null
  readonly checkout: string
  readonly remote: string | null
  readonly branch: string | null
  readonly install: string | null
  readonly service: string | null
  readonly scope: 'user' | 'system' | null
}

/** The text of a new `config.yml`: what was answered, and a comment for each key that a person may want to change. */
export function renderConfig(answers: Answers): string {
  const line = (indent: string, key: string, value: string | null, fallback: string, comment: string) => {
    const text = value === null ? `# ${key}: ${fallback}` : `${key}: ${scalar(value)}`
    return `${indent}${text.padEnd(38 - indent.length)} # ${comment}`
  }
  const deployment = (key: string, value: string | null, fallback: string, comment: string) =>
    line('  ', key, value, fallback, comment)
  const { service, scope } = answers
  const serviceLines =
    service === null
      ? [
          '# service:                               # without one, telec-update exits 42 and restarts nothing',
          '#   name: example.service',
        ]
      : [
          'service:',
          deployment('name', service, '', 'systemd unit or launchd label'),
          deployment('scope', scope, 'user', 'user | system'),
          deployment('restart', null, 'exit-42', 'exit-42 | manager | none'),
          deployment(
            'health',
            null,
            'curl -fsS http://127.0.0.1:8080/',
            'a command that exits 0 when the service is well',
          ),
          deployment('healthy_after', null, '5s', 'how long the new process must stay up'),
        ]
  return [
    '# telec keeps the service of this computer up to date. telec never rewrites this file.',
    line('', 'computer', answers.computer, 'NAME', 'default: the host name'),
    'deployment:',
    deployment('channel', answers.channel, '', 'alpha: head of branch | beta: releases | stable: patches'),
    deployment('pinned_minor', answers.pinnedMinor, '"1.4"', 'stable only: the minor version to stay on'),
    deployment('checkout', answers.checkout, '', 'the git work tree that the service runs from'),
    deployment('remote', answers.remote, 'origin', "one of the checkout's remotes, or a URL"),
    deployment('branch', answers.branch, 'main', 'alpha follows it'),
    deployment('releases', null, 'tags', 'tags | github: what is published there'),
    deployment('install', answers.install, 'make install', 'run in the checkout after the migrations'),
    deployment('migrations', null, 'migrations', 'folder inside the checkout'),
    deployment('poll_every', null, '60s', 'at least 5s'),
    deployment(
      'min_age',
      null,
      '2h',
      'how long a target must have been known before it is taken; default 0s',
    ),
    deployment('window', null, '"Mon-Fri 02:00-05:00"', 'when updates are applied; default: always'),
    ...serviceLines,
    '',
  ].join('\n')
}

/** A value as YAML writes it on one line, in quotes where it needs them: also around blanks that YAML does not know. */
function scalar(value: string): string {
  return stringify(value, {
    lineWidth: 0,
    defaultStringType: /^[\d.]+$|^\s|\s$/.test(value) ? 'QUOTE_DOUBLE' : 'PLAIN',
  }).trim()
}
