import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { type HttpGit, serveHttpGit } from '../helpers/http-git.ts'
import { expectFailure } from '../helpers/messages.ts'
import { processesWith } from '../helpers/processes.ts'
import { DIST, execute } from '../helpers/programs.ts'
import { readTree } from '../helpers/tree.ts'
import { untouched } from '../helpers/update.ts'

/** What a terminal could take for more than text. */
const NOT_TEXT = /[^\P{Cc}\n\t]|\p{Bidi_Control}/u
const COMMIT = 'a'.repeat(40)

/** A line as git's protocol has it (gitprotocol-common(5)): its length in four hex digits first. */
function packet(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text
}

/** What a server says before its refs (gitprotocol-http(5)), as one that knows version 0 alone. */
const GREETING = `${packet('# service=git-upload-pack\n')}0000`

function configure(computer: Computer, url: string, more = '', pollTimeout = '2s'): void {
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  remote: "${url}"\n  poll_timeout: ${pollTimeout}\n  fetch_timeout: 2s\n${more}`,
  )
}

/** A server of a few bytes; it ends with the test. */
async function serveBytes(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** Writes chunks as fast as they are taken, for ever. */
function writeForEver(stream: NodeJS.WritableStream, chunk: (n: number) => string): void {
  let n = 0
  const more = () => {
    while (stream.write(chunk(n++)));
    stream.once('drain', more)
  }
  more()
}

/** It ends by its own deadline, with 75, and leaves no process and no change behind. */
async function expectBounded(computer: Computer, program: 'telec-watch' | 'telec-update'): Promise<string> {
  const [before, files] = [await untouched(computer), readTree(computer.checkout)]
  const ended = await computer.telec(program, program === 'telec-update' ? ['--retry'] : [])
  expectFailure(ended, 75, ['out of reach'])
  expect(await untouched(computer)).toEqual(before)
  expect(readTree(computer.checkout)).toEqual(files)
  expect(processesWith(`TELEC_HOME=${computer.home}`)).toEqual([])
  expect(Object.keys(readTree(computer.folder)).filter((name) => /^(pwned|tmp)/.test(name))).toEqual([])
  return ended.stderr
}

describe('a server that does not end is left by a deadline of our own:', () => {
  const silent = (socket: Socket) => void socket.resume()
  const trickle = (socket: Socket) => {
    const timer = setInterval(() => socket.write('x'), 500)
    socket.on('close', () => clearInterval(timer))
  }
  test.each<[string, string, (socket: Socket) => void]>([
    ['http that says nothing', 'http', silent],
    ['git:// that says nothing', 'git', silent],
    ['ssh that says nothing', 'ssh', silent],
    ['http that trickles', 'http', trickle],
    ['git:// that trickles', 'git', trickle],
    ['ssh that trickles', 'ssh', trickle],
    ['http that hangs up', 'http', (socket) => socket.destroy()],
    ['ssh whose banner has no end', 'ssh', (socket) => writeForEver(socket, () => 'x'.repeat(65_536))],
  ])('%s', async (_, scheme, onConnection) => {
    const computer = await freshComputer()
    configure(computer, `${scheme}://127.0.0.1:${await serveBytes(onConnection)}/web.git`)
    await expectBounded(computer, 'telec-watch')
  })

  test('a fetch from one that stops half-way', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder)
    configure(computer, server.url('remote.git'))
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    server.instead = ({ method }) => method === 'POST' // and no answer
    await expectBounded(computer, 'telec-update')
    server.instead = null
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
  })
})

