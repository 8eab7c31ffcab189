import type { OnStatus } from '../config/schema.ts'
import type { Service } from '../config/service.ts'
import { commandEnvironment } from '../service/environment.ts'
import { runShell } from '../service/shell.ts'
import type { StatusRecord, StatusSink } from '../state/status.ts'
import { orWarn, within } from '../system/limit.ts'
import { printableJson } from '../system/log.ts'

/** For each call of the command. */
const TIMEOUT_MS = 10_000
const MOST_OUTPUT = 64 * 1024

/** The value of `on_status.on` that a status belongs to. */
function kindOf({ status }: StatusRecord): OnStatus['on'][number] {
  return status === 'update_failed' ? 'halted' : status
}

/** Runs `on_status`, one call at a time; of the statuses that come during a call it gets only the newest. */
export function hookSink(service: Service, { run: command, on }: OnStatus): StatusSink {
  const { world, paths } = service
  let waiting: StatusRecord | null = null
  let calling: Promise<void> | null = null
  let hasFailed = false

  const call = async (record: StatusRecord) => {
    const { code, how, stderr, missing } = await runShell(world, command, {
      cwd: paths.home,
      env: {
        ...(await commandEnvironment(service)),
        TELEC_HOME: paths.home,
        TELEC_STATUS: record.status,
        TELEC_COMPUTER: record.computer,
      },
      input: `${printableJson(record)}\n`,
      timeoutMs: TIMEOUT_MS,
      maxOutput: MOST_OUTPUT,
    })
    if (code === 0) return world.log.debug(`on_status: sent ${record.status}`)
    const say = hasFailed ? world.log.debug : world.log.warning // only the first
    hasFailed = true
    const why = stderr.trim().split('\n').at(-1) ?? ''
    say(`on_status ${how}: ${why}${missing ? `; ${missing.searched}; ${missing.hint}` : ''}`)
  }
  const callAll = async () => {
    while (waiting !== null) {
      const record: StatusRecord = waiting
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
      // Two calls: the current one, and the last.
      if (calling) await within(calling, 2 * TIMEOUT_MS).catch(() => undefined)
    },
  }
}
