import { expect, test } from 'vitest'
import { stableNode } from '../../src/service/installation.ts'
import { pureWorld } from '../helpers/world.ts'

const BREW = '/opt/homebrew/Cellar/node@20/20.20.2/bin/node'
const MISE = '/home/ann/.local/share/mise/installs/node'
const NVM = '/home/ann/.nvm/versions/node/v20.20.2/bin'
const FNM = '/home/ann/.local/share/fnm/node-versions/v20.20.2/installation/bin/node'

test.each<[string, string, string, Record<string, string>, string]>([
  [
    'Homebrew',
    BREW,
    '',
    { '/opt/homebrew/opt/node@20/bin/node': BREW },
    '/opt/homebrew/opt/node@20/bin/node',
  ],
  [
    "a Homebrew whose link is another version's",
    BREW,
    '',
    { '/opt/homebrew/opt/node@20/bin/node': '/else' },
    BREW,
  ],
  [
    'a snap, whose own command is a link to snap(1)',
    '/snap/node/9500/bin/node',
    '/snap/bin:/usr/bin',
    { '/snap/node/current/bin/node': '/snap/node/9500/bin/node', '/snap/bin/node': '/usr/bin/snap' },
    '/snap/node/current/bin/node',
  ],
  [
    'node -> node-20',
    '/usr/bin/node-20',
    '/usr/bin:/bin',
    { '/usr/bin/node': '/usr/bin/node-20' },
    '/usr/bin/node',
  ],
  [
    'an alternative',
    '/usr/bin/nodejs',
    '/usr/local/bin:/usr/bin',
    { '/usr/local/bin/node': '/opt/other/node', '/usr/bin/node': '/usr/bin/nodejs' },
    '/usr/bin/node',
  ],
  [
    'mise, by an alias',
    `${MISE}/20.20.2/bin/node`,
    `${MISE}/lts/bin:/usr/bin`,
    { [`${MISE}/lts/bin/node`]: `${MISE}/20.20.2/bin/node` },
    `${MISE}/lts/bin/node`,
  ],
  ['nvm, which has no link', `${NVM}/node`, `${NVM}:/usr/bin`, {}, `${NVM}/node`],
  ['n, which copies', '/usr/local/bin/node', '/usr/local/bin:/usr/bin', {}, '/usr/local/bin/node'],
  [
    "fnm, whose links are one shell's",
    FNM,
    '/run/user/1000/fnm_multishells/7_1/bin:/home/ann/.local/state/fnm_multishells/7_1/bin',
    {
      '/run/user/1000/fnm_multishells/7_1/bin/node': FNM,
      '/home/ann/.local/state/fnm_multishells/7_1/bin/node': FNM,
    },
    FNM,
  ],
  ['a folder that is relative', '/opt/node', 'bin', { 'bin/node': '/opt/node' }, '/opt/node'],
])('%s: %s, PATH=%s, links %j: the units name %s', (_, node, PATH, links, named) => {
  const world = pureWorld({ env: { PATH }, program: { ...pureWorld().program, node } })
  expect(stableNode(world, (path) => links[path] ?? (path === node ? node : null))).toBe(named)
})
