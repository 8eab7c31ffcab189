import type { IncomingMessage } from 'node:http'
import { shellWord, TelecError } from './errors.ts'

export type HttpAnswer = Awaited<ReturnType<typeof httpGet>>

/**
 * One GET with its whole body. Follows no redirect: the caller decides which server gets its headers. Throws `later` where
 * the answer is incomplete after `leftMs`, which remain of `timeoutMs` for a series of requests.
 */
export async function httpGet(
  url: URL,
  headers: Readonly<Record<string, string>>,
  limits: Record<'timeoutMs' | 'leftMs' | 'maxBytes', number>,
) {
  const { timeoutMs, leftMs, maxBytes } = limits
  const client = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  const unreachable = (because: string) =>
    new TelecError('later', `${url.origin} is out of reach`, {
      because: `${url.origin}: ${because}`, // telec status shows only this
      hint: `try it by hand: curl -sSI ${shellWord(`${url.origin}${url.pathname}`)}`,
    })
  const signal = AbortSignal.timeout(leftMs)
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      client
        .get(url, { headers, signal }, resolve)
        .on('error', reject)
        .on('close', () => reject(new Error('it switched to another protocol (101)'))) // Node.js reports no error
    })
    let body = ''
    for await (const chunk of answer.setEncoding('utf8')) {
      body += chunk as string
      if (body.length > maxBytes) {
        answer.destroy()
        throw unreachable(`its answer is longer than ${maxBytes / 1024} KiB`)
      }
    }
    return { status: answer.statusCode ?? 0, headers: answer.headers, body }
  } catch (error) {
    if (error instanceof TelecError) throw error
    const isLate = signal.aborted
    throw unreachable(isLate ? `no whole answer within ${timeoutMs / 1000} s` : (error as Error).message)
  }
}
