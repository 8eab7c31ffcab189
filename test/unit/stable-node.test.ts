import { expect, test } from 'vitest'
import { stableNode } from '../../src/service/installation.ts'

const OPT = '/opt/homebrew/opt/node@20/bin/node'

test.each([
  ['/opt/homebrew/Cellar/node@20/20.20.2/bin/node', [OPT], OPT],
  ['/opt/homebrew/Cellar/node@20/20.20.2/bin/node', [], '/opt/homebrew/Cellar/node@20/20.20.2/bin/node'],
  [
    '/home/linuxbrew/.linuxbrew/Cellar/node/24.1.0/bin/node',
    ['/home/linuxbrew/.linuxbrew/opt/node/bin/node'],
    '/home/linuxbrew/.linuxbrew/opt/node/bin/node',
  ],
  ['/home/ann/.nvm/versions/node/v20.20.2/bin/node', [OPT], '/home/ann/.nvm/versions/node/v20.20.2/bin/node'],
  ['/usr/bin/node', [OPT], '/usr/bin/node'],
])('%s, where %j exist, is recorded as %s', (path, existing, recorded) => {
  expect(stableNode(path, (one) => existing.includes(one))).toBe(recorded)
})
