import type { Step } from './step.ts'
import { checkout } from './steps/checkout.ts'
import { confirm } from './steps/confirm.ts'
import { fetch } from './steps/fetch.ts'
import { install } from './steps/install.ts'
import { migrate } from './steps/migrate.ts'
import { preflight } from './steps/preflight.ts'
import { restart } from './steps/restart.ts'
import { verify } from './steps/verify.ts'

/**
 * The update, between the lock and the signal that are taken before and the record that is made after:
 * lock → read signal → preflight → fetch → verify → checkout → migrate → install → restart → confirm → done
 */
export const SEQUENCE: readonly Step[] = [
  { name: 'preflight', status: 'updating', again: true, run: preflight },
  { name: 'fetch', status: 'updating', again: false, run: fetch },
  { name: 'verify', status: 'updating', again: true, run: verify },
  { name: 'checkout', status: 'updating', again: true, run: checkout },
  { name: 'migrate', status: 'migrating', again: true, run: migrate },
  { name: 'install', status: 'installing', again: false, run: install },
  { name: 'restart', status: 'restarting', again: false, run: restart },
  { name: 'confirm', status: 'restarting', again: false, run: confirm },
]
