import { spawn } from 'node:child_process'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { succeed } from './programs.ts'
import { until } from './until.ts'

export interface GitServer {
  /** The URL of a repository below the folder that is served. */
  url(repository: string): string
  close(): void
}

/** git daemon: a remote for other users and computers than the one that pushes. `host`: by which they reach this one. */
export async function serveGit(folder: string, host = '127.0.0.1'): Promise<GitServer> {
  const port = await freePort()
  const address = [`--listen=${host === '127.0.0.1' ? host : '0.0.0.0'}`, `--port=${port}`]
  const program = join(await succeed('git', ['--exec-path']), 'git-daemon')
  const options = ['--export-all', `--base-path=${folder}`, ...address]
  // It ends with the test, however that ends.
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...options], { stdio: 'ignore' })
  await until('git daemon to listen', () => canConnect(port))
  return {
    url: (repository) => `git://${host}:${port}/${repository}`,
    close: () => void daemon.kill(),
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.end())
  })
}
