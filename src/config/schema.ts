import * as v from 'valibot'
import { type Deployment, DeploymentSchema } from './deployment.ts'
import { parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts'
import { about, argument, choice, commandLine, duration, flag, optional, path } from './values.ts'

// The configuration: each key once, with its description, type and default. See values.ts for messages.

/** Part of a key in Redis, and shown on other computers. */
export const COMPUTER_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const COMPUTER = 'a name of 1 to 64 letters, digits, dots, dashes and underscores'
const METRICS = 'the absolute path of a file whose name ends in .prom, for node_exporter'

/** In the order of restarts. */
type Units = readonly [string, ...string[]]

const UNIT = 'the name of a systemd unit (teleclaude.service) or a launchd label'
const UNITS = `${UNIT}, or a list of them, each once`
const unit = v.pipe(
  argument(UNIT),
  v.check((name) => !name.includes('/'), UNIT),
  v.check((name) => !/@(\.[a-z]+)?$/.test(name), 'an instance of this template, such as web@1.service'),
)

/** `web` and `web.service` are one unit. */
function isEachOnce(names: readonly string[]): boolean {
  return new Set(names.map((name) => name.replace(/\.service$/, ''))).size === names.length
}

const ServiceKeys = v.strictObject({
  name: v.pipe(
    about(
      'The systemd unit or launchd label that runs from the checkout. telec restarts the units of a list in its order.',
      v.union(
        [
          unit,
          v.pipe(
            v.array(unit),
            v.minLength(1, UNITS),
            v.check((names) => isEachOnce(names), UNITS),
          ),
        ],
        UNITS,
      ),
    ),
    v.transform((given): Units => {
      const [first = '', ...others] = [given].flat()
      return [first, ...others]
    }),
  ),
  scope: optional(
    "The service manager that runs it: the user's, or the computer's.",
    choice('user', 'system'),
    'user',
  ),
  restart: optional(
    'How the new code starts: exit-42 asks the service to exit, with code 42; manager has the service manager restart it; none restarts nothing, and telec-update exits with code 42.',
    choice('exit-42', 'manager', 'none'),
    'exit-42',
  ),
  environment: optional(
    'Give migrations the Environment= and EnvironmentFile= of the first unit, as systemd reads them.',
    flag,
    false,
  ),
  health: optional(
    'A shell runs it after a restart until it exits 0. The update is done only then.',
    commandLine,
  ),
  health_timeout: optional('The update halts if `health` fails for longer.', duration('1s'), '60s'),
  healthy_after: optional('How long the new process must stay up.', duration('0s'), '5s'),
  stop_timeout: optional(
    'The service manager restarts a process by force if it takes longer to exit.',
    duration('1s'),
    '90s',
  ),
})

const Service = v.pipe(
  about(
    'The service to restart. Without it telec restarts nothing, and telec-update exits with code 42 after an update.',
    ServiceKeys,
  ),
  v.transform(({ name: names, ...others }) => ({ ...others, names })),
)

const RedisGroup = v.strictObject({
  url: about(
    'The address of Redis. telec works without it, and does not wait for it.',
    v.pipe(
      v.string(REDIS_URL_FORMS),
      v.check((url) => parseRedisUrl(url) !== null, REDIS_URL_FORMS),
    ),
  ),
  password_file: optional(
    'A file with the password, instead of one in the URL.',
    path('a file that holds the password'),
  ),
  ca_file: optional(
    'The certificate authorities of the server over TLS, instead of those of Node.js.',
    path('a file of certificates (PEM)'),
  ),
})

const COUNT = 'a whole number of at least 1'
const count = v.pipe(v.number(COUNT), v.integer(COUNT), v.minValue(1, COUNT))

const Fleet = v.strictObject({
  max_updating: optional('How many computers may update at once; the others wait. Default: all.', count),
  without_redis: optional(
    'Whether updates start (go-on) or wait while Redis is out of reach.',
    choice('go-on', 'wait'),
    'go-on',
  ),
  hold_after_failures: optional(
    'Hold a version on which this many other computers halted, until there is a newer one. Default: never.',
    count,
  ),
})

/** The statuses of an update; `halted` is `update_failed`. */
const KINDS = ['updating', 'migrating', 'installing', 'restarting', 'updated', 'halted'] as const
const ON_STATUS = `a command line, or run: with one and on: with a list of ${KINDS.join(', ')}`

const OnStatus = v.pipe(
  about(
    'A shell runs it at each status of an update, or only at those of `on`, with the status as JSON on standard input. It may take 10 s; its failure changes nothing. Recipes: notifications.md.',
    v.union(
      [
        commandLine,
        v.strictObject({
          run: commandLine,
          on: v.pipe(v.array(v.picklist(KINDS)), v.minLength(1, ON_STATUS)),
        }),
      ],
      ON_STATUS,
    ),
  ),
  v.transform((given) => (typeof given === 'string' ? { run: given, on: KINDS } : given)),
)

export const ConfigSchema = v.pipe(
  v.strictObject({
    computer: optional(
      'The name of this computer. Default: its host name.',
      v.pipe(v.string(COMPUTER), v.regex(COMPUTER_NAME, COMPUTER)),
    ),
    deployment: about('What to deploy, where, and when.', DeploymentSchema),
    service: v.optional(Service),
    redis: optional('Redis, for a view of all computers, and for updates within seconds.', RedisGroup),
    fleet: optional('How computers that share a Redis take turns.', Fleet),
    on_status: v.optional(OnStatus),
    metrics: optional(
      "The file to write for the textfile collector of Prometheus' node_exporter.",
      v.pipe(v.string(METRICS), v.regex(/^(~\/|\/).*\.prom$/s, METRICS)),
    ),
  }),
  v.forward(
    v.check(
      ({ fleet, redis }) => !fleet || redis !== undefined,
      'nothing without redis.url: computers take turns in Redis',
    ),
    ['fleet'],
  ),
)

/** With times in milliseconds, absolute paths and defaults. */
export interface Config extends v.InferOutput<typeof ConfigSchema> {
  readonly computer: string
}
export type ServiceConfig = NonNullable<Config['service']>
export type OnStatus = NonNullable<Config['on_status']>
export type RedisConfig = NonNullable<Config['redis']>
export type Channel = Deployment['channel']
