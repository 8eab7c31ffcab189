import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { kindOf, shellWord, systemErrorCode, TelecError } from './errors.ts'
import { printableJson } from './log.ts'
import { diskFull } from './space.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** A text file's content; null where it is missing. Throws a TelecError where it is unreadable, a pipe or a device. */
export function readText(path: string): string | null {
  return readOpen(path, (fd) => fs.readFileSync(fd, 'utf8')) // EISDIR of a folder
}

/** The first bytes of a file; null where it is missing. Throws as `readText` does. */
export function readBeginning(path: string, bytes: number, as: 'utf8' | 'latin1' = 'utf8'): string | null {
  const buffer = Buffer.alloc(bytes)
  return readOpen(path, (fd) => buffer.toString(as, 0, fs.readSync(fd, buffer)))
}

/** A file's bytes, to compare, which takes less than text or a hash; none where it is missing. Throws as `readText` does. */
export function readBytes(path: string): Buffer {
  return readOpen(path, (fd) => fs.readFileSync(fd)) ?? Buffer.alloc(0)
}

function readOpen<Content>(path: string, read: (fd: number) => Content): Content | null {
  return attemptToRead(path, () => {
    const flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK // a pipe would block until it has a writer
    return withOpen(path, flags, (fd) => {
      const stat = fs.fstatSync(fd)
      if (!stat.isFile() && !stat.isDirectory()) throw new Error('it is a pipe or a device, and no file')
      return read(fd)
    })
  })
}

/** Opens a file, acts on it and closes it again. Throws as Node does. */
export function withOpen<Result>(path: string, flags: string | number, act: (fd: number) => Result): Result {
  const fd = fs.openSync(path, flags, FILE_MODE)
  try {
    return act(fd)
  } finally {
    fs.closeSync(fd)
  }
}

const ACCESS = { read: fs.constants.R_OK, write: fs.constants.W_OK, run: fs.constants.X_OK } as const

/** Whether it exists, and this user has that right to it (access(2)). */
export function mayAccess(path: string, how: keyof typeof ACCESS): boolean {
  try {
    fs.accessSync(path, ACCESS[how])
    return true
  } catch {
    return false
  }
}

/** The entries of a folder; none where it is missing. Throws a TelecError where it is unreadable. */
export function listEntries(path: string): fs.Dirent[] {
  return attemptToRead(path, () => fs.readdirSync(path, { withFileTypes: true })) ?? []
}

/** Their names. */
export function listFolder(path: string): string[] {
  return listEntries(path).map(({ name }) => name)
}

function attemptToRead<Read>(path: string, read: () => Read): Read | null {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null
    throw new TelecError(kindOf(error), `cannot read ${path}`, {
      because: (error as Error).message,
      hint: `check who owns it and its mode: ls -ld ${shellWord(path)}`,
      cause: error,
    })
  }
}

/** Whether it is a plain file. Throws a TelecError where access is denied. */
export function isFile(path: string): boolean {
  return attemptToRead(path, () => fs.statSync(path))?.isFile() ?? false
}

/** The content of a small plain file; null where there is none, or anything else instead. */
export function readPlainText(path: string): string | null {
  const stat = attemptToRead(path, () => fs.statSync(path))
  return stat?.isFile() && stat.size <= 1024 * 1024 ? readText(path) : null
}

/** A JSON file of the given shape; null where it is missing. Any other content throws, and never counts as none. */
export function readJson<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
  hint: string,
): v.InferOutput<Schema> | null {
  const text = readText(path)
  if (text === null) return null
  const fail = (because: string): never => {
    throw new TelecError('halted', `${path} cannot be understood; it was not changed`, { because, hint })
  }
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (error) {
    return fail(text.trim() === '' ? 'the file is empty' : (error as Error).message)
  }
  const result = v.safeParse(schema, data)
  if (result.success) return result.output
  const [issue] = result.issues
  return fail(`${v.getDotPath(issue) ?? 'the whole file'}: ${issue.message}`)
}

export interface WriteOptions {
  readonly mode?: number
  /** `synced later`: until the next write or removal in that folder, a power cut may restore the old text. */
  readonly folder?: 'synced' | 'synced later'
}

/** Replaces a file so that after any crash it holds the old text or the new one. Creates its folder (0700). */
export async function writeDurably(
  path: string,
  text: string,
  { mode = FILE_MODE, folder = 'synced' }: WriteOptions = {},
): Promise<void> {
  try {
    // Others must be able to enter the folder of a file that they may read.
    fs.mkdirSync(dirname(path), { recursive: true, mode: (mode & 0o044) === 0 ? FOLDER_MODE : 0o755 })
    await replace(path, text, mode)
    if (folder === 'synced') syncFolder(dirname(path))
  } catch (error) {
    throw writeFailure(path, error)
  }
}

