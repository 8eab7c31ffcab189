import type { Fleet, FleetMember } from '../fleet/read.ts'
import { describeCommits } from './commits.ts'
import { relative } from './show.ts'
import { cut, table } from './table.ts'

/** A computer is heard of every five minutes; after three of them it is silent. */
const SILENT_AFTER_MS = 15 * 60_000

export function isSilent({ heard_at }: FleetMember, nowMs: number): boolean {
  return nowMs - Date.parse(heard_at) > SILENT_AFTER_MS
}

export function isHalted({ status }: FleetMember): boolean {
  return status?.status === 'update_failed'
}

/** It reaches the remote, and takes nothing before a person acts. */
export function isStuck({ status }: FleetMember): boolean {
  return status?.status === 'updated' && status.problem !== null
}

export type Running = Readonly<{ version: string | null; commit: string | null }>

/** What a computer runs. An older telec says of an update that is not done only which version it came from. */
export function whatRunsOn({ status }: FleetMember): Running {
  if (!status) return { version: null, commit: null }
  return status.runs ?? (status.status === 'updated' ? status : { version: status.from, commit: null })
}

/** What it is on the way to, or halted at, for people; null: it is there. */
export function headedFor({ status }: FleetMember): string | null {
  if (!status || status.status === 'updated') return null
  return status.version ?? status.commit?.slice(0, 12) ?? null
}

/** `telec status --fleet` for people: who needs attention first, then all, then how many run what. Pure. */
export function showFleet({ computers }: Fleet, nowMs: number): string {
  if (computers.length === 0) return 'no computer has been heard of yet\n'
  const rank = (member: FleetMember) =>
    isHalted(member) || isStuck(member) ? 0 : isSilent(member, nowMs) ? 1 : 2
  const ordered = computers.toSorted((a, b) => rank(a) - rank(b) || (a.computer < b.computer ? -1 : 1))
  const rows = ordered.map((member) => row(member, nowMs))
  return `${table([HEADINGS, ...rows])}\n${counts(computers)}${ordered.flatMap(why).join('')}`
}

const HEADINGS = ['COMPUTER', 'CHANNEL', 'RUNS', 'COMMIT', 'TARGET', 'STATUS', 'STEP', 'SINCE', 'HEARD']

function row(member: FleetMember, nowMs: number): string[] {
  const { computer, heard_at, status } = member
  const heard = `${relative(Math.min(-1, Date.parse(heard_at) - nowMs))}${isSilent(member, nowMs) ? ' (silent)' : ''}`
  const since = status && relative(status.timestamp * 1000 - nowMs)
  const { channel, status: name = 'unknown', step } = status ?? {}
  const { version, commit } = whatRunsOn(member)
  const state = isStuck(member) ? 'stuck' : name
  const cells = [
    computer,
    channel && `${channel}${status?.pinned ? ' (pinned)' : ''}`,
    version,
    commit?.slice(0, 12),
    headedFor(member),
    state,
    step,
    since,
    heard,
  ]
  return cells.map((cell) => cut(cell ?? '-'))
}

/** How many computers run each version, by its name. */
export function countVersions(computers: readonly FleetMember[]): [version: string, count: number][] {
  const counts = new Map<string, number>()
  for (const member of computers) {
    const { version, commit } = whatRunsOn(member)
    const name = version ?? commit?.slice(0, 12) ?? 'unknown'
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
}

function counts(computers: readonly FleetMember[]): string {
  const ordered = countVersions(computers).toSorted(([one, a], [other, b]) => b - a || (one < other ? 1 : -1))
  const parts = ordered.map(([version, count]) => `${count} × ${cut(version)}`)
  return `${computers.length} computer(s): ${parts.join(', ')}\n`
}

function why(member: FleetMember): string[] {
  const { computer, status } = member
  const line = (text: string) => text.slice(0, 300).replace(/\s+/g, ' ')
  if (isHalted(member))
    return [
      `\n${computer} halted at ${cut(status?.step ?? '-')}: ${line(status?.error ?? 'no reason given')}\n`,
      ...describeCommits(status?.commits ?? null).map((subject) => `  ${line(subject)}\n`),
    ]
  return isStuck(member) ? [`\n${computer} is stuck: ${line(status?.problem ?? '')}\n`] : []
}
