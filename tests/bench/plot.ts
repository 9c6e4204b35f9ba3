// A picture of curves, as SVG: panels side by side, both axes logarithmic, so that what grows as the
// document does is a line upwards, and what does not is level.

export interface Line { name: string, values: number[] }
export interface Panel { title: string, unit: string, sizes: number[], lines: Line[] }

const wide = 330
const high = 250
const edge = { left: 48, right: 16, top: 34, bottom: 44 }
const colours: Record<string, string> = { yata: '#0b6e4f', yrs: '#b5532a', memory: '#7a7a7a' }

/** Where a value lies between two others, by its logarithm, from 0 to 1. */
function between (x: number, low: number, high: number): number {
  return Math.log(x / low) / Math.log(high / low)
}

function text (x: number, y: number, s: string, more = ''): string {
  const safe = s.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${safe}</text>`
}

function short (n: number): string {
  return n >= 1e6 ? `${n / 1e6}M` : n >= 1e3 ? `${n / 1e3}k` : n.toString()
}

function panel ({ title, unit, sizes, lines }: Panel, low: number, top: number): string[] {
  const inner = { x: wide - edge.left - edge.right, y: high - edge.top - edge.bottom }
  const x = (n: number): number => edge.left + inner.x * between(n, sizes[0], sizes[sizes.length - 1])
  const y = (v: number): number => edge.top + inner.y * (1 - between(v, low, top))
  const parts = [text(edge.left, 18, title, 'font-weight="bold"')]
  for (let v = low; v <= top * 1.001; v *= 10) {
    parts.push(`<line x1="${edge.left}" x2="${wide - edge.right}" y1="${y(v).toFixed(1)}" y2="${y(v).toFixed(1)}" stroke="#ddd"/>`)
    parts.push(text(edge.left - 6, y(v) + 4, Number(v.toPrecision(1)).toString(), 'text-anchor="end"'))
  }
  sizes.forEach(n => { parts.push(text(x(n), high - 26, short(n), 'text-anchor="middle"')) })
  parts.push(text(edge.left + inner.x / 2, high - 8, unit, 'text-anchor="middle"'))
  for (const { name, values } of lines) {
    const colour = colours[name] ?? '#444'
    const dashes = name === 'memory' ? ' stroke-dasharray="4 3"' : ''
    const points = values.map((v, i) => `${x(sizes[i]).toFixed(1)},${y(v).toFixed(1)}`).join(' ')
    parts.push(`<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>`)
  }
  return parts
}

export function plot (title: string, panels: Panel[]): string {
  const values = panels.flatMap(({ lines }) => lines.flatMap(({ values }) => values))
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)))
  const top = 10 ** Math.ceil(Math.log10(Math.max(...values)))
  const columns = Math.min(3, panels.length)
  const rows = Math.ceil(panels.length / columns)
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))]
  const head = 30
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columns * wide} ${head + rows * high}" ` +
      'font-family="sans-serif" font-size="12">',
    '<rect width="100%" height="100%" fill="white"/>',
    text(16, 20, title, 'font-size="14"'),
    ...names.map((name, i) => text(columns * wide - 90 * (names.length - i), 20, name,
      `fill="${colours[name] ?? '#444'}" font-weight="bold"`)),
    ...panels.flatMap((p, i) => [
      `<g transform="translate(${i % columns * wide} ${head + Math.floor(i / columns) * high})">`,
      ...panel(p, low, top),
      '</g>'
    ]),
    '</svg>',
    ''
  ].join('\n')
}
