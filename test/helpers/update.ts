import { expect } from 'vitest'
import type { Computer } from './computer.ts'
import type { Ended } from './programs.ts'

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

/** What an update must not have touched when it halts: what is deployed, the signal, and where the checkout is. */
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
