import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { searched } from '../service/programs-found.ts'
import { shellWord } from '../system/errors.ts'
import { mayAccess, readBeginning } from '../system/files.ts'
import type { Migration } from './discover.ts'
import { migrationFailure } from './failure.ts'
import type { Surroundings } from './runtimes/runtime.ts'

/** Throws `halted` where the migration's file or interpreter cannot start: the system would say only ENOENT. */
export function verifyRunnable(migration: Migration, { checkout, env, python }: Surroundings): void {
  const fault =
    migration.language === 'executable'
      ? faultOfExecutable(migration.path, env, checkout)
      : migration.language === 'python' && !isFound(python, env, checkout)
        ? `${python} is missing; ${searched(env)}`
        : null
  if (fault !== null) throw migrationFailure(migration, 'cannot be run', fault)
}

/** In bytes: the part of a script that execve(2) reads. */
const FIRST_LINE = 256
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

function faultOfExecutable(path: string, env: NodeJS.ProcessEnv, checkout: string): string | null {
  if (!mayAccess(path, 'run'))
    return `its file is not executable here: chmod +x ${shellWord(path)}, or mount its disk without noexec`
  const start = readBeginning(path, FIRST_LINE, 'latin1') ?? ''
  if (start.startsWith(`${BYTE_ORDER_MARK}#!`))
    return 'a byte order mark precedes its #!: save it without one'
  if (!start.startsWith('#!'))
    return start.includes('\0') ? null : 'its first line names no interpreter, such as #!/bin/sh'
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

/** The program that env(1) looks up: the rest of the line is one argument. Null where only env can tell. */
function programOfEnv(rest: string): string | null {
  if (!rest.startsWith('-')) return rest
  const [, program = null] =
    /^-S[ \t]*(?:(?!PATH=)\w+=[^\s"'\\$]*[ \t]+)*([\w./+][\w./+-]*)(?:[ \t]|$)/.exec(rest) ?? []
  return program
}

/** Whether the program exists at its path, or in PATH. */
function isFound(program: string, { PATH = '' }: NodeJS.ProcessEnv, folder: string): boolean {
  if (program.includes('/')) return isProgram(resolve(folder, program))
  return PATH.split(':').some((one) => isProgram(resolve(folder, one, program)))
}

function isProgram(path: string): boolean {
  return mayAccess(path, 'run') && statSync(path).isFile()
}
