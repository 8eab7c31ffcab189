import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

interface Row {
  readonly name: string | null
  readonly deployed: { readonly commit: string }
  readonly service: { readonly activity: string }
}

/** Beside the first service, which has no name. */
const NAMES = Array.from({ length: 9 }, (_, index) => `worker-${index + 1}`)
const FOLDERS = {
  user: {
    units: '~/.config/systemd/user',
    config: (name: string) => `~/.teleclaude/services/${name}/config.yml`,
  },
  system: { units: '/etc/systemd/system', config: (name: string) => `/etc/telec/services/${name}.yml` },
}

describe.each<[Scope, readonly string[]]>([
  ['user', NAMES],
  ['system', NAMES.slice(0, 1)],
])('services on one computer, %s scope', (scope, names) => {
  let subscriber: Subscriber
  const { units, config } = FOLDERS[scope]
  const flags = scope === 'system' ? '--system' : ''
  const services = async () => JSON.parse((await subscriber.telec('telec status --json')).stdout) as Row[]
  const started = (name: string) =>
    ['watch', 'update'].map((unit) => `telec-${unit}@${name}.timer`).concat(`telec-update@${name}.path`)

  beforeAll(async () => {
    subscriber = await subscribe(scope, { healthy_after: '0s' })
    await subscriber.telec('telec install')
    await subscriber.sh(
      `for name in ${names.join(' ')}; do
  git clone --quiet "$(git -C ~/app remote get-url origin)" ~/"$name"
  sed "s#/app\\$#/$name#; s#/exits#/exits-$name#" ${units}/${SERVICE} >${units}/"$name.service"
done
systemctl --${scope} daemon-reload
systemctl --${scope} start ${names.join(' ')}
for name in ${names.join(' ')}; do
  ${subscriber.bin}/telec init ${flags} -n "$name" --checkout ~/"$name" --service "$name.service"
  sed -i 's/# poll_every: 60s/poll_every: 5s/; s/# healthy_after: 5s/healthy_after: 0s/' ${config('$name')}
  ${subscriber.bin}/telec install "$name"
done`,
    )
  })
  afterAll(() => subscriber?.dispose())

  test('are updated at once, and do not disturb each other', async () => {
    const commit = await subscriber.push(version('1.1.0'))
    await until('all to be deployed', async () =>
      (await services()).every(
        ({ deployed, service }) => deployed.commit === commit && service.activity === 'running',
      ),
    )
    expect((await services()).map(({ name }) => name)).toEqual([null, ...names])
    expect((await subscriber.sh('cat ~/exits*')).stdout).toBe('42\n'.repeat(names.length + 1))
    expect(await subscriber.systemctl('list-units --failed --plain --no-legend')).toBe('')
    expect(
      await subscriber.systemctl(`is-active telec-watch.timer ${names.flatMap(started).join(' ')}`),
    ).toBe(
      Array(1 + 3 * names.length)
        .fill('active')
        .join('\n'),
    )
    for (const name of [SERVICE, ...names])
      expect(
        (
          await subscriber.sh(
            `journalctl --quiet --output=cat ${scope === 'user' ? '--user --user-' : '--'}unit=${name}`,
          )
        ).stdout.match(/^web .*/gm),
      ).toEqual(['web 1.0.0', 'web 1.1.0'])
    const { stdout } = await subscriber.telec('telec status')
    expect(stdout.match(/^\S+ +alpha +1\.1\.0 \(\w+\) +up to date/gm)).toHaveLength(names.length + 1)
    expect(
      (await subscriber.telec(`telec logs ${names[0]} --no-service`)).stdout.match(/updated: 1\.1\.0/g),
    ).toHaveLength(1)
  })

  test('doctor finds the units of each as they should be', async () => {
    const { stdout } = await subscriber.telec('telec doctor --json', { allowFailure: true })
    const findings = JSON.parse(stdout) as { service: string; check: string; ok: boolean }[]
    const units = findings.filter(({ check }) => check === 'units' || check === 'polling')
    expect(units.map(({ ok }) => ok)).toEqual(units.map(() => true))
    expect(new Set(units.map(({ service }) => service))).toEqual(new Set(['-', ...names]))
  })

  test('one that halts is shown as such, and the others continue', async () => {
    const [first = ''] = names
    await subscriber.sh(`echo mine >~/${first}/server.js`)
    const commit = await subscriber.push({
      ...version('1.2.0'),
      'server.js': 'setInterval(() => {}, 60000)\n',
    })
    await subscriber.deployed(commit)
    await until('the halt to be shown', async () =>
      (await subscriber.telec('telec status')).stdout.includes(`\n${first}: halted at verify: `),
    )
  })

  test('telec install refuses units of another home, and says whose they are', async () => {
    await subscriber.sh(
      `git clone --quiet "$(git -C ~/app remote get-url origin)" ~/other
TELEC_HOME=~/other-home ${subscriber.bin}/telec init --scope ${scope} --service other --checkout ~/other`,
    )
    const other = await subscriber.sh(`TELEC_HOME=~/other-home ${subscriber.bin}/telec install`, {
      allowFailure: true,
    })
    expect(other.code).toBe(78)
    expect(other.stderr).toMatch(
      /telec-watch\.service belongs to another service: \/(home\/ada\/\.teleclaude|var\/lib\/telec)/,
    )
    const shared = await subscriber.sh(
      `sed -i 's#/other #/app #' ~/other-home/config.yml
mkdir -m 700 -p ~/other-home/services/third && mv ~/other-home/config.yml ~/other-home/services/third
TELEC_HOME=~/other-home ${subscriber.bin}/telec install`,
      { allowFailure: true },
    )
    expect(shared.code).toBe(78)
    expect(shared.stderr).toContain('/app is the checkout of another service: ')
  })

  test('units of an older telec, which do not say which service is theirs, are taken over', async () => {
    await subscriber.sh(
      `sed -i 's/TELEC_NAME=- //' ${units}/telec-*.service && systemctl --${scope} daemon-reload`,
    )
    const commit = await subscriber.push(version('1.3.0'))
    const { stdout } = await subscriber.telec('telec doctor - --json', { allowFailure: true })
    const findings = JSON.parse(stdout) as { check: string; ok: boolean; hint: string }[]
    expect(findings.find(({ check }) => check === 'units')).toMatchObject({
      ok: false,
      hint: scope === 'system' ? 'sudo telec install' : 'telec install',
    })
    await subscriber.telec('telec install -')
    await subscriber.deployed(commit)
  })

  test('telec uninstall takes away the units of one alone', async () => {
    const [first = '', ...others] = names
    const list = () => subscriber.systemctl("list-unit-files --plain --no-legend 'telec-*' | sed 's/ .*//'")
    const before = await list()
    await subscriber.telec(`telec uninstall ${first}`)
    const isOurs = (line: string) => line.includes(`@${first}.`)
    expect(before.split('\n').filter(isOurs)).not.toEqual([])
    expect(await list()).toBe(
      before
        .split('\n')
        .filter((line) => !isOurs(line))
        .join('\n'),
    )
    expect(
      await subscriber.systemctl(`is-active telec-watch.timer ${others.flatMap(started).join(' ')}`),
    ).not.toMatch(/inactive|failed/)
  })
})
