import { join } from 'node:path'
import { succeed } from './programs.ts'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate that nobody else vouches for, of a host or an address; the paths of its files in the folder. */
export async function certificate(folder: string, name: string): Promise<Certificate> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)]
  const names = `subjectAltName=${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
  const subject = ['-subj', `/CN=${name}`, '-addext', names]
  await succeed('openssl', [...request, '-keyout', key, '-out', cert, ...subject])
  return { cert, key }
}
