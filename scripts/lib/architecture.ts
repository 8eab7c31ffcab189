import { escapeXml } from './terminal-svg.ts'

interface Box {
  readonly x: number
  readonly y: number
  readonly name: string
  readonly lines: readonly string[]
  readonly kind: 'ours' | 'theirs'
}

interface Arrow {
  readonly points: readonly (readonly [number, number])[]
  readonly label: string
  readonly at: readonly [number, number]
}

const WIDTH = 190
const HEIGHT = 78

const BOXES: readonly Box[] = [
  { x: 20, y: 30, name: 'git remote', lines: ['main, and tags', 'such as v1.2.3'], kind: 'theirs' },
  { x: 20, y: 200, name: 'you, or CI', lines: ['git push', 'a tag is a release'], kind: 'theirs' },
  { x: 305, y: 30, name: 'telec-watch', lines: ['one poll: what does the', 'channel say?'], kind: 'ours' },
  { x: 305, y: 200, name: 'timer', lines: ['of systemd or launchd,', 'about every minute'], kind: 'theirs' },
  {
    x: 590,
    y: 30,
    name: 'telec-update',
    lines: ['fetch, verify, checkout,', 'migrate, install'],
    kind: 'ours',
  },
  {
    x: 590,
    y: 200,
    name: 'the service',
    lines: ['its manager starts it', 'again: the new code'],
    kind: 'theirs',
  },
]

const ARROWS: readonly Arrow[] = [
  {
    points: [
      [115, 200],
      [115, 112],
    ],
    label: 'push',
    at: [124, 160],
  },
  {
    points: [
      [305, 69],
      [214, 69],
    ],
    label: 'asks',
    at: [246, 60],
  },
  {
    points: [
      [400, 200],
      [400, 112],
    ],
    label: 'starts',
    at: [409, 160],
  },
  {
    points: [
      [495, 69],
      [586, 69],
    ],
    label: 'signal file',
    at: [504, 60],
  },
  {
    points: [
      [685, 108],
      [685, 196],
    ],
    label: 'SIGTERM; it exits with 42',
    at: [694, 158],
  },
]

/** The road of a push, left to right. The parts of telec are filled. */
export function drawArchitecture(): string {
  const boxes = BOXES.map(({ x, y, name, lines, kind }) => {
    const texts = lines.map(
      (line, i) => `<text x="${x + 14}" y="${y + 46 + i * 17}">${escapeXml(line)}</text>`,
    )
    return `<g class="${kind}"><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="8"/><text class="name" x="${x + 14}" y="${y + 26}">${escapeXml(name)}</text>${texts.join('')}</g>`
  })
  const arrows = ARROWS.map(
    ({ points, label, at: [x, y] }) =>
      `<polyline points="${points.map((point) => point.join(',')).join(' ')}" marker-end="url(#head)"/><text x="${x}" y="${y}">${escapeXml(label)}</text>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 310" width="880" role="img">
<title>How a push reaches a computer</title>
<style>
text { font: 13px system-ui, sans-serif; fill: #57606a } .name { font-weight: 600; font-size: 14px; fill: #1f2328 }
rect { fill: none; stroke: #8c959f } .ours rect { fill: #ddf4ff; stroke: #0969da }
polyline { fill: none; stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .name { fill: #f0f6fc } .ours rect { fill: #121d2f; stroke: #4493f8 } polyline { stroke: #9198a1 }
}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="#8c959f"/></marker></defs>
${[...boxes, ...arrows].join('\n')}
<text x="20" y="300">Filled: telec, two programs that start, work and end. All else is there already.</text>
</svg>
`
}
