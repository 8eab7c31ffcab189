import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, markerMigration, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute } from '../helpers/programs.ts'
import { until } from '../helpers/until.ts'
import { watchAndUpdate } from '../helpers/update.ts'

async function computerWith(line: (computer: Computer) => string): Promise<Computer> {
  const computer = await freshComputer()
  computer.writeConfig(`computer: studio\ndeployment:\n  checkout: ${computer.checkout}\n${line(computer)}\n`)
  return computer
}

const FAILING = {
  'migrations/v1.1.0/001_fails.mjs': 'export const check = () => false\nexport const migrate = () => false\n',
}

describe('on_status', () => {
  const COLLECT = '\'cat >>"$TELEC_HOME/said"; echo >>"$TELEC_HOME/said"\''
  const said = (computer: Computer) =>
    readFileSync(join(computer.home, 'said'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { status: string })

  test('gets the status on its standard input, the last one in any case', async () => {
    const computer = await computerWith(() => `on_status: ${COLLECT}`)
    await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
    expect((await watchAndUpdate(computer)).code).toBe(42)
    const statuses = said(computer)
    expect(statuses[0]).toMatchObject({ computer: 'studio', status: 'updating' })
    expect(statuses.at(-1)).toEqual(computer.state('status.json'))
    expect(statuses.at(-1)?.status).toBe('updated')
    await computer.push({
      ...version('1.2.0'),
      'migrations/v1.2.0/001_fails.mjs': FAILING['migrations/v1.1.0/001_fails.mjs'],
    })
    await watchAndUpdate(computer)
    expect(said(computer).at(-1)).toMatchObject({ status: 'update_failed', migration: '1.2.0/001_fails.mjs' })
  })

  test('is run for the kinds of `on` alone', async () => {
    const computer = await computerWith(() => `on_status:\n  on: [halted, updated]\n  run: ${COLLECT}`)
    await computer.push(version('1.1.0'))
    await watchAndUpdate(computer)
    await computer.push({ ...version('1.2.0'), ...FAILING })
    await watchAndUpdate(computer)
    expect(said(computer).map(({ status }) => status)).toEqual(['updated', 'update_failed'])
  })

  test.each([
    ['fails', 'exit 3', 'on_status failed with exit code 3'],
    ['kills itself', 'kill -KILL $$', 'on_status failed with SIGKILL'],
    ['is not there', '/nonexistent', 'on_status failed with exit code 127'],
    ['does not read', 'exec <&-', null],
    ['prints without end', 'yes', 'on_status failed with'],
  ])('one that %s does not change the update, and is told of once', async (_, command, words) => {
    const computer = await computerWith(() => `on_status: '${command}'`)
    const commit = await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended.code).toBe(42)
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, halted: null })
    if (words) expect(ended.stderr.split(words)).toHaveLength(2)
    else expect(ended.stderr).not.toContain('on_status')
  })

  test('may ask telec itself', async () => {
    const computer = await computerWith(
      ({ folder }) =>
        `on_status: '${process.execPath} ${join(import.meta.dirname, '../../dist/telec')} status --json >${folder}/status; true'`,
    )
    await computer.push(version('1.1.0'))
    expect((await watchAndUpdate(computer)).code).toBe(42)
    expect(JSON.parse(readFileSync(join(computer.folder, 'status'), 'utf8'))).toMatchObject({
      computer: 'studio',
    })
  })
})

