import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Computer } from './computer.ts'
import { requireTool } from './missing-tool.ts'
import { DIST, type Ended, execute, type ProgramName } from './programs.ts'

/** What a program, or one that it started, did to files below a folder, by their names there; when, in seconds. */
export type FileCall = { readonly time: number } & (
  | { readonly kind: 'open'; readonly name: string; readonly empties: boolean; readonly mode: number }
  | { readonly kind: 'write'; readonly name: string; readonly text: string; readonly at: number | null }
  | { readonly kind: 'cut'; readonly name: string; readonly size: number }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'link'; readonly name: string; readonly to: string }
  | { readonly kind: 'symlink'; readonly name: string; readonly text: string }
  | { readonly kind: 'mkdir'; readonly name: string; readonly mode: number }
  | { readonly kind: 'chmod'; readonly name: string; readonly mode: number }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'fsync'; readonly name: string }
  | { readonly kind: 'sync' }
)

const NAMING = [
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'symlink',
  'symlinkat',
  'mkdir',
  'mkdirat',
]
const REMOVING = ['unlink', 'unlinkat', 'rmdir']
const TEXTS = ['write', 'pwrite64', 'ftruncate', 'chmod', 'fchmod', 'fchmodat', 'fsync', 'fdatasync']
/** They would change files as well: the model does not know how, and says so. */
const UNKNOWN = ['open', 'creat', 'writev', 'pwritev', 'pwritev2', 'truncate', 'fallocate', 'copy_file_range']
const FOLDERS = ['chdir', 'fchdir', 'openat'] // an open of any file tells where its process is
const TRACED = [...NAMING, ...REMOVING, ...TEXTS, ...UNKNOWN, ...FOLDERS, 'sync', 'syncfs', 'sendfile']

/** Runs a bundle to its end under strace(1), with what it did to the checkout and the home, in order. */
export async function recordFiles(
  computer: Computer,
  program: ProgramName,
): Promise<Ended & { calls: FileCall[] }> {
  requireTool('strace', 'strace')
  const trace = join(computer.folder, 'trace')
  const what = `trace=${TRACED.map((call) => `?${call}`).join(',')}`
  // Whole strings, descriptors with their paths; only what succeeded, when it had.
  const options = ['-f', '-qq', '-z', '-y', '-ttt', '-s', '10000000', '-o', trace, '-e', 'signal=none']
  const command = [...options, '-e', what, process.execPath, join(DIST, program)]
  const ended = await execute('strace', command, { env: computer.env, cwd: computer.folder })
  return { ...ended, calls: readCalls(readFileSync(trace, 'latin1'), computer) }
}

function readCalls(trace: string, { folder, checkout, home }: Computer): FileCall[] {
  const places = new Map<string, string>()
  const nameOf = (path: string) => path.slice(folder.length + 1)
  const isOurs = (path: string) => [checkout, home].some((one) => path === one || path.startsWith(`${one}/`))
  return trace.split('\n').flatMap((line): FileCall[] => {
    const [, pid = '', seconds, call = '', rest = ''] = /^(\d+) +([\d.]+) (\w+)\((.*)$/.exec(line) ?? []
    const [, given = '', result = ''] = /^(.*)\) += (\d+)[^"]*$/.exec(rest) ?? []
    // Each text with the folder that it starts from, or the file that a descriptor is of.
    let base = places.get(pid) ?? folder
    const texts: string[] = []
    const paths: string[] = []
    for (const [, text, fd, path = ''] of given.matchAll(/"((?:[^"\\]|\\.)*)"|(AT_FDCWD|\d+)<([^>]*)>/g)) {
      if (fd === 'AT_FDCWD') places.set(pid, path)
      if (fd) base = path
      const plain = text === undefined ? path : textOf(text)
      texts.push(plain)
      paths.push(resolve(base, plain))
    }
    const plain = given.replace(/"(?:[^"\\]|\\.)*"|<[^>]*>/g, '') // what is left are numbers and flags
    const named = /at2?$/.test(call) ? paths.filter((_, index) => index % 2 === 1) : paths
    if (call === 'chdir' || call === 'fchdir') places.set(pid, named[0] ?? '')
    if (call === 'sync' || (call === 'syncfs' && isOurs(named[0] ?? ''))) return [{ kind: 'sync', time: 0 }]
    const last = named.at(-1) ?? ''
    const first = /^symlink/.test(call) ? last : (named[0] ?? '')
    if (!isOurs(first) || (call === 'openat' && !/O_CREAT|O_TRUNC/.test(plain))) return []
    const time = Number(seconds)
    const name = nameOf(first)
    const number = Number.parseInt(/, (\d+)$/.exec(plain)?.[1] ?? '', 10)
    const mode = Number.parseInt(/\b(0\d+)/.exec(plain)?.[1] ?? '0', 8)
    if (call === 'openat') return [{ kind: 'open', time, name, empties: /O_TRUNC/.test(plain), mode }]
    if (/^(write|pwrite64)$/.test(call)) {
      const text = (texts[1] ?? '').slice(0, Number(result))
      return [{ kind: 'write', time, name, text, at: call === 'write' ? null : number }]
    }
    if (call === 'ftruncate') return [{ kind: 'cut', time, name, size: number }]
    if (/^rename|^link/.test(call))
      return [{ kind: call.startsWith('link') ? 'link' : 'rename', time, name, to: nameOf(last) }]
    if (/^symlink/.test(call)) return [{ kind: 'symlink', time, name, text: texts[0] ?? '' }]
    if (/^f?sync|^fdatasync/.test(call)) return [{ kind: 'fsync', time, name }]
    if (REMOVING.includes(call)) return [{ kind: 'remove', time, name }]
    if (/^mkdir/.test(call)) return [{ kind: 'mkdir', time, name, mode }]
    if (/chmod/.test(call)) return [{ kind: 'chmod', time, name, mode }]
    if (FOLDERS.includes(call)) return []
    throw new Error(`the model does not know ${line.slice(0, 300)}`)
  })
}

/** A string as strace(1) writes it: of C, in bytes. */
function textOf(text: string): string {
  const letters: Record<string, string> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }
  return text.replace(/\\([0-7]{1,3}|.)/g, (_, what: string) =>
    /^[0-7]/.test(what) ? String.fromCharCode(Number.parseInt(what, 8)) : (letters[what] ?? what),
  )
}
