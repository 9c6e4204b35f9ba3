// The table: a block of rows for each history, a column for each engine, and how many times as much as
// libyata each other one takes. Then the goals.

import type { Figures, Measured } from './engines.ts'

export interface Row { label: string, value: (f: Measured, structs: number) => number | undefined, digits: number }

const scaled = (key: keyof Figures, factor: number) => (f: Measured): number | undefined => {
  const x = f[key]
  return x === undefined ? undefined : x * factor
}

/** A heap that did not grow where it was looked at says nothing. */
function memory (bytes: number | undefined, by: number): number | undefined {
  return bytes === undefined || bytes <= 0 ? undefined : bytes / by
}

const short: Row[] = [
  { label: 'apply one update, µs', value: scaled('apply', 1), digits: 3 },
  { label: 'load the state, ms', value: scaled('load', 1e-3), digits: 4 },
  { label: 'encode the state, ms', value: scaled('encode', 1e-3), digits: 4 },
  { label: 'memory, kB', value: f => memory(f.memory, 1000), digits: 1 }
]

const long: Row[] = [
  { label: 'apply one update, µs', value: scaled('apply', 1), digits: 3 },
  { label: 'apply, hand out its update, µs', value: scaled('relay', 1), digits: 3 },
  { label: 'load all updates merged, ms', value: scaled('loadMerged', 1e-3), digits: 3 },
  { label: 'load the state, ms', value: scaled('load', 1e-3), digits: 3 },
  {
    label: 'load the state, ns per struct',
    value: (f, structs) => f.load === undefined ? undefined : f.load * 1000 / structs,
    digits: 0
  },
  { label: 'state vector, µs', value: scaled('vector', 1), digits: 3 },
  { label: 'encode the state, ms', value: scaled('encode', 1e-3), digits: 3 },
  { label: 'difference, 1 % behind, ms', value: scaled('difference', 1e-3), digits: 3 },
  { label: 'merge 1,000 updates, ms', value: scaled('merge', 1e-3), digits: 3 },
  {
    label: 'memory, bytes per struct',
    value: (f, structs) => memory(f.memory, structs),
    digits: 1
  },
  {
    label: 'memory when loaded, per struct',
    value: (f, structs) => memory(f.memoryLoaded, structs),
    digits: 1
  }
]

const width = 11

function line (cells: string[]): string {
  return '  ' + cells[0].padEnd(32) + cells.slice(1).map(cell => cell.padStart(width)).join('')
}

/** One history: what each engine needs, `measured` by engine, libyata first. */
export function block (title: string, measured: Map<string, Measured>, whole: boolean): string[] {
  const yata = measured.get('yata') as Measured
  const peers = [...measured.keys()].slice(1)
  const structs = yata.structs ?? 1
  const head = `${title}: ${yata.updates ?? 0} updates, ${structs} structs, state of ${yata.stateBytes ?? 0} bytes`
  const rows = (whole ? long : short).map(({ label, value, digits }) => {
    const ours = value(yata, structs)
    const theirs = peers.map(name => value(measured.get(name) as Measured, structs))
    const cell = (x: number | undefined): string => x === undefined ? '-' : x.toFixed(digits)
    const times = (x: number | undefined): string =>
      x === undefined || ours === undefined || ours === 0 ? '-' : (x / ours).toFixed(1) + 'x'
    return line([label, cell(ours), ...theirs.map(cell), ...theirs.map(times)])
  })
  return [head, ...rows]
}

export function heading (names: string[]): string {
  return line(['', ...names, ...names.slice(1).map(name => `${name}/yata`)])
}

/** What was aimed at, on one history: met, or by how much missed. Some are of the
 * history of 200,000 operations that are nothing but `typed`. */
export function goals (measured: Map<string, Measured>, typed: boolean): string[] {
  const get = (engine: string, key: keyof Figures): number => measured.get(engine)?.[key] ?? NaN
  const structs = get('yata', 'structs')
  const least = (label: string, x: number, aim: number): [string, number, number, boolean] => [label, x, aim, x >= aim]
  const most = (label: string, x: number, aim: number): [string, number, number, boolean] => [label, x, aim, x <= aim]
  const all = [
    least('yrs: times as long to apply', get('yrs', 'apply') / get('yata', 'apply'), 3),
    least('yjs: times as long to apply', get('yjs', 'apply') / get('yata', 'apply'), 10),
    most('load the state, ns per struct', get('yata', 'load') * 1000 / structs, 100),
    ...(typed
      ? [most('apply one update of typing, µs', get('yata', 'apply'), 0.2),
          most('load the state, ms', get('yata', 'load') / 1000, 4),
          most('encode the state, ms', get('yata', 'encode') / 1000, 0.5)]
      : []),
    most('memory, bytes per struct', get('yata', 'memory') / structs, 64)
  ]
  return all.map(([label, x, aim, met]) =>
    line([label, Number.isNaN(x) ? 'not measured' : x.toFixed(3), `goal ${aim}  `,
      Number.isNaN(x) ? '' : met ? '  met' : `  missed by ${Math.abs(100 * (x / aim - 1)).toFixed(0)} %`]))
}
