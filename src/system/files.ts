import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { kindOf, systemErrorCode, TelecError } from './errors.ts'
import { printableJson } from './log.ts'
import { diskFull } from './space.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700

/** A text file's content; null when there is none. Throws a TelecError when it cannot be read, or is a pipe or a device. */
export function readText(path: string): string | null {
  return readOpen(path, (fd) => fs.readFileSync(fd, 'utf8')) // EISDIR of a folder
}

/** The first bytes of a text file, however long it is; null when there is none. Throws as `readText` does. */
export function readBeginning(path: string, bytes: number): string | null {
  const buffer = Buffer.alloc(bytes)
  return readOpen(path, (fd) => buffer.toString('utf8', 0, fs.readSync(fd, buffer)))
}

function readOpen(path: string, read: (fd: number) => string): string | null {
  return attemptToRead(path, () => {
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK) // a pipe would wait for its writer
    try {
      const stat = fs.fstatSync(fd)
      if (!stat.isFile() && !stat.isDirectory()) throw new Error('it is a pipe or a device, and no file')
      return read(fd)
    } finally {
      fs.closeSync(fd)
    }
  })
}

const ACCESS = { read: fs.constants.R_OK, write: fs.constants.W_OK, run: fs.constants.X_OK } as const

/** Whether it is there, and this user may do that with it (access(2)). */
export function mayAccess(path: string, how: keyof typeof ACCESS): boolean {
  try {
    fs.accessSync(path, ACCESS[how])
    return true
  } catch {
    return false
  }
}

/** The names of what is in a folder; none where there is no folder. Throws a TelecError when it cannot be read. */
export function listFolder(path: string): string[] {
  return attemptToRead(path, () => fs.readdirSync(path)) ?? []
}

function attemptToRead<Read>(path: string, read: () => Read): Read | null {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return null
    throw new TelecError(kindOf(error), `cannot read ${path}`, {
      because: (error as Error).message,
      hint: `check who owns it and its mode: ls -ld ${path}`,
      cause: error,
    })
  }
}

/** Whether a plain file is there. Throws a TelecError where that cannot be told. */
export function isFile(path: string): boolean {
  return attemptToRead(path, () => fs.statSync(path))?.isFile() ?? false
}

/** The content of a plain file; null where there is none, or what somebody put there instead: a pipe, a device. */
export function readPlainText(path: string): string | null {
  const stat = attemptToRead(path, () => fs.statSync(path))
  return stat?.isFile() && stat.size <= 1024 * 1024 ? readText(path) : null
}

