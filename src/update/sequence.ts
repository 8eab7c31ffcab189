import type { Step } from './context.ts'
import { checkout } from './steps/checkout.ts'
import { confirm } from './steps/confirm.ts'
import { fetch } from './steps/fetch.ts'
import { install } from './steps/install.ts'
import { migrate } from './steps/migrate.ts'
import { preflight } from './steps/preflight.ts'
import { renew } from './steps/renew.ts'
import { restart } from './steps/restart.ts'
import { verify } from './steps/verify.ts'

/** The steps of an update, in the order of help and documents. */
export const SEQUENCE: readonly Step[] = [
  { name: 'preflight', doing: 'checking', status: 'updating', resume: 'looks', run: preflight },
  { name: 'fetch', doing: 'fetching', status: 'updating', resume: 'unless ended', run: fetch },
  { name: 'verify', doing: 'verifying', status: 'updating', resume: 'looks', run: verify },
  { name: 'checkout', doing: 'checking out', status: 'updating', resume: 'looks', run: checkout },
  { name: 'migrate', doing: 'migrating to', status: 'migrating', resume: 'looks', run: migrate },
  { name: 'install', doing: 'installing', status: 'installing', resume: 'unless ended', run: install },
  { name: 'renew', doing: 'renewing telec with', status: 'installing', resume: 'looks', run: renew },
  { name: 'restart', doing: 'restarting into', status: 'restarting', resume: 'looks', run: restart },
  { name: 'confirm', doing: 'confirming', status: 'restarting', resume: 'unless ended', run: confirm },
]
