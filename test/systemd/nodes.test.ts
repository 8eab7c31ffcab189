import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { NODE_VERSIONS, nodeBinary } from '../helpers/nodes.ts'
import { SERVER, type Subscriber, subscribe } from '../helpers/subscriber.ts'

let subscriber: Subscriber

beforeAll(async () => {
  subscriber = await subscribe('user', { healthy_after: '0s', poll_every: '1h' })
})
afterAll(() => subscriber?.dispose())

test.each(NODE_VERSIONS.map((nodeVersion, index) => [nodeVersion, `1.1.${index}`] as const))(
  'installed by Node.js %s, the units poll and update with it',
  async (nodeVersion, next) => {
    const folder = `/opt/node-${nodeVersion}` // one that any user may run
    await subscriber.box.sh(`install -D --mode=755 ${nodeBinary(nodeVersion)} ${folder}/node`)
    const env = { PATH: `${folder}:/usr/bin:/bin` }
    const installed = await subscriber.telec('telec install', { env })
    expect(installed.stderr).not.toMatch(/Warning/)

    const commit = await subscriber.push({
      ...version(next),
      'server.js': `${SERVER}// ${next}\n`,
      [`migrations/v${next}/001_x.ts`]: `import { existsSync, writeFileSync } from 'node:fs'
const by: string = process.env.HOME + '/by-${nodeVersion}'
export const check = (): boolean => existsSync(by)
export const migrate = (): boolean => (writeFileSync(by, process.execPath), true)
`,
    })
    await subscriber.systemctl('start telec-watch.service') // as its timer does
    await subscriber.deployed(commit)
    expect((await subscriber.sh(`cat ~/by-${nodeVersion}`)).stdout).toBe(`${folder}/node`)
    const doctor = await subscriber.telec('telec doctor', { env, allowFailure: true })
    expect(doctor.stdout).toMatch(new RegExp(`✓ .*Node\\.js ${nodeVersion}\\..*${folder}/node`))
  },
)
