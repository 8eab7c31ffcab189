import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { blocksOf } from '../helpers/documents.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { succeed } from '../helpers/programs.ts'
import { recipe } from '../helpers/recipes.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** What would run, end or forge something in a command line, a header, JSON or a terminal. */
const HOSTILE = `"'\`touch ran\`$(touch ran); <!channel> & \\n ü\u001b[2J\r\n.\nSubject: forged`

/** The reason of a halt names the failed file, here with a hostile name. */
const INSTALL = `[ -e fails ] || exit 0; : <<'END'\n${HOSTILE}\nEND\nexit 3`

/** A computer with a recipe of the document as it stands there, in which only its checkout and hosts are others. */
async function computerWith(
  heading: string,
  replaced: Readonly<Record<string, string>> = {},
): Promise<Computer> {
  requireTool('jq', 'jq')
  requireTool('curl', 'curl')
  const computer = await freshComputer()
  const bin = join(computer.folder, 'bin')
  mkdirSync(bin)
  const own = `computer: studio\ndeployment:\n  checkout: ${computer.checkout}\n  path: [${bin}]\n  install: ${JSON.stringify(INSTALL)}\n`
  const shown = recipe(heading).replace('deployment:\n  checkout: ~/apps/web\n', own)
  expect(shown).toContain(own)
  computer.writeConfig(replaceAll(shown, replaced))
  return computer
}

function replaceAll(shown: string, replaced: Readonly<Record<string, string>>): string {
  return Object.entries(replaced).reduce((all, [from, to]) => {
    expect(all).toContain(from)
    return all.replaceAll(from, to)
  }, shown)
}

/** One update that succeeds, and one that halts with a hostile reason and commit subject. */
async function updateAndHalt(computer: Computer): Promise<{ commit: string; warnings: string }> {
  const first = await computer.push(version('1.1.0'), { message: HOSTILE.split('\r')[0] ?? '' })
  const updated = await watchAndUpdate(computer)
  expect(updated, updated.stderr).toMatchObject({ code: 42 })
  await computer.push({ ...version('1.2.0'), fails: '' })
  const halted = await watchAndUpdate(computer)
  expectFailure(halted, 1, ['the install command failed with exit code 3'])
  return { commit: first, warnings: `${updated.stderr}${halted.stderr}` }
}

interface Asked {
  readonly url: string | undefined
  readonly type: string | undefined
  readonly body: string
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serveWebhook(): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const url = await serve(async (request, response) => {
    const body = await text(request)
    asked.push({ url: request.url, type: request.headers['content-type'], body })
    response.end('ok')
  })
  return { url, asked }
}

describe('a recipe of docs/notifications.md, as it stands there:', () => {
  test('mail by sendmail', async () => {
    const computer = await computerWith('Mail')
    const sendmail = `#!/bin/sh\nn=$(ls "${computer.folder}" | grep -c mail)\n{ echo "$@"; cat; } >"${computer.folder}/mail$n"\n`
    writeFileSync(join(computer.folder, 'bin/sendmail'), sendmail, { mode: 0o755 })
    const { commit, warnings } = await updateAndHalt(computer)
    expect(warnings).not.toContain('on_status')
    const [updated = '', halted = ''] = ['mail0', 'mail1'].map((name) =>
      readFileSync(join(computer.folder, name), 'utf8'),
    )
    const heads = ['updated', 'update_failed'].map(
      (status) =>
        `-i -t\nTo: ops@example.org\nSubject: telec: ${status} on studio\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n`,
    )
    expect(updated.startsWith(heads[0] ?? '-')).toBe(true)
    expect(updated.slice(heads[0]?.length)).toContain('1.0.0 → 1.1.0, step: done\n')
    expect(halted.startsWith(heads[1] ?? '-')).toBe(true)
    expect(halted.slice(heads[1]?.length)).toContain('\nSubject: forged')
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit } })
  })

  test('ntfy', async () => {
    const { url, asked } = await serveWebhook()
    const computer = await computerWith('ntfy', { 'https://ntfy.sh': url })
    const { warnings } = await updateAndHalt(computer)
    expect(warnings).not.toContain('on_status')
    const said = asked.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
    expect(said).toMatchObject([
      { topic: 'web-updates', title: 'studio: updated', priority: 2, message: '1.1.0, step: done\n' },
      { topic: 'web-updates', title: 'studio: update_failed', priority: 4 },
    ])
    expect(said[1]?.message).toContain('1.2.0, step: install\nthe install command')
    expect(said[1]?.message).toContain('touch ran')
  })

  test('Slack, whose URL is in a file', async () => {
    const { url, asked } = await serveWebhook()
    const computer = await computerWith('Slack')
    const [block] = blocksOf('docs/notifications.md', 'sh')
    const typed = replaceAll(block?.text ?? '', {
      'https://hooks.slack.com': url,
      '~/.teleclaude': computer.home,
    })
    await succeed('/bin/sh', ['-c', typed])
    const { warnings } = await updateAndHalt(computer)
    expect(warnings).not.toContain('on_status')
    const path = { url: '/services/T000/B000/XXXX', type: 'application/json' }
    expect(asked).toMatchObject([path, path])
    const said = asked.map(({ body }) => (JSON.parse(body) as { text: string }).text)
    expect(said[0]).toBe('studio: updated 1.1.0, step: done\n')
    expect(said[1]).toContain('studio: update_failed 1.2.0, step: install\nthe install command')
    expect(said[1]).toContain('&lt;!channel&gt; &amp; ')
    expect(said[1]).not.toContain('<')
  })

  test('a server that takes the message and never answers holds up no update', async () => {
    const url = await serve(() => undefined)
    const computer = await computerWith('ntfy', { 'https://ntfy.sh': url })
    const commit = await computer.push(version('1.1.0'))
    const ended = await watchAndUpdate(computer)
    expect(ended).toMatchObject({ code: 42 })
    expect(ended.stderr).toContain('on_status failed with exit code 28')
    expect(computer.state('update_state.json')).toMatchObject({ deployed: { commit }, update: null })
  })
})