/** A JSON file of the given shape; null when there is none. What cannot be understood is an error, never "empty". */
export function readJson<Schema extends v.GenericSchema>(
  path: string,
  schema: Schema,
  hint: string,
): v.InferOutput<Schema> | null {
  const text = readText(path)
  if (text === null) return null
  const fail = (because: string): never => {
    throw new TelecError('halted', `${path} cannot be understood; it was left as it is`, { because, hint })
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
  return fail(`${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`)
}

export interface WriteOptions {
  readonly mode?: number
  /** `synced later`: a power cut may bring the old text back, until the next file of that folder is written or removed. */
  readonly folder?: 'synced' | 'synced later'
}

/** Replaces a file so that after any crash it holds the old text or the new one. Creates its folder (0700). */
export async function writeDurably(
  path: string,
  text: string,
  { mode = FILE_MODE, folder = 'synced' }: WriteOptions = {},
): Promise<void> {
  try {
    // What others may read has to be in folders that they may enter.
    fs.mkdirSync(dirname(path), { recursive: true, mode: (mode & 0o044) === 0 ? FOLDER_MODE : 0o755 })
    await replace(path, text, mode)
    if (folder === 'synced') syncFolder(dirname(path))
  } catch (error) {
    throw writeFailure(path, error)
  }
}

async function replace(path: string, text: string, mode: number): Promise<void> {
  const before = plainFileAt(path)
  // Loaded with the first file that is written: a poll that finds nothing writes none, and node:crypto comes with it.
  const { default: writeFileAtomic } = await import('write-file-atomic')
  // It would ignore a short write (a full disk): given null it writes nothing, and its hook does, which throws ENOSPC.
  const nothing = null as unknown as string
  const options = { mode, tmpfileCreated: (temporary: string) => fs.writeFileSync(temporary, text) }
  try {
    // Blocking, like all calls here: a hop to Node's threads and back takes longer than what is done there.
    writeFileAtomic.sync(path, nothing, options)
  } catch (error) {
    // It calls chown(2), which root in a sandbox may not; its other call can be told not to (false, which its types lack).
    const isOurs = before === undefined || before.uid === process.getuid?.()
    if (systemErrorCode(error) !== 'EPERM' || !isOurs) throw error
    await writeFileAtomic(path, nothing, { ...options, chown: false as never })
  }
}

export function writeJson(path: string, data: unknown, options?: WriteOptions): Promise<void> {
  return writeDurably(path, `${printableJson(data, 2)}\n`, options)
}

/** Writes a file whose loss, or half of which, does no harm: in place, and without waiting for the disk. */
export function writeInPlace(path: string, text: string): void {
  attempt(path, [], () => {
    plainFileAt(path)
    fs.writeFileSync(path, text, { mode: FILE_MODE })
  })
}

/** Removes a file; one that is not there is fine. Durable when it resolves, with all that was renamed in its folder. */
export async function remove(path: string, { folder = 'synced' }: WriteOptions = {}): Promise<void> {
  attempt(path, ['ENOENT'], () => {
    fs.unlinkSync(path)
    if (folder === 'synced') syncFolder(dirname(path))
  })
}

/** Removes a folder in which nothing is left. */
export function removeFolderIfEmpty(path: string): void {
  attempt(path, ['ENOTEMPTY', 'EEXIST', 'ENOENT'], () => fs.rmdirSync(path))
}

/** When a file was written or touched last; null where there is none. */
export function modifiedAt(path: string): Date | null {
  return fs.statSync(path, { throwIfNoEntry: false })?.mtime ?? null
}

/** Sets a file's times to now, so that whoever watches the path looks again. */
export async function touch(path: string, nowMs: number): Promise<void> {
  attempt(path, ['ENOENT'], () => fs.utimesSync(path, nowMs / 1000, nowMs / 1000))
}

/** Tells whoever watches a file that is there for that alone, once; it is made where there is none. */
export function mark(path: string, nowMs: number): void {
  attempt(path, [], () => {
    if (fs.existsSync(path)) fs.utimesSync(path, nowMs / 1000, nowMs / 1000)
    else fs.closeSync(fs.openSync(path, 'a', FILE_MODE))
  })
}

/** @param expected codes of failures after which all is as it should be. */
function attempt(path: string, expected: readonly string[], change: () => void): void {
  try {
    change()
  } catch (error) {
    if (!expected.includes(systemErrorCode(error) ?? '')) throw writeFailure(path, error)
  }
}

/** Another program may be between writing its temporary file and renaming it; none takes an hour for that. */
const FOREIGN_TEMPORARY_MS = 3_600_000

/**
 * Removes the temporary files (`NAME.1234567`) that killed programs left beside `own`: files that only the caller writes
 * now, as it holds the lock. With `nowMs` also those of telec's other files, once they are old.
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

/** The folder's entry for a renamed or removed file is durable only after this (fsync(2)). */
export function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** A state file that is a link would make telec write wherever it points: that throws. */
function plainFileAt(path: string): fs.Stats | undefined {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false })
  if (stat?.isSymbolicLink())
    throw new TelecError('halted', `${path} is a symbolic link; telec does not write through links`, {
      hint: `look where it points (ls -l ${path}) and replace it by a plain file`,
    })
  return stat
}

/** A failed write as people are told of it. */
export function writeFailure(path: string, error: unknown): TelecError {
  if (error instanceof TelecError) return error
  const folder = dirname(path)
  const said = (error as Error).message
  const full = systemErrorCode(error) === 'ENOSPC' ? diskFull(folder, { said }) : null
  return new TelecError(kindOf(error), `cannot write ${path}`, {
    because: full?.because ?? said,
    hint: full?.hint ?? `check the folder: ls -ld ${folder}`,
    cause: error,
  })
}
