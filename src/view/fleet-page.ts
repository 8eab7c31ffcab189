import compare from 'semver/functions/compare'
import valid from 'semver/functions/valid'
import type { Fleet, FleetMember } from '../fleet/read.ts'
import { cellsOf, countVersions, isHalted, isSilent, isStuck, whatRunsOn } from './fleet.ts'
import { ago, describeCommits } from './text.ts'

/** The fleet as one page that loads nothing: light and dark, readable on a phone. Pure. */
export function fleetPage(fleet: Fleet, nowMs: number): string {
  const { computers, taken_at } = fleet
  const newest = newestByChannel(computers)
  const attention = computers.flatMap((member) => {
    const why = needsAttention(member, newest, nowMs)
    return why ? [{ member, why }] : []
  })
  const halted = computers.filter(isHalted).length
  const silent = computers.filter((member) => isSilent(member, nowMs)).length
  const behind = computers.filter((member) => newerThan(member, newest) !== null).length
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fleet: ${computers.length} computers</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>Fleet</h1>
<p class="when">as of <time datetime="${html(taken_at)}">${html(taken_at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'))}</time></p>
</header>
<main>
<ul class="figures">
${figure(computers.length, 'computers', '')}
${figure(halted, 'halted', halted > 0 ? 'bad' : '')}
${figure(silent, 'silent', silent > 0 ? 'warn' : '')}
${figure(behind, 'behind', '')}
</ul>
${section('Versions', versionBar(computers))}
${section('Needs attention', attention.length === 0 ? '<p class="well">All computers run what their channel offers.</p>' : `<ul class="attention">\n${attention.map(({ member, why }) => attentionItem(member, why)).join('\n')}\n</ul>`)}
${section('All computers', table(computers, nowMs))}
</main>
</body>
</html>
`
}

function section(title: string, content: string): string {
  return `<section>\n<h2>${title}</h2>\n${content}\n</section>`
}

type Why = readonly [kind: 'halted' | 'stuck' | 'silent' | 'behind', text: string]

function needsAttention(member: FleetMember, newest: ReadonlyMap<string, string>, nowMs: number): Why | null {
  const { status, heard_at } = member
  if (isHalted(member))
    return ['halted', `at ${status?.step ?? 'an unknown step'}: ${status?.error ?? 'no reason given'}`]
  if (isStuck(member)) return ['stuck', status?.problem ?? '']
  if (isSilent(member, nowMs)) return ['silent', `last report ${ago(heard_at, nowMs)}`]
  const best = newerThan(member, newest)
  return best === null
    ? null
    : ['behind', `runs ${whatRunsOn(member).version}; others of its channel run ${best}`]
}

/** The newest version that others of the channel run; null: this computer is not behind. */
function newerThan(member: FleetMember, newest: ReadonlyMap<string, string>): string | null {
  const best = newest.get(member.status?.channel ?? '')
  const { version } = whatRunsOn(member)
  return best && version && valid(version) && compare(version, best) < 0 ? best : null
}

function newestByChannel(computers: readonly FleetMember[]): Map<string, string> {
  const newest = new Map<string, string>()
  for (const member of computers) {
    const { version } = whatRunsOn(member)
    const channel = member.status?.channel
    if (!channel || !version || !valid(version)) continue
    const known = newest.get(channel)
    if (known === undefined || compare(version, known) > 0) newest.set(channel, version)
  }
  return newest
}

function figure(amount: number, what: string, kind: string): string {
  return `<li class="${kind}"><b>${amount}</b> ${what}</li>`
}

function attentionItem({ computer, status }: FleetMember, [kind, text]: Why): string {
  const subjects = kind === 'halted' ? describeCommits(status?.commits ?? null) : []
  const commits = subjects.map((subject) => `<br><span class="why">· ${show(subject, 120)}</span>`).join('')
  return `<li><span class="mark ${kind}">${kind}</span> <b>${show(computer)}</b> <span class="why">${show(text, 400)}</span>${commits}</li>`
}

/** From the newest version to the oldest, which share the last shade. */
const SHADES = 6

function versionBar(computers: readonly FleetMember[]): string {
  const ordered = countVersions(computers).toSorted(([a], [b]) => byVersion(b, a))
  const shown = ordered.slice(0, ordered.length > SHADES ? SHADES - 1 : SHADES)
  const rest = ordered.slice(shown.length).reduce((sum, [, count]) => sum + count, 0)
  const parts = rest > 0 ? [...shown, [`${ordered.length - shown.length} others`, rest] as const] : shown
  let x = 0
  const rects = parts.map(([name, count], index) => {
    const width = (count / Math.max(1, computers.length)) * 1000
    const rect = `<rect class="shade${index}" x="${x.toFixed(1)}" y="0" width="${Math.max(0.5, width - 2).toFixed(1)}" height="28" rx="3"><title>${show(name)}: ${count}</title></rect>`
    x += width
    return rect
  })
  const legend = parts.map(
    ([name, count], index) =>
      `<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="shade${index}" width="10" height="10" rx="2"/></svg> <span>${show(name)}</span> <b>${count}</b></li>`,
  )
  return `<svg class="bar" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="${parts.map(([name, count]) => `${show(name)}: ${count}`).join(', ')}">${rects.join('')}</svg>
<ul class="legend">${legend.join('')}</ul>`
}

function byVersion(a: string, b: string): number {
  const [first, second] = [valid(a), valid(b)]
  if (first && second) return compare(first, second)
  return first ? 1 : second ? -1 : a < b ? -1 : 1
}

/** More rows are folded: a browser lays out thousands of them only when the reader opens them. */
const OPEN_ROWS = 200

function table(computers: readonly FleetMember[], nowMs: number): string {
  const rows = computers.map((member) => {
    const { computer, heard_at } = member
    const kind = isHalted(member) || isStuck(member) ? 'bad' : isSilent(member, nowMs) ? 'warn' : ''
    const cells = [...cellsOf(member, nowMs), ago(heard_at, nowMs)].map((cell, column) => {
      const text = show(cell ?? '–')
      return `<td>${column === 2 ? `<code>${text}</code>` : text}</td>`
    })
    return `<tr class="${kind}"><th scope="row">${show(computer)}</th>${cells.join('')}</tr>`
  })
  const heads = ['Computer', 'Channel', 'Runs', 'Commit', 'Target', 'Status', 'Step', 'Since', 'Last report']
  const body = `<div class="scroll"><table><thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table></div>`
  return rows.length <= OPEN_ROWS ? body : `<details><summary>${rows.length} rows</summary>${body}</details>`
}

/** A text of another computer: cut, on one line, escaped. */
function show(text: string, longest = 80): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').replace(/\p{Bidi_Control}/gu, '')
  return html(line.length > longest ? `${line.slice(0, longest - 1)}…` : line)
}

function html(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

const STYLE = `
:root{color-scheme:light dark;--bg:#fbfbf9;--card:#fff;--ink:#1d2327;--soft:#5b6670;--line:#e3e5e2;--bad:#b3372f;--warn:#9a6500;
--s0:#1f6f8b;--s1:#4d93a8;--s2:#7cb3c0;--s3:#a9cdd4;--s4:#c9dcdf;--s5:#b9b9b4}
@media(prefers-color-scheme:dark){:root{--bg:#14181b;--card:#1b2125;--ink:#e6eaec;--soft:#9aa6ae;--line:#2d353a;--bad:#f0857c;--warn:#e0b04f;
--s0:#6fc3dc;--s1:#4f9fb7;--s2:#3c7d91;--s3:#2f606f;--s4:#284954;--s5:#5a5f60}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums}
header,main{max-width:1080px;margin:0 auto;padding:0 20px}
header{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap;padding-top:28px}
h1{font-size:24px;margin:0;letter-spacing:-.01em}
h2{font-size:14px;margin:0 0 10px;color:var(--soft);font-weight:600}
.when{margin:0;color:var(--soft);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:14px 0}
ul{list-style:none;margin:0;padding:0}
.figures{display:flex;flex-wrap:wrap;gap:8px 28px;padding:14px 2px 4px;color:var(--soft)}
.figures b{font-size:26px;color:var(--ink);margin-right:4px;letter-spacing:-.02em}
.figures .bad b{color:var(--bad)}.figures .warn b{color:var(--warn)}
.bar{display:block;width:100%;height:28px}
${[0, 1, 2, 3, 4, 5].map((index) => `.shade${index}{fill:var(--s${index})}`).join('')}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:10px;font-size:13px}
.legend svg{width:10px;height:10px}
.attention li{padding:7px 0;border-top:1px solid var(--line)}
.attention li:first-child{border-top:0;padding-top:0}
.why{color:var(--soft);overflow-wrap:anywhere}
.mark{display:inline-block;min-width:66px;text-align:center;font-size:12px;font-weight:600;border:1px solid currentColor;border-radius:99px;padding:0 8px;margin-right:6px}
.halted,.stuck{color:var(--bad)}.silent{color:var(--warn)}.behind{color:var(--soft)}
.well{margin:0;color:var(--soft)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;white-space:nowrap}
th,td{text-align:left;padding:6px 14px 6px 0;border-top:1px solid var(--line);font-weight:400}
thead th{border-top:0;color:var(--soft);font-weight:600}
tbody th{font-weight:600}
tr.bad td:nth-child(6){color:var(--bad);font-weight:600}tr.warn td:last-child{color:var(--warn);font-weight:600}
summary{cursor:pointer;color:var(--soft)}
@media(max-width:600px){header,main{padding-left:12px;padding-right:12px}section{padding:14px 12px}}
`
