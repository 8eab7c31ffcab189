import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Computer, version } from './computer.ts'
import { freshComputer } from './fresh-computer.ts'
import { serveGit } from './git-server.ts'
import { type GitHub, serveGitHub } from './github.ts'
import type { Ended } from './programs.ts'

/** Nothing that this computer's user is logged in to. */
export const LOGGED_OUT = { GITHUB_TOKEN: '', GH_CONFIG_DIR: '/nonexistent' }

/** A computer on beta whose remote is on a "GitHub", which lists these releases. */
export async function computerOnGitHub(
  releases: GitHub['releases'],
  more = '',
): Promise<{ computer: Computer; github: GitHub }> {
  const computer = await freshComputer()
  const github = await serveGitHub(releases)
  mkdirSync(join(computer.folder, 'served/ann'), { recursive: true })
  symlinkSync(computer.remote, join(computer.folder, 'served/ann/web.git'))
  const server = await serveGit(join(computer.folder, 'served'))
  onTestFinished(() => server.close())
  await computer.gitInCheckout('remote', 'set-url', 'origin', server.url('ann/web.git'))
  configure(computer, github, more)
  return { computer, github }
}

/** Sets the computer's configuration, with these lines more below `deployment`. */
export function configure(computer: Computer, github: GitHub, more = ''): void {
  computer.writeConfig(
    `deployment:\n  checkout: ${computer.checkout}\n  channel: beta\n  releases: github\n  api_url: ${github.url}\n${more}`,
  )
}

/** One poll. */
export function watch(
  computer: Computer,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  return computer.telec('telec-watch', args, { env: { ...LOGGED_OUT, ...env } })
}

/** Tags a commit of its own. */
export function tag(computer: Computer, number: string): Promise<string> {
  return computer.push(version(number), { tag: `v${number}` })
}

/** The version that is asked for; null: none is. */
export function signalled(computer: Computer): string | null {
  const signal = computer.state('update_signal.json') as { target: { version: string } } | null
  return signal?.target.version ?? null
}
