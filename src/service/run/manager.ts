import { kill } from 'node:process'
import type { Paths } from '../../config/paths.ts'
import type { Service } from '../../config/service.ts'
import { readSupervisorRecord, type SupervisorRecord } from '../../state/supervisor.ts'
import { TelecError } from '../../system/errors.ts'
import { isLocked } from '../../system/lock.ts'
import { type ServiceManager, UNKNOWN } from '../manager.ts'

/** `telec run` restarts the service, whatever it leaves with, after this signal. Node keeps SIGUSR1 for its debugger. */
export const RESTART_SIGNAL = 'SIGUSR2'

/** `telec run` does not wait any longer to start a service that crashed. One that runs is left alone. */
export const WAKE_SIGNAL = 'SIGALRM'

export function supervisorLock(paths: Paths): string {
  return `${paths.supervisor}.lock`
}

/** What the `telec run` says that supervises a service for this home right now; null where there is none. */
export function readSupervisor({ world, paths }: Service): SupervisorRecord | null {
  const record = readSupervisorRecord(paths)
  return record && isLocked(world, supervisorLock(paths)) ? record : null
}

/** The service under `telec run`, seen from another process: its record to look at, signals to ask. */
export function embeddedManager(service: Service): ServiceManager {
  const record = () => {
    const found = readSupervisor(service)
    if (found) return found
    throw new TelecError('later', 'telec run is no longer there', {
      hint: 'start it again: it polls and updates at its start',
    })
  }
  const [only = 'the service', ...others] = service.config.service?.names ?? []
  return {
    name: 'telec run',
    service: others.length === 0 ? only : 'the service', // one command, whatever units it stands for
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
      kill(record().supervisor, WAKE_SIGNAL) // it is in its back-off, which ends with that
    },
    async restart() {
      const { main } = record()
      if (main) kill(main.pid, 'SIGKILL')
    },
  }
}
