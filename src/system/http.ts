import type { IncomingMessage } from 'node:http'
import { TelecError } from './errors.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface HttpLimits {
  /** For the whole answer, or for all that belong together: a server that trickles is given up, too. */
  readonly timeoutMs: number
  /** What is left of that. */
  readonly leftMs: number
  readonly maxBytes: number
}

/**
 * One GET, to its end. Follows no redirect: whoever asks decides where its headers may go. Throws `later` where no
 * whole answer came. Loads Node.js' clients only when it is called, which most polls never do.
 */
export async function httpGet(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { timeoutMs, leftMs, maxBytes }: HttpLimits,
): Promise<HttpAnswer> {
  const client = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  const unreachable = (because: string) =>
    new TelecError('later', `${url.origin} is out of reach`, {
      because: `${url.origin}: ${because}`, // telec status shows that alone
      hint: `try it by hand: curl -sSI ${url.origin}${url.pathname}`,
    })
  const signal = AbortSignal.timeout(leftMs)
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      client.get(url, { headers, signal }, resolve).on('error', reject)
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
    throw unreachable(
      signal.aborted ? `no whole answer within ${timeoutMs / 1000} s` : (error as Error).message,
    )
  }
}
