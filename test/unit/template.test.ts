import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/parse.ts'
import { type Answers, renderConfig } from '../../src/config/template.ts'
import { pureWorld } from '../helpers/world.ts'

const LEAST: Answers = { channel: 'alpha', checkout: '/srv/web' }

function roundTrip(answers: Answers) {
  return parseConfig(pureWorld(), 'config.yml', renderConfig(answers))
}

test('the answers are read back', () => {
  const config = roundTrip({
    computer: 'studio-2',
    channel: 'stable',
    pinnedMinor: '1.10',
    checkout: '~/apps/web',
    remote: 'git@example.org:web.git',
    branch: 'release/next',
    install: 'npm ci && make install # quietly',
    service: ['web@1.service'],
    scope: 'system',
  })
  expect(config.computer).toBe('studio-2')
  expect(config.deployment).toMatchObject({
    channel: 'stable',
    pinned_minor: '1.10',
    checkout: '/home/ann/apps/web',
    remote: 'git@example.org:web.git',
    branch: 'release/next',
    install: 'npm ci && make install # quietly',
  })
  expect(config.service).toMatchObject({ names: ['web@1.service'], scope: 'system', restart: 'exit-42' })
})

test('a question without an answer keeps its default, as a comment in the text', () => {
  const text = renderConfig(LEAST)
  expect(parseConfig(pureWorld(), 'config.yml', text)).toEqual(
    parseConfig(pureWorld(), 'config.yml', 'deployment:\n  checkout: /srv/web\n'),
  )
  for (const key of [
    'computer',
    'pinned_minor',
    'remote',
    'branch',
    'install',
    'migrations',
    'poll_every',
    'service',
  ])
    expect(text).toMatch(new RegExp(`^ *# ${key}:`, 'm'))
})

test('each commented key can be taken in by removing its #', () => {
  const text = renderConfig({ ...LEAST, channel: 'stable', pinnedMinor: '1.4', service: ['web.service'] })
  const all = text.replace(/^( *)# (\w+: )/gm, '$1$2')
  expect(parseConfig(pureWorld(), 'config.yml', all)).toMatchObject({
    computer: 'NAME',
    deployment: { remote: 'origin', branch: 'main', install: 'make install' },
    service: { scope: 'user', health: 'curl -fsS http://127.0.0.1:8080/' },
  })
})

test('the lines for a service can be taken in, too', () => {
  const text = renderConfig(LEAST).replace('# service:', 'service:').replace('#   name:', '  name:')
  expect(parseConfig(pureWorld(), 'config.yml', text).service?.names).toEqual(['example.service'])
})

test.each([
  '/srv/my apps/web',
  "/srv/ann's/web",
  '/srv/"quoted"/web',
  '/srv/web#1',
  '/srv/web #1',
  '/srv/a: b',
  '/srv/büro/日本/🙂',
  '/srv/back\\slash',
  '/srv/{braces}/[brackets]',
  '/srv/%percent&and*star!bang',
  '/srv/ends with blank ',
  '/srv/@at`tick',
  `/srv/${'long'.repeat(100)}`,
  '~/apps/my web',
])('a checkout at %s survives', (checkout) => {
  expect(roundTrip({ ...LEAST, checkout }).deployment.checkout).toBe(checkout.replace(/^~/, '/home/ann'))
})

test('any path and any command survive, and none becomes another key', () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/\p{Cc}/u.test(text))
  fc.assert(
    fc.property(line, line, (path, install) => {
      const config = roundTrip({ ...LEAST, checkout: `/${path}`, install })
      expect(config.deployment.checkout).toBe(`/${path}`)
      expect(config.deployment.install).toBe(install)
    }),
  )
})

test.each([
  'true',
  'null',
  '~',
  '1',
  '1.0',
  '0x10',
  '2026-05-04',
  'yes',
  '[]',
  '- a',
  '# no comment',
  '| x',
  'a: b',
  '\u2003',
  '\u00a0a',
  'a\u3000',
  '\ufeff',
])('the command %j is a text', (install) => {
  expect(roundTrip({ ...LEAST, install }).deployment.install).toBe(install)
})

test('several units are a list on one line, in their order', () => {
  const service = ['web@1.service', 'a, b', '2', '[x]', ' worker', 'org.example.job']
  const text = renderConfig({ ...LEAST, service })
  expect(parseConfig(pureWorld(), 'config.yml', text).service?.names).toEqual(service)
  const plain = renderConfig({ ...LEAST, service: ['web.service', 'worker.service'] })
  expect(plain).toContain('  name: [web.service, worker.service]  # systemd unit')
})
