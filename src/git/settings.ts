import { realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { actAs } from '../system/account.ts'
import { TelecError } from '../system/errors.ts'
import { git } from './git.ts'
import { settingsTexts } from './logins.ts'
import type { Repository } from './repository.ts'

/** Settings whose values git runs, or believes as it believes a certificate. What telec turns off in any case is not here. */
const TRUSTED =
  /^(core\.(sshcommand|gitproxy)|credential\.(.*\.)?helper|filter\..*\.(clean|smudge|process)|merge\..*\.driver|diff\..*\.(command|textconv)|remote\..*\.(uploadpack|vcs)|gpg\.(.*\.)?program|lfs\.customtransfer\..*\.(path|args)|http\.(.*\.)?(sslcainfo|sslcapath|sslcert|sslkey))$/
const INCLUDES = /^include(if\..*)?\.path$/

/** What a file of settings has to contain for git to be asked about it: most polls need not. */
const WORTH_A_LOOK =
  /^\s*\[\s*include|sshcommand|gitproxy|helper|clean|smudge|process|driver|command|textconv|uploadpack|vcs|program|customtransfer|sslc|sslkey/im

interface Setting {
  /** The file that it is in; null: it was given otherwise. */
  readonly file: string | null
  readonly key: string
  readonly value: string
}

/**
 * A commit must not choose what git runs, or whom it asks: settings that are in a file of the work tree, or name a
 * program there, are refused. Throws a TelecError of kind `config` that lists them.
 *
 * @param commit the work tree as it is about to be.
 */
export async function verifySettings(repository: Repository, commit?: string): Promise<void> {
  const { world } = repository
  if (!settingsTexts(repository).some((text) => WORTH_A_LOOK.test(text))) return
  const listed = await git(repository, ['config', '--list', '--null', '--show-origin'])
  const settings = parseSettings(listed, repository)
  const coming = commit === undefined ? new Set<string>() : await present(repository, commit, settings)
  const { home } = actAs(world, repository.owner)
  const faults = settings.filter((setting) => isFromCheckout(home, repository, setting, coming))
  if (faults.length === 0) return
  const named = faults.map(({ file, key }) => (file === null ? key : `${key} in ${file}`))
  throw new TelecError('config', "git's settings depend on what is in the checkout", {
    because: [...new Set(named)].join('\n'),
    hint: 'a commit could change what git runs: keep such files outside the checkout, and have the setting name those',
  })
}

/** `ORIGIN NUL KEY NEWLINE VALUE NUL`, again and again (git-config(1), --null). A key alone has no value. */
function parseSettings(listed: string, { workTree }: Repository): Setting[] {
  const parts = listed.split('\0')
  return parts.flatMap((origin, index) => {
    if (index % 2 === 1 || index + 1 >= parts.length) return []
    const [key = '', ...value] = (parts[index + 1] ?? '').split('\n')
    const file = origin.startsWith('file:') ? resolve(workTree, origin.slice('file:'.length)) : null
    return [{ file, key, value: value.join('\n') }]
  })
}

function isFromCheckout(
  home: string,
  repository: Repository,
  { file, key, value }: Setting,
  coming: ReadonlySet<string>,
): boolean {
  if (file !== null && isInTree(repository, file)) return true
  if (INCLUDES.test(key)) {
    const path = value.replace(/^~\//, `${home}/`)
    return isInTree(repository, resolve(dirname(file ?? repository.workTree), path))
  }
  if (!TRUSTED.test(key)) return false
  return words(value).some((word) => {
    if (isAbsolute(word)) return isInTree(repository, word)
    const path = join(repository.workTree, word)
    return isInTree(repository, path) && (coming.has(relative(repository.workTree, path)) || isFile(path))
  })
}

/** What may be paths in a command line. */
function words(value: string): string[] {
  return value.split(/[\s"'`;|&()<>$=!]+/).filter(Boolean)
}

/** Those paths that are named by settings and are in a commit. */
async function present(
  repository: Repository,
  commit: string,
  settings: readonly Setting[],
): Promise<Set<string>> {
  const paths = settings
    .filter(({ key }) => TRUSTED.test(key))
    .flatMap(({ value }) => words(value))
    .filter((word) => !isAbsolute(word))
    .map((word) => relative(repository.workTree, join(repository.workTree, word)))
    .filter((path) => path !== '' && !path.startsWith('..'))
  if (paths.length === 0) return new Set()
  const args = ['--literal-pathspecs', 'ls-tree', '-z', '--name-only', commit, '--', ...paths]
  return new Set((await git(repository, args)).split('\0').filter(Boolean))
}

/** Whether a path is of the work tree, and so a commit's to change; .git is not. */
function isInTree({ workTree, gitDir, commonDir }: Repository, path: string): boolean {
  const isWithin = (one: string, folder: string) =>
    one.startsWith(folder.endsWith(sep) ? folder : folder + sep)
  return [
    [path, workTree, gitDir, commonDir],
    [real(path), real(workTree), real(gitDir), real(commonDir)],
  ].some(
    ([one = '', tree = '', ...own]) => isWithin(one, tree) && !own.some((folder) => isWithin(one, folder)),
  )
}

/** A path with its links resolved, as far as it is there. */
function real(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(real(above), relative(above, path))
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
