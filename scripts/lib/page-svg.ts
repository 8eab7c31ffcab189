import { escapeXml } from './terminal-svg.ts'

/** Readable on a phone, too; the height of the page of recording.sh's fleet. */
const WIDTH = 700
const HEIGHT = 940

/** Draws a page that telec wrote: its HTML, inside an SVG. */
export function drawPage(title: string, page: string): string {
  const [style = ''] = /(?<=<style>)[\s\S]*(?=<\/style>)/.exec(page) ?? []
  const [body = ''] = /(?<=<body>)[\s\S]*(?=<\/body>)/.exec(page) ?? []
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img">
<title>${escapeXml(title)}</title>
<foreignObject width="${WIDTH}" height="${HEIGHT}">
<body xmlns="http://www.w3.org/1999/xhtml" style="height:100%">
<style>${escapeXml(style)}</style>
${body.replaceAll('<br>', '<br/>').replaceAll('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ').trim()}
</body>
</foreignObject>
</svg>
`
}
