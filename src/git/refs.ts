/** Where `fetchTarget` keeps a ref of the remote: side by side, so that none is a folder in the way of another. */
export function keptRef(ref: string): string {
  return `refs/telec/kept/${ref
    .replace(/^refs\//, '')
    .replaceAll('%', '%25')
    .replaceAll('/', '%2F')}`
}
