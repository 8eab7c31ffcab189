import * as v from 'valibot'
import { Deployment } from './deployment.ts'
import { parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts'
import { about, argument, commandLine, duration, path } from './values.ts'

/**
 * The configuration: each key once, with what it is for, its type, its default and the sentence that says what it
 * takes (the message of an error is that sentence; the value that was found is added to it).
 */

/** A computer's name: part of a key in Redis, and shown on other computers' screens. */
export const COMPUTER_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/
const COMPUTER = 'a name of 1 to 64 letters, digits, dots, dashes and underscores'

const Service = v.strictObject({
  name: about(
    'The systemd unit, or the launchd label, that runs from the checkout.',
    argument('the name of a systemd unit (teleclaude.service) or a launchd label'),
  ),
  scope: v.optional(
    about(
      "Whose service manager runs it: the user's, or the computer's.",
      v.picklist(['user', 'system'], 'user or system'),
    ),
    'user',
  ),
  restart: v.optional(
    about(
      'How it gets to run the new code: by being asked to leave, which it does with exit code 42; by a restart of its manager; or not at all, and telec-update then leaves with 42 itself.',
      v.picklist(['exit-42', 'manager', 'none'], 'exit-42, manager or none'),
    ),
    'exit-42',
  ),
  health: v.optional(
    about(
      'Run by a shell until it exits 0 once the new process is up; an update is not done before.',
      commandLine,
    ),
  ),
  health_timeout: v.optional(
    about('How long `health` may fail before the update halts.', duration('1s')),
    '60s',
  ),
  healthy_after: v.optional(about('How long the new process must stay up.', duration('0s')), '5s'),
  stop_timeout: v.optional(
    about(
      'How long the old process may take to leave before its manager restarts it by force.',
      duration('1s'),
    ),
    '90s',
  ),
})

const METRICS = 'the absolute path of a file whose name ends in .prom, for node_exporter'

const RedisGroup = v.strictObject({
  url: about(
    'Where Redis is. All of telec works without it, and nothing waits for it.',
    v.pipe(
      v.string(REDIS_URL_FORMS),
      v.check((url) => parseRedisUrl(url) !== null, REDIS_URL_FORMS),
    ),
  ),
  password_file: v.optional(
    about(
      'A file that holds the password, instead of one in the URL.',
      path('a file that holds the password'),
    ),
  ),
  ca_file: v.optional(
    about(
      'Who may vouch for the server over TLS, instead of the authorities that Node.js knows.',
      path('a file of certificates (PEM) that vouch for the server'),
    ),
  ),
})

const COUNT = 'a whole number of at least 1'
const count = v.pipe(v.number(COUNT), v.integer(COUNT), v.minValue(1, COUNT))

const Fleet = v.strictObject({
  max_updating: v.optional(
    about('So many computers update at once; the others take turns. By default all do.', count),
  ),
  without_redis: v.optional(
    about(
      'What happens while Redis is away: updates go on, or wait for it.',
      v.picklist(['go-on', 'wait'], 'go-on or wait'),
    ),
    'go-on',
  ),
  hold_after_failures: v.optional(
    about(
      'A version at which so many other computers halted is held until there is a newer one. By default none is.',
      count,
    ),
  ),
})

export const ConfigSchema = v.pipe(
  v.strictObject({
    computer: v.optional(
      about(
        'The name of this computer. By default its host name.',
        v.pipe(v.string(COMPUTER), v.regex(COMPUTER_NAME, COMPUTER)),
      ),
    ),
    deployment: about('What to deploy, where, and when.', Deployment),
    service: v.optional(
      about(
        'The service that is restarted. Without it telec restarts nothing, and telec-update leaves with 42 after an update.',
        Service,
      ),
    ),
    redis: v.optional(about('Redis, for a view of all computers and updates within seconds.', RedisGroup)),
    fleet: v.optional(about('How computers that share a Redis take turns.', Fleet)),
    on_status: v.optional(
      about(
        'Run by a shell at each status of an update, which it gets as JSON on its standard input. 10 s each; what it says or does not do changes nothing.',
        commandLine,
      ),
    ),
    metrics: v.optional(
      about(
        "Where to leave numbers for the textfile collector of Prometheus' node_exporter.",
        v.pipe(v.string(METRICS), v.regex(/^(~\/|\/).*\.prom$/s, METRICS)),
      ),
    ),
  }),
  v.forward(
    v.check(
      ({ fleet, redis }) => !fleet || redis !== undefined,
      'nothing without redis.url: computers meet in Redis',
    ),
    ['fleet'],
  ),
)

export type ConfigInput = v.InferInput<typeof ConfigSchema>
type Parsed = v.InferOutput<typeof ConfigSchema>

/** The configuration as programs use it: times in milliseconds, paths absolute, defaults filled in. */
export interface Config extends Parsed {
  readonly computer: string
}
export type ServiceConfig = NonNullable<Config['service']>
export type Channel = Config['deployment']['channel']
