import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Fleet, FleetMember } from '../../src/fleet/read.ts'
import { fleetPage } from '../../src/view/fleet-page.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute } from '../helpers/programs.ts'
import { startRedis } from '../helpers/redis.ts'

const NOW_MS = Date.parse('2026-05-04T12:00:00Z')
const at = (secondsAgo: number) => new Date(NOW_MS - secondsAgo * 1000).toISOString()

function member(
  computer: string,
  status: Partial<NonNullable<FleetMember['status']>> | null = {},
  heardSecondsAgo = 60,
): FleetMember {
  const full = {
    status: 'updated',
    timestamp: NOW_MS / 1000 - 3_600,
    channel: 'stable',
    from: '1.4.1',
    version: '1.4.2',
    commit: 'a'.repeat(40),
    step: 'done',
    error: null,
    migration: null,
    duration_ms: 5_000,
    telec: '0.1.0',
    problem: null,
    pinned: false,
    commits: null,
    runs: null,
  }
  return { computer, heard_at: at(heardSecondsAgo), status: status && { ...full, ...status } }
}

const fleetOf = (...computers: FleetMember[]): Fleet => ({ taken_at: at(0), computers })
const page = (fleet: Fleet) => fleetPage(fleet, NOW_MS)
const attention = (text: string) =>
  [
    ...text.matchAll(/<span class="mark (\w+)">\w+<\/span> <b>(.*?)<\/b> <span class="why">(.*?)<\/span>/g),
  ].map(([, kind, name, why]) => `${kind} ${name} ${why}`)

describe('the page', () => {
  test('names who is halted, silent or behind, and why', () => {
    const text = page(
      fleetOf(
        member('well'),
        member('attic', {
          status: 'update_failed',
          step: 'migrate',
          error: '003_split.ts failed',
          version: '1.4.3',
          runs: { version: '1.4.1', commit: 'b'.repeat(40) },
        }),
        member('cellar', {}, 7_200),
        member('barn', { problem: 'nothing to follow: the remote has no branch main' }),
        member('garage', { version: '1.4.1' }),
        member('other', { version: '1.0.0', channel: 'beta' }),
      ),
    )
    expect(attention(text)).toEqual([
      'halted attic at migrate: 003_split.ts failed',
      'silent cellar last report 2 h ago',
      'stuck barn nothing to follow: the remote has no branch main',
      'behind garage runs 1.4.1; others of its channel run 1.4.2',
    ])
    expect(text).toContain('<tr class="bad"><th scope="row">barn</th>')
    expect(text).toContain('<b>2</b> behind') // the one that halted runs what it ran, too
    expect(text).not.toContain('1.4.3</span> <b>')
    expect(text).toMatch(/<th scope="row">attic<\/th>.*<td>1\.4\.1<\/td>.*<td>1\.4\.3<\/td><td>update_failed/)
  })

  test('says so where all is well, and where there is nobody', () => {
    expect(page(fleetOf(member('a'), member('b')))).toContain('All computers run what their channel offers.')
    expect(page(fleetOf())).toContain('<b>0</b> computers')
  })

  test('shows nothing that another computer wrote as anything but text', () => {
    const wild = fc.string({ unit: 'binary', maxLength: 60 })
    const hostile = fc.oneof(
      wild,
      fc.constantFrom(
        '<script>alert(1)</script>',
        '"><img src=x onerror=alert(1)>',
        '</style><b>',
        '&lt;',
        '\u202egnp',
        '\u001b[2J',
      ),
    )
    const status = fc.record({
      status: hostile,
      channel: hostile,
      version: hostile,
      commit: hostile,
      step: hostile,
      error: hostile,
      timestamp: fc.double({ noNaN: true }),
    })
    fc.assert(
      fc.property(status, (given) => {
        const text = page(fleetOf(member('a', given)))
        const tags =
          text.match(/<[a-z]+/g)?.filter((tag) => ['<script', '<img', '<a', '<iframe'].includes(tag)) ?? []
        return tags.length === 0 && !['\u202e', '\u2066', '\u001b'].some((char) => text.includes(char))
      }),
    )
  })

  test('of ten thousand computers holds all of them, in less than 3.5 MB', () => {
    const computers = Array.from({ length: 10_000 }, (_, index) =>
      member(`computer-${index}`, { timestamp: NOW_MS / 1000 - index * 30 }),
    )
    const text = page(fleetOf(...computers))
    expect(text.match(/<th scope="row">/g)).toHaveLength(10_000)
    expect(text.length).toBeLessThan(3_500_000)
  })
})

