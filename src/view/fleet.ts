import type { Fleet, FleetMember } from '../fleet/read.ts'
import { count } from '../system/plural.ts'
import { ago, cut, describeCommits, relative, table } from './text.ts'

/** A computer reports every five minutes: three reports are missing. */
const SILENT_AFTER_MS = 15 * 60_000

export function isSilent({ heard_at }: FleetMember, nowMs: number): boolean {
  return nowMs - Date.parse(heard_at) > SILENT_AFTER_MS
}

export function isHalted({ status }: FleetMember): boolean {
  return status?.status === 'update_failed'
}

/** It reaches the remote, but takes no version until the user acts. */
export function isStuck({ status }: FleetMember): boolean {
  return status?.status === 'updated' && status.problem !== null
}

/** What a computer runs. During an update telec 0.1 reports only the version before it. */
export function whatRunsOn({ status }: FleetMember): {
  readonly version: string | null
  readonly commit: string | null
} {
  if (!status) return { version: null, commit: null }
  return status.runs ?? (status.status === 'updated' ? status : { version: status.from, commit: null })
}

/** The version that it updates to, or halted at, for people; null: neither. */
export function targetOf({ status }: FleetMember): string | null {
  if (!status || status.status === 'updated') return null
  return status.version ?? status.commit?.slice(0, 12) ?? null
}

/** `telec status --fleet` for people: a row each, those that need attention first; then each version's computers. Pure. */
export function showFleet({ computers }: Fleet, nowMs: number): string {
  if (computers.length === 0) return 'no computer has reported yet\n'
  const rank = (member: FleetMember) =>
    isHalted(member) || isStuck(member) ? 0 : isSilent(member, nowMs) ? 1 : 2
  const ordered = computers.toSorted((a, b) => rank(a) - rank(b) || (a.computer < b.computer ? -1 : 1))
  const rows = ordered.map((member) => row(member, nowMs))
  return `${table([HEADINGS, ...rows])}\n${counts(computers)}${ordered.flatMap(why).join('')}`
}

const HEADINGS = ['COMPUTER', 'CHANNEL', 'RUNS', 'COMMIT', 'TARGET', 'STATUS', 'STEP', 'SINCE', 'HEARD']

/** Channel, version, commit, target, status and step of a computer, and since when, for people. */
export function cellsOf(member: FleetMember, nowMs: number): (string | null | undefined)[] {
  const { channel, pinned, status = 'unknown', step, timestamp } = member.status ?? {}
  const { version, commit } = whatRunsOn(member)
  return [
    channel && `${channel}${pinned ? ' (pinned)' : ''}`,
    version,
    commit?.slice(0, 12),
    targetOf(member),
    isStuck(member) ? 'stuck' : status,
    step,
    timestamp === undefined ? null : relative(Math.min(timestamp * 1000 - nowMs, -1)),
  ]
}

function row(member: FleetMember, nowMs: number): string[] {
  const { computer, heard_at } = member
  const heard = `${ago(heard_at, nowMs)}${isSilent(member, nowMs) ? ' (silent)' : ''}`
  return [computer, ...cellsOf(member, nowMs), heard].map(cut)
}

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
  const parts = ordered.map(([version, amount]) => `${amount} × ${cut(version)}`)
  return `${count(computers.length, 'computer')}: ${parts.join(', ')}\n`
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