describe('metrics', () => {
  async function values(text: string): Promise<Map<string, number>> {
    requireTool('promtool', 'prometheus')
    expect(await execute('promtool', ['check', 'metrics'], { input: text })).toMatchObject({
      code: 0,
      stderr: '',
    })
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'))
    return new Map(
      lines.map((line) => [
        line.slice(0, line.lastIndexOf(' ')),
        Number(line.slice(line.lastIndexOf(' ') + 1)),
      ]),
    )
  }

  test('telec metrics tells the deployed version, when it polled, and how the last update went', async () => {
    const computer = await freshComputer()
    expect((await values((await computer.telec('telec', ['metrics'])).stdout)).get('telec_halted')).toBe(0)
    const commit = await computer.push({ ...version('1.1.0'), ...markerMigration('1.1.0', '001_a.mjs') })
    await watchAndUpdate(computer)
    const { stdout } = await computer.telec('telec', ['metrics'])
    const all = await values(stdout)
    expect(stdout).toContain(`channel="alpha",version="1.1.0",commit="${commit}"} 1\n`)
    expect(all.get('telec_status{status="updated"}')).toBe(1)
    expect(all.get('telec_status{status="update_failed"}')).toBe(0)
    expect(all.get('telec_migrations_applied')).toBe(1)
    expect(all.get('telec_update_step_duration_seconds{step="migrate"}')).toBeGreaterThan(0)
    expect(Date.now() / 1000 - (all.get('telec_last_poll_timestamp_seconds') ?? 0)).toBeLessThan(60)
  })

  test('are written where node_exporter looks, at every poll and every status', async () => {
    const computer = await computerWith(({ folder }) => `metrics: ${folder}/collect/telec.prom`)
    const file = join(computer.folder, 'collect/telec.prom')
    const read = async () => values(readFileSync(file, 'utf8'))
    await computer.telec('telec-watch')
    expect((await read()).get('telec_poll_failures')).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o644)
    const polledAt = (await read()).get('telec_last_poll_timestamp_seconds') ?? 0
    await until('a later poll', async () => {
      await computer.telec('telec-watch', ['--scheduled'])
      return ((await read()).get('telec_last_poll_timestamp_seconds') ?? 0) > polledAt
    })
    await computer.push({ ...version('1.1.0'), ...FAILING })
    await watchAndUpdate(computer)
    const halted = await read()
    expect(halted.get('telec_halted')).toBe(1)
    expect([...halted.keys()].find((key) => key.startsWith('telec_halted_info'))).toContain('step="migrate"')
    expect(existsSync(`${file}.tmp`)).toBe(false)
  })

  test('telec_behind is 1 from the poll that finds something until it is deployed, and not while min_age holds it', async () => {
    const computer = await computerWith(() => '')
    const behind = async () =>
      (await values((await computer.telec('telec', ['metrics'])).stdout)).get('telec_behind')
    expect(await behind()).toBeUndefined() // it never polled
    await computer.telec('telec-watch')
    expect(await behind()).toBe(0)
    await computer.push({ ...version('1.1.0'), ...FAILING })
    await watchAndUpdate(computer)
    expect(await behind()).toBe(1)
    await computer.push({ ...version('1.1.1'), 'migrations/v1.1.0/001_fails.mjs': null })
    await watchAndUpdate(computer)
    expect(await behind()).toBe(0)
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  min_age: 1h\n`)
    await computer.push(version('1.2.0'))
    await computer.telec('telec-watch')
    expect(await behind()).toBe(0)
  })

  test('a file that cannot be written fails no update', async () => {
    const computer = await computerWith(() => 'metrics: /proc/telec.prom')
    const commit = await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended.stderr).toContain('the metrics were not written')
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  })

  test('a name that the collector would skip is a wrong configuration', async () => {
    const computer = await computerWith(() => 'metrics: /var/lib/telec.txt')
    expectFailure(await computer.telec('telec-watch'), 78, ['metrics', 'ends in .prom'])
  })
})

describe('the examples for Prometheus and Grafana', () => {
  const DOCS = join(import.meta.dirname, '../../docs')

  test('are rules that promtool takes', async () => {
    requireTool('promtool', 'prometheus')
    expect(await execute('promtool', ['check', 'rules', join(DOCS, 'prometheus-alerts.yml')])).toMatchObject({
      code: 0,
    })
  })

  test('name only metrics that there are', async () => {
    const computer = await freshComputer()
    await computer.push({ ...version('1.1.0'), ...FAILING })
    await watchAndUpdate(computer)
    await computer.push({ ...version('1.1.1'), 'migrations/v1.1.0/001_fails.mjs': null })
    await watchAndUpdate(computer)
    const { stdout } = await computer.telec('telec', ['metrics'])
    const known = new Set([...stdout.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
    const dashboard = readFileSync(join(DOCS, 'grafana-dashboard.json'), 'utf8')
    const named =
      `${dashboard.replace('"uid": "telec"', '')}${readFileSync(join(DOCS, 'prometheus-alerts.yml'), 'utf8')}`.match(
        /\btelec_\w+/g,
      ) ?? []
    expect(JSON.parse(dashboard)).toMatchObject({ title: 'telec' })
    expect(named.length).toBeGreaterThan(5)
    for (const name of named) expect([...known], name).toContain(name)
  })
})
