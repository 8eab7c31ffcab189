import type { OnStatus } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { commandEnvironment } from '../service/environment.ts'
import { howToFind, NOT_FOUND, searched } from '../service/programs-found.ts'
import type { StatusRecord, StatusSink } from '../state/status.ts'
import { orWarn, within } from '../system/limit.ts'
import { printableJson } from '../system/log.ts'

/** For each call of the command, and for what an update waits for the last one. */
const TIMEOUT_MS = 10_000
const MOST_OUTPUT = 64 * 1024

/** Which of the kinds of `on_status.on` a status is. */
function kindOf({ status }: StatusRecord): OnStatus['on'][number] {
  return status === 'update_failed' ? 'halted' : status
}

/**
 * Hands statuses of these kinds to `on_status`, one call at a time; of those that come meanwhile only the newest, so never
 * the last.
 */
export function hookSink(service: Service, { run: command, on }: OnStatus): StatusSink {
  const { world, paths } = service
  let waiting: StatusRecord | null = null
  let calling: Promise<void> | null = null
  let hasFailed = false

  const call = async (record: StatusRecord) => {
    const env = await commandEnvironment(service)
    const result = await world.run('/bin/sh', ['-c', command], {
      cwd: paths.home,
      env: {
        ...env,
        TELEC_HOME: paths.home,
        TELEC_STATUS: record.status,
        TELEC_COMPUTER: record.computer,
      },
      input: `${printableJson(record)}\n`,
      timeoutMs: TIMEOUT_MS,
      maxOutput: MOST_OUTPUT,
    })
    const how =
      result.endedBy === 'timeout'
        ? `did not end within ${TIMEOUT_MS / 1000} s`
        : `ended with ${result.signal ?? `exit code ${result.code}`}`
    if (result.code === 0) return world.log.debug(`on_status: ${record.status} was passed on`)
    const say = hasFailed ? world.log.debug : world.log.warning // said once
    hasFailed = true
    const why = result.stderr.trim().split('\n').at(-1) ?? ''
    const missing = result.code === NOT_FOUND ? `; ${searched(env)}; ${howToFind(world, env, why)}` : ''
    say(`on_status ${how}: ${why}${missing}`)
  }
  const callAll = async () => {
    for (let next = waiting; next; next = waiting) {
      const record = next
      waiting = null
      await orWarn(world, 'on_status', () => call(record))
    }
    calling = null
  }
  return {
    publish(record) {
      if (!on.includes(kindOf(record))) return
      waiting = record
      calling ??= callAll()
    },
    async close() {
      // Two calls: the one that is under way, and the last.
      if (calling) await within(calling, 2 * TIMEOUT_MS).catch(() => undefined)
    },
  }
}