describe('in a browser', () => {
  /** Chromium's own words about a page, with a probe at its end; nothing may go over the network. */
  async function open(
    text: string,
    width: number,
    dark = false,
  ): Promise<{ dom: string; screenshot: Buffer }> {
    requireTool('chromium', 'chromium')
    const folder = mkdtempSync(join(tmpdir(), 'telec-page-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
    const probe = `<script>
const root = document.documentElement
document.title = JSON.stringify({ overflow: root.scrollWidth - innerWidth, background: getComputedStyle(document.body).backgroundColor, requests: performance.getEntriesByType('resource').length })
</script>`
    const file = join(folder, 'fleet.html')
    writeFileSync(file, text.replace('</body>', `${probe}</body>`))
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      `--user-data-dir=${folder}/profile`,
      `--window-size=${width},900`,
      '--host-resolver-rules=MAP * ~NOTFOUND',
      ...(dark ? ['--blink-settings=preferredColorScheme=0'] : []),
    ]
    const png = join(folder, 'page.png')
    await execute('chromium', [...flags, `--screenshot=${png}`, `file://${file}`])
    const { stdout } = await execute('chromium', [...flags, '--dump-dom', `file://${file}`])
    return { dom: stdout, screenshot: readFileSync(png) }
  }

  const probed = (dom: string) =>
    JSON.parse(/<title>(.*?)<\/title>/.exec(dom)?.[1]?.replaceAll('&quot;', '"') ?? 'null') as {
      overflow: number
      background: string
      requests: number
    }
  const FLEET = fleetOf(
    ...Array.from({ length: 40 }, (_, index) =>
      member(
        `computer-with-a-long-name-${index}.example.org`,
        index === 3 ? { status: 'update_failed', error: 'x'.repeat(5_000) } : {},
      ),
    ),
  )

  test('it is as wide as a phone, light or dark as its reader wants it, and asks nobody for anything', async () => {
    const phone = await open(page(FLEET), 390)
    expect(probed(phone.dom)).toMatchObject({ overflow: 0, requests: 0, background: 'rgb(251, 251, 249)' })
    const desk = await open(page(FLEET), 1280, true)
    expect(probed(desk.dom)).toMatchObject({ overflow: 0, requests: 0, background: 'rgb(20, 24, 27)' })
    for (const { screenshot } of [phone, desk]) expect(screenshot.length).toBeGreaterThan(20_000)
  }, 60_000)
})

test('telec status --fleet --html writes it', async () => {
  const redis = await startRedis()
  const computer = await freshComputer()
  computer.writeConfig(
    `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\nredis:\n  url: ${redis.url}\n`,
  )
  await computer.telec('telec-watch')
  const file = join(computer.folder, 'fleet.html')
  expect((await computer.telec('telec', ['status', '--fleet', '--html', 'fleet.html'])).stdout).toBe(
    `wrote ${file}\n`,
  )
  expect(readFileSync(file, 'utf8')).toContain('<th scope="row">studio</th>')
  expect(statSync(file).mode & 0o777).toBe(0o644)
  expectFailure(await computer.telec('telec', ['status', '--html', file]), 2, [`--fleet --html ${file}\n`])
  expectFailure(await computer.telec('telec', ['status', '--html', `${file} b`]), 2, [`--html '${file} b'\n`])
})
