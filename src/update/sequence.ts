import type { Step } from './step.ts'
import { checkout } from './steps/checkout.ts'
import { confirm } from './steps/confirm.ts'
import { fetch } from './steps/fetch.ts'
import { install } from './steps/install.ts'
import { migrate } from './steps/migrate.ts'
import { preflight } from './steps/preflight.ts'
import { renew } from './steps/renew.ts'
import { restart } from './steps/restart.ts'
import { verify } from './steps/verify.ts'

/** The update: lock → read signal → these steps → record. Help texts and documents name the steps in this order. */
export const SEQUENCE: readonly Step[] = [
  { name: 'preflight', doing: 'checking', status: 'updating', again: true, run: preflight },
  { name: 'fetch', doing: 'fetching', status: 'updating', again: false, run: fetch },
  { name: 'verify', doing: 'verifying', status: 'updating', again: true, run: verify },
  { name: 'checkout', doing: 'checking out', status: 'updating', again: true, run: checkout },
  { name: 'migrate', doing: 'migrating to', status: 'migrating', again: true, run: migrate },
  { name: 'install', doing: 'installing', status: 'installing', again: false, run: install },
  { name: 'renew', doing: 'renewing telec with', status: 'installing', again: true, run: renew },
  { name: 'restart', doing: 'restarting into', status: 'restarting', again: false, run: restart },
  { name: 'confirm', doing: 'confirming', status: 'restarting', again: false, run: confirm },
]