async function replace(path: string, text: string, mode: number): Promise<void> {
  const before = plainFileAt(path)
  // Loaded with the first write: most polls write nothing, and node:crypto comes with it.
  const { default: writeFileAtomic } = await import('write-file-atomic')
  // It ignores a short write (full disk). Given null it writes nothing, and its hook writes, which throws ENOSPC.
  const nothing = null as unknown as string
  const options = { mode, tmpfileCreated: (temporary: string) => fs.writeFileSync(temporary, text) }
  try {
    // Blocking, like all calls here: handing the work to a thread would take longer than the work.
    writeFileAtomic.sync(path, nothing, options)
  } catch (error) {
    // Root in a sandbox may not chown(2). Only the other call can skip that (false, which its types lack).
    const isOurs = before === undefined || before.uid === process.getuid?.()
    if (systemErrorCode(error) !== 'EPERM' || !isOurs) throw error
    await writeFileAtomic(path, nothing, { ...options, chown: false as never })
  }
}

export function writeJson(path: string, data: unknown, options?: WriteOptions): Promise<void> {
  return writeDurably(path, `${printableJson(data, 2)}\n`, options)
}

/** Writes in place, without a sync: for a file whose loss, or half of it, does no harm. */
export function writeInPlace(path: string, text: string): void {
  attempt(path, [], () => {
    plainFileAt(path)
    fs.writeFileSync(path, text, { mode: FILE_MODE })
  })
}

/** Removes a file, if it exists. When it resolves, this and all renames in the folder are durable. */
export async function remove(path: string, { folder = 'synced' }: WriteOptions = {}): Promise<void> {
  attempt(path, ['ENOENT'], () => {
    fs.unlinkSync(path)
    if (folder === 'synced') syncFolder(dirname(path))
  })
}

export function removeFolderIfEmpty(path: string): void {
  attempt(path, ['ENOTEMPTY', 'EEXIST', 'ENOENT'], () => fs.rmdirSync(path))
}

/** The entry at a path, also a link that leads nowhere; undefined where it is missing. */
export function lstat(path: string): fs.Stats | undefined {
  return fs.lstatSync(path, { throwIfNoEntry: false })
}

/** When a file was last written or touched; null where it is missing. */
export function modifiedAt(path: string): Date | null {
  return fs.statSync(path, { throwIfNoEntry: false })?.mtime ?? null
}

/** Sets a file's times, which wakes a path unit or a WatchPaths job. */
export async function touch(path: string, nowMs: number): Promise<void> {
  attempt(path, ['ENOENT'], () => fs.utimesSync(path, nowMs / 1000, nowMs / 1000))
}

/** Touches a file, or creates it: never both, as a watching job would start twice. */
export function touchOrCreate(path: string, nowMs: number): void {
  attempt(path, [], () => {
    if (fs.existsSync(path)) fs.utimesSync(path, nowMs / 1000, nowMs / 1000)
    else withOpen(path, 'a', () => undefined)
  })
}

/** @param expected error codes that are no failure. */
function attempt(path: string, expected: readonly string[], change: () => void): void {
  try {
    change()
  } catch (error) {
    if (!expected.includes(systemErrorCode(error) ?? '')) throw writeFailure(path, error)
  }
}

/** Another program may be about to rename its temporary file; none takes an hour for that. */
const FOREIGN_TEMPORARY_MS = 3_600_000

/**
 * Removes the temporary files (`NAME.1234567`) that killed programs left beside `own`, the files that only the caller may
 * write, as it holds the lock. With `nowMs` also old ones of telec's other files.
 */
export function sweepTemporaryFiles(own: readonly string[], nowMs?: number): void {
  for (const folder of new Set(own.map(dirname)))
    for (const entry of listFolder(folder)) {
      const path = join(folder, entry)
      const [, original = ''] = /^(.+)\.\d+$/.exec(path) ?? []
      const isOld = () =>
        nowMs !== undefined &&
        /\.(json|yml|new)$/.test(original) &&
        Math.abs(nowMs - (modifiedAt(path)?.getTime() ?? nowMs)) > FOREIGN_TEMPORARY_MS // clocks jump
      if (own.includes(original) || isOld()) attempt(path, [], () => fs.rmSync(path, { force: true }))
    }
}

/** A rename or removal in the folder is durable only after this (fsync(2)). */
export function syncFolder(folder: string): void {
  withOpen(folder, 'r', fs.fsyncSync)
}

/** Throws for a symbolic link, through which telec would write to another file. */
function plainFileAt(path: string): fs.Stats | undefined {
  const stat = lstat(path)
  if (stat?.isSymbolicLink())
    throw new TelecError('halted', `${path} is a symbolic link; telec does not write through links`, {
      hint: `replace it by a plain file: ls -l ${shellWord(path)} shows where it points`,
    })
  return stat
}

/** The TelecError for a failed write. */
export function writeFailure(path: string, error: unknown): TelecError {
  if (error instanceof TelecError) return error
  const folder = dirname(path)
  const said = (error as Error).message
  const full = systemErrorCode(error) === 'ENOSPC' ? diskFull(folder, { said }) : null
  return new TelecError(kindOf(error), `cannot write ${path}`, {
    because: full?.because ?? said,
    hint: full?.hint ?? `check the folder: ls -ld ${shellWord(folder)}`,
    cause: error,
  })
}
