import { kill } from 'node:process'
import type { Paths } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { readSupervisorRecord, type SupervisorRecord } from '../../state/supervisor.ts'
import { TelecError } from '../../system/errors.ts'
import { isLocked } from '../../system/lock.ts'
import { type ServiceManager, UNKNOWN } from '../manager.ts'

/** `telec run` restarts the service, after any exit code. Node keeps SIGUSR1 for its debugger. */
export const RESTART_SIGNAL = 'SIGUSR2'

/** `telec run` ends its back-off, and starts a service that crashed. */
export const WAKE_SIGNAL = 'SIGALRM'

export function supervisorLock(paths: Paths): string {
  return `${paths.supervisor}.lock`
}

/** The record of the `telec run` that supervises this service now; null: there is none. */
export function readSupervisor({ world, paths }: Service): SupervisorRecord | null {
  const record = readSupervisorRecord(paths)
  return record && isLocked(world, supervisorLock(paths)) ? record : null
}

/** The service under `telec run`, as another process sees it: by its record, and by signals. */
export function embeddedManager(service: Service): ServiceManager {
  const record = () => {
    const found = readSupervisor(service)
    if (found) return found
    throw new TelecError('later', 'telec run ended', {
      hint: 'start it again: it polls and updates first',
    })
  }
  const [only = 'the service', ...others] = service.config.service?.names ?? []
  return {
    name: 'telec run',
    service: others.length === 0 ? only : 'the service', // one command stands for all units
    async inspect() {
      const { main, last_exit } = record()
      const state = { ...UNKNOWN, known: 'yes', lastExit: last_exit } as const
      if (!main) return { ...state, activity: 'failed' }
      const { pid, started_ms } = main
      const running = {
        pid,
        identity: `${pid}@${started_ms}`,
        uptimeMs: service.world.monotonic() - started_ms,
      }
      return { ...state, activity: 'running', main: running }
    },
    members: async () => [],
    async terminate() {
      kill(record().supervisor, RESTART_SIGNAL)
    },
    async start() {
      kill(record().supervisor, WAKE_SIGNAL)
    },
    async restart() {
      const { main } = record()
      if (main) kill(main.pid, 'SIGKILL')
    },
  }
}
