import { requireTool } from './missing-tool.ts'
import type { Subscriber } from './subscriber.ts'

/** A file that a program opened, and as whom. */
export interface Opened {
  readonly uid: number
  readonly program: string
  readonly path: string
}

const FORK = /^(?:clone3?|v?fork)\(.* = (\d+)$/
const EXEC = /^execve\("([^"]+)".* = 0$/
const SET_UID = /^set(?:res)?uid\((\d+).* = 0$/
/** With -y it names what a descriptor, or the folder that it is in, leads to. */
const OPEN = /^open(?:at2?)?\((?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)".* = \d+/

/**
 * Follows all that the box's systemd starts until `work` is done, and lists the opened files with program and uid:
 * from what each process asked of the kernel, as strace(1) writes it. Files that systemd itself opens are left out.
 */
export async function whatOpened({ box }: Subscriber, work: () => Promise<void>): Promise<Opened[]> {
  requireTool('strace', 'strace')
  const folder = (await box.sh('mktemp -d')).stdout.trim()
  const calls = 'trace=execve,setuid,setresuid,openat,open,openat2,clone,clone3,fork,vfork'
  await box.sh(
    `strace -ff -y -qq -s 300 -e signal=none -e ${calls} -o ${folder}/t -p 1 >/dev/null 2>&1 </dev/null &
echo $! >${folder}/pid; until [ -e ${folder}/t.1 ]; do sleep 0.05; done`,
  )
  await work()
  await box.sh(
    `kill -INT "$(cat ${folder}/pid)"; while kill -0 "$(cat ${folder}/pid)" 2>/dev/null; do sleep 0.05; done`,
  )
  const { stdout } = await box.sh(`cd ${folder} && head --verbose --lines=-0 t.*`)
  const traces = new Map<number, string[]>()
  for (const part of stdout.split(/^==> t\./m).slice(1)) {
    const [head = '', ...lines] = part.split('\n')
    traces.set(Number.parseInt(head, 10), lines)
  }
  const opened: Opened[] = []
  const follow = (pid: number, from: { uid: number; program: string }) => {
    let { uid, program } = from
    for (const line of traces.get(pid) ?? []) {
      uid = Number(SET_UID.exec(line)?.[1] ?? uid)
      program = EXEC.exec(line)?.[1]?.replace(/^.*\//, '') ?? program
      const child = FORK.exec(line)?.[1]
      if (child) follow(Number(child), { uid, program })
      const [, at = '', name] = OPEN.exec(line) ?? []
      if (name === undefined || /^systemd|^\(sd/.test(program)) continue
      opened.push({ uid, program, path: name.startsWith('/') ? name : `${at}/${name}` })
    }
  }
  follow(1, { uid: 0, program: 'systemd' })
  return opened
}