describe('the output of a server is bounded and never run:', () => {
  async function hostile(
    answer: (response: import('node:http').ServerResponse) => void,
    more = '',
    pollTimeout = '2s',
  ): Promise<Computer> {
    const computer = await freshComputer()
    const server: HttpGit = await serveHttpGit(computer.folder)
    server.instead = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-advertisement' })
      answer(response)
      return true
    }
    configure(computer, server.url('remote.git'), more, pollTimeout)
    return computer
  }
  const ref = (name: string, n = 0) => packet(`${COMMIT} ${name}${n === 0 ? '\0agent=git/2.40.0' : ''}\n`)

  test.each(['alpha', 'beta'])('refs without an end, on %s, within a bound of memory', async (channel) => {
    const computer = await hostile((response) => {
      response.write(GREETING)
      writeForEver(response, (n) => ref(`refs/${channel === 'alpha' ? 'heads' : 'tags'}/r${n}`, n))
    }, `  channel: ${channel}\n`)
    await expectBounded(computer, 'telec-watch')
    // The largest process of all, as the kernel kept it (getrusage(2)).
    const script =
      'import resource, subprocess, sys; subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'
    const args = ['-c', script, process.execPath, join(DIST, 'telec-watch')]
    const { stdout } = await execute('python3', args, { env: computer.env })
    expect(Number(stdout)).toBeLessThan(1024 * 1024)
  })

  test('a million refs are more than it reads', async () => {
    const computer = await hostile(
      (response) => {
        response.write(GREETING)
        for (let n = 0; n < 1_000_000; n += 1_000)
          response.write(
            Array.from({ length: 1_000 }, (_, at) =>
              ref(`refs/tags/some-tag-of-many-${n + at}`, n + at),
            ).join(''),
          )
        response.end('0000')
      },
      '  channel: beta\n',
      '45s',
    )
    await expectBounded(computer, 'telec-watch')
  })

  test.each<[string, string[]]>([
    ['options', ['refs/tags/--upload-pack=touch pwned', 'refs/tags/-f', 'refs/tags/--orphan=evil']],
    ['paths', ['refs/tags/../../../pwned', 'refs/tags/v1.2.0/../../pwned', 'refs/../pwned']],
    [
      'commands',
      ['refs/tags/v1.2.0;touch$IFS/pwned', 'refs/tags/v1.2.0$(touch pwned)', 'refs/tags/v9.0.0`id`'],
    ],
    ['64 KiB', [`refs/tags/v1.${'2'.repeat(60_000)}.0`]],
    ['a line break and another ref', [`refs/tags/x\n${COMMIT}\trefs/heads/other`]],
    [
      'what a terminal takes for a command',
      ['refs/tags/v1.2.0-\u001b]0;pwned\u0007', 'refs/tags/v2.0.0\u202e'],
    ],
    ['another hash', [`refs/tags/${'b'.repeat(40)}`]],
  ])('names that are %s', async (_, names) => {
    const computer = await hostile((response) => {
      response.end(`${GREETING}${names.map(ref).join('')}0000`)
    }, '  channel: beta\n')
    const files = readTree(computer.checkout)
    const ended = await computer.telec('telec-watch', ['--explain'])
    expect([0, 75]).toContain(ended.code)
    expect(ended.stderr + ended.stdout).not.toMatch(NOT_TEXT)
    expect((ended.stderr + ended.stdout).length).toBeLessThan(20_000)
    expect(computer.state('update_signal.json')).toBeNull()
    expect(readTree(computer.checkout)).toEqual(files)
    expect(existsSync(join(computer.folder, 'pwned'))).toBe(false)
    expect(existsSync(join(computer.checkout, 'pwned'))).toBe(false)
  })

  test('a message with what a terminal takes for a command is shown as text', async () => {
    const computer = await freshComputer()
    const port = await serveBytes((socket) =>
      socket.end(packet('ERR \u001b[2J\u001b]0;pwned\u0007 go away\n')),
    )
    configure(computer, `git://127.0.0.1:${port}/web.git`)
    const said = await expectBounded(computer, 'telec-watch')
    expect(said).not.toMatch(NOT_TEXT)
    expect((await computer.telec('telec', ['status'])).stdout).not.toMatch(NOT_TEXT)
  })

  test('a ref whose commit it does not have, and a pack that is garbage', async () => {
    const computer = await freshComputer()
    const server = await serveHttpGit(computer.folder)
    configure(computer, server.url('remote.git'))
    await computer.push(version('1.1.0'))
    expect((await computer.telec('telec-watch')).code).toBe(0)
    for (const garbage of [
      'PACK garbage',
      `${packet('NAK\n')}PACK\0\0\0\u0002garbage`,
      packet('ERR upload-pack: not our ref'),
    ]) {
      server.instead = ({ method }, response) => {
        if (method !== 'POST') return false
        response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' }).end(garbage)
        return true
      }
      await expectBounded(computer, 'telec-update')
    }
    server.instead = null
    expect((await computer.telec('telec-update', ['--retry'])).code).toBe(42)
    expect(await computer.gitInCheckout('fsck', '--no-dangling')).toBe('')
  })

  test.each(['file:///etc/passwd', 'ext::touch pwned', 'http://127.0.0.1:1/web.git'])(
    'a redirect to %s',
    async (location) => {
      const computer = await freshComputer()
      const server = await serveHttpGit(computer.folder)
      server.instead = (_, response) => {
        response.writeHead(302, { location }).end()
        return true
      }
      configure(computer, server.url('remote.git'))
      await expectBounded(computer, 'telec-watch')
    },
  )
})
