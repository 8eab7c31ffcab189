import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Computer } from './computer.ts'
import { type Ended, type ProgramName, succeed } from './programs.ts'
import { type Call, callsIn, recordOptions } from './strace.ts'

/** What an update starts by name, found on the PATH. */
export const OF_AN_UPDATE = {
  command: ['telec-update'],
  ends: 42,
  programs: ['git', 'sh', 'sync', 'flock'],
} as const

/** The program, its exit code, and the programs that it starts by name. */
interface Disturbed {
  readonly command: readonly [ProgramName, ...string[]]
  readonly ends: number
  readonly programs: readonly string[]
}

/** A call of the n-th program that is started. */
export interface ProgramCall extends Call {
  readonly program: string
  readonly start: number
}

export interface DisturbedPrograms {
  /** An undisturbed run, and all that the programs which it starts change. */
  record(): Promise<ProgramCall[]>
  /** A run in which one of those calls has another effect, after which `then` is run, and whether it came to that. */
  update(cut: ProgramCall, effect: string, then?: string): Promise<{ ended: Ended; isInjected: boolean }>
}

/**
 * Puts doubles of these programs on a computer's PATH, which count how many were started and run the real one, one of
 * them under strace(1). So a cut hits the git that it is meant for, with all that this one starts.
 */
export async function disturbPrograms(
  computer: Computer,
  args: readonly string[] = [],
  { command, ends, programs }: Disturbed = OF_AN_UPDATE,
): Promise<DisturbedPrograms> {
  const folder = join(computer.folder, 'programs')
  const counter = join(folder, 'counter')
  const trace = (start: number) => join(folder, `trace.${start}`)
  mkdirSync(folder)
  for (const program of programs) {
    const real = await succeed('sh', ['-c', `command -v ${program}`])
    writeFileSync(
      join(folder, program),
      `#!/bin/sh
# Some are started side by side: each takes the first number that is free, which makes a file (set -C).
set -C
started=1
until true >'${counter}/'$started; do started=$((started + 1)); done 2>/dev/null
set +C
case $DISTURB_START in
all) exec strace ${recordOptions('$DISTURB_TRACE.$started').map(quote).join(' ')} ${real} "$@" ;;
$started)
  # strace(1) does nothing to the execve that starts its program.
  case $DISTURB_INJECT in
  inject=execve:signal=*:when=1) echo killed by SIGKILL >"$DISTURB_TRACE.$started"; $DISTURB_THEN; kill -s KILL $$ ;;
  esac
  [ -n "$DISTURB_THEN" ] || exec strace -f -qq -y -o "$DISTURB_TRACE.$started" -e "$DISTURB_TRACED" -e "$DISTURB_INJECT" ${real} "$@"
  strace -f -qq -y -o "$DISTURB_TRACE.$started" -e "$DISTURB_TRACED" -e "$DISTURB_INJECT" ${real} "$@"
  code=$?
  $DISTURB_THEN
  exit $code ;;
*) exec ${real} "$@" ;;
esac
`,
    )
    chmodSync(join(folder, program), 0o755)
  }
  const run = (env: NodeJS.ProcessEnv) => {
    rmSync(counter, { recursive: true, force: true })
    mkdirSync(counter)
    const PATH = `${folder}:${computer.env.PATH}`
    return computer.telec(command[0], [...command.slice(1), ...args], {
      env: { ...env, DISTURB_TRACE: join(folder, 'trace'), PATH },
    })
  }
  return {
    async record() {
      const ended = await run({ DISTURB_START: 'all' })
      if (ended.code !== ends) throw new Error(`it failed undisturbed: ${ended.stderr}`)
      return readdirSync(folder)
        .flatMap((name) => (name.startsWith('trace.') ? [Number(name.slice('trace.'.length))] : []))
        .sort((one, other) => one - other)
        .flatMap((start) => {
          const text = readFileSync(trace(start), 'utf8')
          rmSync(trace(start))
          const [, program = ''] = /execve\("[^"]*?([^/"]+)"/.exec(text) ?? []
          return callsIn(text, computer.folder).map((call) => ({ ...call, program, start }))
        })
    },
    async update({ start, call, occurrence }, effect, then = '') {
      rmSync(trace(start), { force: true })
      const ended = await run({
        DISTURB_START: String(start),
        DISTURB_THEN: then,
        DISTURB_TRACED: `trace=${call}`,
        DISTURB_INJECT: `inject=${call}:${effect}:when=${occurrence}`,
      })
      const text = existsSync(trace(start)) ? readFileSync(trace(start), 'utf8') : ''
      return { ended, isInjected: /\(INJECTED\)|killed by SIGKILL/.test(text) }
    },
  }
}

function quote(text: string): string {
  return `"${text}"` // it has variables of the shell
}
