import { join } from 'node:path'
import { readPlainText } from '../system/files.ts'
import { git } from './git.ts'
import type { Repository } from './repository.ts'

/** Where `fetchTarget` keeps a ref of the remote: side by side, so that none is a folder in the way of another. */
export function keptRef(ref: string): string {
  const name = ref
    .replace(/^refs\//, '')
    .replaceAll('%', '%25')
    .replaceAll('/', '%2F')
  return `refs/telec/kept/${name}`
}

/** The commit behind a ref that was kept. */
export async function keptCommit(repository: Repository, ref: string): Promise<string> {
  const kept = keptRef(ref)
  // That of a branch, which was just written, is most often a plain file (gitrepository-layout(5)).
  const text = ref.startsWith('refs/heads/') ? readPlainText(join(repository.commonDir, kept)) : null
  if (text && /^[0-9a-f]{40,64}\n$/.test(text)) return text.trim()
  // --end-of-options: a remote may publish refs whose names look like options.
  const name = ['--verify', '--quiet', '--end-of-options', `${kept}^{commit}`]
  return (await git(repository, ['rev-parse', ...name])).trim()
}
