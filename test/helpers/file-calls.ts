import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Computer } from './computer.ts'
import { requireTool } from './missing-tool.ts'
import { DIST, type Ended, execute, type ProgramName } from './programs.ts'

/** What a program, or one that it started, did to a file below a folder, by its name there; when, in seconds. */
export type FileCall = { readonly kind: 'sync' } | (Named & { readonly time: number; readonly name: string })
type Named =
  | { readonly kind: 'open'; readonly empties: boolean; readonly mode: number }
  | { readonly kind: 'write'; readonly text: string; readonly at: number | null }
  | { readonly kind: 'cut'; readonly size: number }
  | { readonly kind: 'rename'; readonly to: string }
  | { readonly kind: 'link'; readonly to: string }
  | { readonly kind: 'symlink'; readonly text: string }
  | { readonly kind: 'mkdir'; readonly mode: number }
  | { readonly kind: 'chmod'; readonly mode: number }
  | { readonly kind: 'remove' }
  | { readonly kind: 'fsync' }

const BY_NAME = [
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'mkdir', 'mkdirat'],
  ...['unlink', 'unlinkat', 'rmdir', 'chmod', 'fchmodat', 'openat', 'chdir'], // an open of any file tells where its process is
]
const BY_DESCRIPTOR = ['write', 'pwrite64', 'ftruncate', 'fchmod', 'fsync', 'fdatasync', 'fchdir', 'syncfs']
/** They would change files as well: the model does not know how, and says so. */
const UNKNOWN_BY_NAME = ['open', 'creat', 'truncate']
const UNKNOWN = ['writev', 'pwritev', 'pwritev2', 'fallocate', 'copy_file_range', 'sendfile']
const TRACED = [...BY_NAME, ...BY_DESCRIPTOR, ...UNKNOWN_BY_NAME, ...UNKNOWN, 'sync']

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
  const isOurs = (path: string) => [checkout, home].some((one) => path === one || path.startsWith(`${one}/`))
  const nameOf = (path: string) => path.slice(folder.length + 1)
  /** Of each process, by what it opened last. */
  const folders = new Map<string, string>()
  return trace.split('\n').flatMap((line): FileCall[] => {
    const [, pid = '', seconds, call = '', rest = ''] = /^(\d+) +([\d.]+) (\w+)\((.*)$/.exec(line) ?? []
    const [, given = '', result] = /^(.*)\) += (\d+)[^"]*$/.exec(rest) ?? []
    let from = folders.get(pid) ?? folder // what a text starts from, if it is a path
    let descriptor = ''
    const texts: string[] = []
    const paths: string[] = []
    for (const [, text, fd, path = ''] of given.matchAll(/"((?:[^"\\]|\\.)*)"|(AT_FDCWD|\d+)<([^>]*)>/g)) {
      if (fd === 'AT_FDCWD') folders.set(pid, path)
      if (fd) from = descriptor = path
      if (text === undefined) continue
      texts.push(textOf(text))
      paths.push(resolve(from, texts.at(-1) ?? ''))
    }
    const first = /^symlink/.test(call) ? paths[1] : paths[0]
    const path = (BY_NAME.includes(call) || UNKNOWN_BY_NAME.includes(call) ? first : descriptor) ?? ''
    if (call === 'chdir' || call === 'fchdir') folders.set(pid, path)
    if (call === 'sync') return [{ kind: 'sync' }]
    const flags = given.replace(/"(?:[^"\\]|\\.)*"|<[^>]*>/g, '') // and numbers
    if (!isOurs(path) || (call === 'openat' && !/O_CREAT|O_TRUNC/.test(flags))) return []
    const at = { time: Number(seconds), name: nameOf(path) }
    const number = Number(/, (\d+)$/.exec(flags)?.[1])
    const mode = Number.parseInt(/\b0\d+/.exec(flags)?.[0] ?? '0', 8)
    const text = (texts[0] ?? '').slice(0, Number(result))
    switch (call) {
      case 'openat':
        return [{ kind: 'open', ...at, empties: /O_TRUNC/.test(flags), mode }]
      case 'write':
        return [{ kind: 'write', ...at, text, at: null }]
      case 'pwrite64':
        return [{ kind: 'write', ...at, text, at: number }]
      case 'ftruncate':
        return [{ kind: 'cut', ...at, size: number }]
      case 'fsync':
      case 'fdatasync':
        return [{ kind: 'fsync', ...at }]
      case 'syncfs':
        return [{ kind: 'sync' }]
      case 'chdir':
      case 'fchdir':
        return []
    }
    const to = nameOf(paths[1] ?? '')
    if (call.startsWith('rename')) return [{ kind: 'rename', ...at, to }]
    if (call.startsWith('link')) return [{ kind: 'link', ...at, to }]
    if (call.startsWith('symlink')) return [{ kind: 'symlink', ...at, text: texts[0] ?? '' }]
    if (call.startsWith('mkdir')) return [{ kind: 'mkdir', ...at, mode }]
    if (call.includes('chmod')) return [{ kind: 'chmod', ...at, mode }]
    if (/^(unlink|rmdir)/.test(call)) return [{ kind: 'remove', ...at }]
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
