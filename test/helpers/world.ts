import type { World } from '../../src/system/world.ts'

const refuse = (what: string) => (): never => {
  throw new Error(`a pure function must not ${what}`)
}

/** A world for pure code: values to read, and an error for code that touches more than that. */
export function pureWorld(values: Partial<World> = {}): World {
  const silent = () => undefined
  return {
    env: {},
    cwd: '/home/ann',
    home: '/home/ann',
    hostname: 'studio',
    platform: 'linux',
    uid: 1000,
    user: () => 'ann',
    pid: 4711,
    program: {
      name: 'telec',
      path: '/opt/telec/telec',
      args: [],
      node: '/usr/bin/node',
      nodeVersion: '20.20.2',
    },
    log: {
      error: silent,
      warning: silent,
      notice: silent,
      info: silent,
      debug: silent,
      progress: silent,
      outcome: silent,
      onKill: silent,
      killed: silent,
    },
    now: refuse('read the clock'),
    monotonic: refuse('read the clock'),
    bootedAt: refuse('read the clock'),
    bootId: refuse('read the clock'),
    sleep: refuse('sleep'),
    run: refuse('run programs'),
    out: refuse('print'),
    ...values,
  }
}
