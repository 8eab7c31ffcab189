import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'

const SECRET = 'HUNTER2'

/** What telec wrote itself, all of it. */
function written({ home }: Computer): string {
  const names = readdirSync(home).filter((name) => name !== 'config.yml')
  return names.map((name) => readFileSync(join(home, name), 'utf8')).join('\n')
}

async function expectUnsaid(computer: Computer, code: number): Promise<void> {
  const polled = await computer.telec('telec-watch')
  if (code === 0) expect(polled.code).toBe(0)
  else expectFailure(polled, code)
  const others = [
    await computer.telec('telec', ['status', '--json']),
    await computer.telec('telec', ['doctor', '--json']),
    await computer.telec('telec-update', ['--retry']),
  ]
  for (const { stdout, stderr } of [polled, ...others]) expect(stdout + stderr).not.toContain(SECRET)
  expect(written(computer)).not.toContain(SECRET)
}

describe('a configuration that is wrong is refused without what may be secret in it', () => {
  const redis = (text: string) => `redis:\n  url: redis://127.0.0.1:1\n  ${text}\n`
  test.each([
    ['a password instead of its file', redis(`password_file: ${SECRET}`)],
    ['one that begins as a path does', redis(`password_file: /${SECRET}`)],
    ['a token instead of its file', `  token_file: ghp_${SECRET}\n`],
    ['a Redis with one slash', `redis:\n  url: redis:/:${SECRET}@127.0.0.1:6379\n`],
    ['a Redis without a scheme', `redis:\n  url: admin:${SECRET}@127.0.0.1:6379\n`],
    ['a slash in the password', `redis:\n  url: redis://:${SECRET}/x@127.0.0.1:6379\n`],
    ['a % that encodes nothing', `redis:\n  url: redis://:HUN%ZZ-${SECRET}@127.0.0.1:6379\n`],
    ['a URL for the group', `redis: redis://:${SECRET}@127.0.0.1:6379\n`],
    ['a password for the group', `redis: :${SECRET}\n`],
    ['a password for a key of the group', `redis: { ${SECRET}: 1 }\n`],
    ['a number', `redis:\n  url: 12345678\n  password_file: [${SECRET}]\n`],
    ['a value with a star', `redis:\n  url: *${SECRET}\n`],
    ['one with an exclamation mark', redis(`password_file: !${SECRET}! x`)],
    ['one with a bar', redis(`password_file: |${SECRET}`)],
    ['one with an escape that is none', redis(`password_file: "\\U${SECRET}"`)],
    ['a list for a key', `redis:\n  url: { ? [${SECRET}] : 1 }\n`],
    ['an @ in the password', `redis:\n  url: redis+sentinel://u:x@${SECRET}@127.0.0.1/0\n`],
    ['a quote that does not end', redis(`password_file: "${SECRET}`)],
    ['a key that there is not', redis(`password: ${SECRET}`)],
    ['an API with a login', `  api_url: http://u:${SECRET}@ghe/api\n`],
    ['one whose login is long', `  api_url: http://u:${SECRET}${'x'.repeat(90)}@ghe/api\n`],
    ['a mirror that is an option', `  mirrors: ["-u:${SECRET}@127.0.0.1:r.git"]\n`],
    ['a remote that is an option', `  remote: "-https://u:${SECRET}@127.0.0.1/r.git"\n`],
    ['a remote with a slash in the password', `  remote: "https://u:${SECRET}/x@127.0.0.1:1/r.git"\n`],
    ['a remote with a line break', `  remote: "https://u:${SECRET}\\n@127.0.0.1/r.git"\n`],
  ])('%s', async (_, lines) => {
    const computer = await freshComputer()
    computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n${lines}`)
    await expectUnsaid(computer, lines.includes(`/${SECRET}\n`) ? 0 : 78)
  })
})

describe('a remote that is out of reach is named without its login', () => {
  test.each([
    ['an @ in the password', `https://u:x@${SECRET}@127.0.0.1:1/r.git`],
    ['a login', `https://u:${SECRET}@127.0.0.1:1/r.git`],
    ['a parameter', `https://127.0.0.1:1/r.git?private_token=${SECRET}`],
    ['a part after it', `https://127.0.0.1:1/r.git#${SECRET}`],
    ['a token as the user', `https://${SECRET}@127.0.0.1:1/r.git`],
    ['another protocol', `ftps://u:${SECRET}@127.0.0.1:1/r.git`],
    ['as scp takes it', `u:${SECRET}@127.0.0.1:r.git`],
    ['over ssh', `ssh://u:${SECRET}@127.0.0.1:1/r.git`],
    ['one slash', `https:/u:${SECRET}@127.0.0.1:1/r.git`],
  ])('%s', async (_, url) => {
    const computer = await freshComputer()
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    for (const key of [`remote: "${url}"`, `remote: https://127.0.0.1:1/x\n  mirrors: ["${url}"]`]) {
      computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  ${key}\n`)
      await expectUnsaid(computer, 75)
    }
  })
})

test.each([
  ['a slash in the password', `https://u:${SECRET}/x@127.0.0.1:1/r.git`],
  ['a scheme that was lost', `//u:${SECRET}@127.0.0.1:1/r.git`],
  ['a parameter of the path', `https://127.0.0.1:1/r.git;token=${SECRET}`],
])('nor is one that git alone knows: %s', async (_, url) => {
  const computer = await freshComputer()
  await computer.gitInCheckout('config', 'remote.origin.url', url)
  await expectUnsaid(computer, 75)
})

test('what an install command says of a URL is in the log alone', async () => {
  const computer = await freshComputer()
  const install = `echo "cannot clone https://u:${SECRET}@127.0.0.1/r" >&2; exit 1`
  computer.writeConfig(`deployment:\n  checkout: ${computer.checkout}\n  install: '${install}'\n`)
  await computer.push(version('1.1.0'))
  await computer.telec('telec-watch')
  expect((await computer.telec('telec-update')).code).toBe(1)
  expect(written(computer)).toContain('cannot clone https://…@127.0.0.1/r')
  expect(written(computer)).not.toContain(`${SECRET}@127`)
})
