import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { searched } from '../service/programs-found.ts'
import { mayAccess } from '../system/files.ts'
import type { Migration } from './discover.ts'
import { migrationFailure } from './failure.ts'

/** What a migration would be run with. */
export interface Needs {
  readonly checkout: string
  readonly env: NodeJS.ProcessEnv
  readonly python: string
}

/** Throws `halted`, naming the migration, where its file or its interpreter cannot be started: the system says only ENOENT. */
export function verifyRunnable(migration: Migration, { checkout, env, python }: Needs): void {
  const fault =
    migration.language === 'executable'
      ? faultOfExecutable(migration.path, env, checkout)
      : migration.language === 'python' && !isFound(python, env, checkout)
        ? `${python} is missing; ${searched(env)}`
        : null
  if (fault !== null) throw migrationFailure(migration, 'cannot be run', fault)
}

/** execve(2) looks at this much of a script's first line. */
const FIRST_LINE = 256
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

function faultOfExecutable(path: string, env: NodeJS.ProcessEnv, checkout: string): string | null {
  if (!mayAccess(path, 'run'))
    return `its file is not executable here: chmod +x ${path}, or mount its disk without noexec`
  const start = startOf(path)
  if (start.startsWith(`${BYTE_ORDER_MARK}#!`))
    return 'a byte order mark stands before its #!: save it without one'
  if (!start.startsWith('#!'))
    return start.includes('\0') ? null : 'its first line is not one such as #!/bin/sh'
  const [line = ''] = start.slice(2).split('\n', 1)
  if (line.includes('\r'))
    return 'its first line ends with a carriage return, as on Windows: write *.sh text eol=lf into .gitattributes'
  const [, interpreter = '', rest = ''] = /^[ \t]*(\S*)[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
  if (!isProgram(resolve(checkout, interpreter))) return `its interpreter is missing: ${interpreter}`
  const program = /\/env$/.test(interpreter) ? programOfEnv(rest) : null
  return program === null || isFound(program, env, checkout)
    ? null
    : `its interpreter is missing: ${program}; ${searched(env)}`
}

/** The program that env(1) looks up, given all the rest of the line as one argument; null where that takes env to tell. */
function programOfEnv(rest: string): string | null {
  if (!rest.startsWith('-')) return rest
  const [, program = null] =
    /^-S[ \t]*(?:(?!PATH=)\w+=[^\s"'\\$]*[ \t]+)*([\w./+][\w./+-]*)(?:[ \t]|$)/.exec(rest) ?? []
  return program
}

function startOf(path: string): string {
  const fd = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(FIRST_LINE)
    return bytes.toString('latin1', 0, readSync(fd, bytes))
  } finally {
    closeSync(fd)
  }
}

/** Whether there is a program of this name on the PATH, or at this path. */
function isFound(program: string, { PATH = '' }: NodeJS.ProcessEnv, folder: string): boolean {
  if (program.includes('/')) return isProgram(resolve(folder, program))
  return PATH.split(':').some((one) => isProgram(resolve(folder, one, program)))
}

function isProgram(path: string): boolean {
  return mayAccess(path, 'run') && statSync(path).isFile()
}
