import type { Scope } from '../../config/paths.ts'
import type { World } from '../../system/world.ts'
import { managerEnvironment } from './systemctl.ts'

/** What selects the lines of these units: journalctl(1) reads a user's units by another option. */
export function journalSelection(scope: Scope, units: readonly string[]): string[] {
  return scope === 'user'
    ? ['--user', ...units.map((unit) => `--user-unit=${unit}`)]
    : units.map((unit) => `--unit=${unit}`)
}

/** Reads on in the journal of a unit: each call gives the lines that came since the one before, oldest first. */
export function journalReader(world: World, scope: Scope, unit: string): () => Promise<string> {
  let from = [`--since=@${Math.floor(world.now() / 1000)}`]
  return async () => {
    const args = [
      ...journalSelection(scope, [unit]),
      '--quiet',
      '--no-pager',
      '--output=cat',
      '--show-cursor',
      ...from,
    ]
    const { stdout } = await world.run('journalctl', args, {
      cwd: '/',
      env: managerEnvironment(world),
      timeoutMs: 30_000,
    })
    const [, lines = stdout, cursor] = /^([\s\S]*?)-- cursor: (.+)\n$/.exec(stdout) ?? []
    if (cursor !== undefined) from = [`--after-cursor=${cursor}`]
    return lines
  }
}
