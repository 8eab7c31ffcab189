import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Computer, version } from './computer.ts'
import { DIST, type Ended } from './programs.ts'

/** One poll that must succeed, then the update that it asks for. */
export async function watchAndUpdate(
  computer: Computer,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  const watched = await computer.telec('telec-watch')
  expect(watched).toMatchObject({ code: 0 })
  return computer.telec('telec-update', args, { env })
}

/** Polls and updates, which has something to do, with no service to restart. */
export async function updated(computer: Computer): Promise<void> {
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
}

/** Pushes a release. */
export function publish(computer: Computer, number: string): Promise<string> {
  return computer.push(version(number), { tag: `v${number}` })
}

/** Releases that were deployed one after the other; the commit of each, the first of which is 1.0.0. */
export async function deployedInTurn(computer: Computer, ...numbers: string[]): Promise<string[]> {
  const commits = [await computer.gitInCheckout('rev-parse', 'HEAD')]
  for (const number of numbers) {
    commits.push(await publish(computer, number))
    await updated(computer)
  }
  return commits
}

/** `telec update` as it continues: what it has said by now, and how it ends, by exit code and signal. */
export function beginUpdate({ env }: Computer) {
  const child = spawn(join(DIST, 'telec'), ['update'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  return { child, said: () => said, closed: once(child, 'close') }
}

/** What an update must not have touched when it halts: the deployed version, the signal, and where the checkout is. */
export async function untouched(computer: Computer): Promise<unknown> {
  return {
    deployed: computer.state('update_state.json')?.deployed,
    signal: computer.state('update_signal.json'),
    head: await computer.gitInCheckout('rev-parse', 'HEAD'),
    branch: await computer.gitInCheckout('symbolic-ref', 'HEAD'),
  }
}

/** The last halt, as it is recorded. */
export function halted(computer: Computer): Record<string, unknown> | null {
  return computer.state('update_state.json')?.halted as Record<string, unknown> | null
}
