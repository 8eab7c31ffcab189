import type { StatusRecord } from './status.ts'

/** Where a status goes beside the file. What fails there never fails an update, nor holds it up. */
export interface StatusSink {
  publish(record: StatusRecord): void
  /** Waits a little for what is still on its way. */
  close(): Promise<void>
}
