import { requireTool } from './missing-tool.ts'
import type { Subscriber } from './subscriber.ts'

/** A program that ran, and as whom. */
export interface Ran {
  readonly uid: number
  readonly program: string
}

const FORK = /^(?:clone3?|v?fork)\(.* = (\d+)$/
const EXEC = /^execve\("([^"]+)".* = 0$/
const SET_UID = /^setresuid\((\d+),.* = 0$/

/**
 * Runs a command line as root in the box, and tells every program that was started on the way and by which uid: from what
 * each process asked of the kernel, as strace(1) writes it.
 */
export async function whoRan({ box }: Subscriber, commandLine: string): Promise<Ran[]> {
  requireTool('strace', 'strace')
  const folder = (await box.sh('mktemp -d')).stdout.trim()
  const calls = 'trace=execve,setresuid,clone,clone3,fork,vfork'
  await box.sh(`strace -ff -qq -s 200 -e signal=none -e ${calls} -o ${folder}/t ${commandLine}`)
  const { stdout } = await box.sh(`cd ${folder} && head --verbose --lines=-0 t.*`)
  const traces = new Map<number, string[]>()
  for (const part of stdout.split(/^==> t\./m).slice(1)) {
    const [head = '', ...lines] = part.split('\n')
    traces.set(Number.parseInt(head, 10), lines)
  }
  const children = new Set([...traces.values()].flat().map((line) => Number(FORK.exec(line)?.[1])))
  const first = [...traces.keys()].find((pid) => !children.has(pid)) ?? 0
  const ran: Ran[] = []
  const follow = (pid: number, from: number) => {
    let uid = from
    for (const line of traces.get(pid) ?? []) {
      uid = Number(SET_UID.exec(line)?.[1] ?? uid)
      const program = EXEC.exec(line)?.[1]
      if (program) ran.push({ uid, program: program.replace(/^.*\//, '') })
      const child = FORK.exec(line)?.[1]
      if (child) follow(Number(child), uid)
    }
  }
  follow(first, 0)
  return ran
}

/** The names of the programs that one user ran, each once. */
export function programsOf(ran: readonly Ran[], uid: number): string[] {
  return [...new Set(ran.filter((one) => one.uid === uid).map(({ program }) => program))].sort()
}
