// Does an update cost more in a larger document? Histories of growing length, and of each what one of
// the last 2,000 updates costs: `tail` of the bench programs. The updates are written by hand, since
// no client could make them at this size in reasonable time; each is what yjs would send.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as encoding from 'lib0/encoding'
import { Random } from '../diff/random.ts'
import { compare, type Engine, type Measured } from './engines.ts'
import { type Panel, plot } from './plot.ts'

const none = -1
const letters = 'abcdefghijklmnopqrstuvwxyz'

/** A text of `units` characters whose order is known, and the updates that made it. */
class Author {
  readonly updates: Uint8Array[] = []
  private readonly next: Int32Array // by unit: the one right of it
  private readonly client: Uint32Array // and who wrote it, and at which clock
  private readonly clock: Uint32Array
  private readonly clocks: number[] = []
  private count = 0

  constructor (readonly rnd: Random, most: number) {
    this.next = new Int32Array(most).fill(none)
    this.client = new Uint32Array(most)
    this.clock = new Uint32Array(most)
  }

  any (): number {
    return this.rnd.int(0, this.count - 1)
  }

  /** Writes `text` right of a unit, or as the first; returns its last unit. */
  write (client: number, left: number, text: string): number {
    const right = left === none ? none : this.next[left]
    const clock = this.clocks[client] ?? 0
    this.clocks[client] = clock + text.length
    const encoder = encoding.createEncoder()
    const id = (unit: number): void => {
      encoding.writeVarUint(encoder, this.client[unit] + 1)
      encoding.writeVarUint(encoder, this.clock[unit])
    }
    ;[1, 1, client + 1, clock].forEach(x => { encoding.writeVarUint(encoder, x) })
    encoding.writeUint8(encoder, 4 | (left === none ? 0 : 0x80) | (right === none ? 0 : 0x40))
    if (left !== none) {
      id(left)
    }
    if (right !== none) {
      id(right)
    }
    if (left === none && right === none) {
      encoding.writeVarUint(encoder, 1)
      encoding.writeVarString(encoder, 'text')
    }
    encoding.writeVarString(encoder, text)
    encoding.writeVarUint(encoder, 0)
    this.updates.push(encoding.toUint8Array(encoder))
    const first = this.count
    this.count += text.length
    for (let i = 0; i < text.length; i++) {
      this.client[first + i] = client
      this.clock[first + i] = clock + i
      this.next[first + i] = first + i + 1
    }
    this.next[this.count - 1] = right
    if (left !== none) {
      this.next[left] = first
    }
    return this.count - 1
  }

  letter (): string {
    return letters[this.rnd.int(0, letters.length - 1)]
  }
}

interface Curve { name: string, sizes: number[], unit: string, make: (n: number) => Uint8Array[] }

const thousands = [10_000, 30_000, 100_000, 300_000, 1_000_000]
const bytes = [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
const tail = 2000

function randomly (n: number, clients: number): Uint8Array[] {
  const author = new Author(new Random(1), n + 1)
  author.write(0, none, 'x')
  for (let i = 0; i < n; i++) {
    author.write(i % clients, author.any(), author.letter())
  }
  return author.updates
}

/** A document that was pasted, and then is typed into, at one place or anywhere. */
function pasted (n: number, anywhere: boolean): Uint8Array[] {
  const author = new Author(new Random(1), n + tail)
  const page = Array.from({ length: 1000 }, () => author.letter()).join('')
  let last = none
  for (let i = 0; i < n; i += page.length) {
    last = author.write(0, last, page)
  }
  let at = Math.floor(n / 2)
  for (let i = 0; i < tail; i++) {
    at = author.write(1, anywhere ? author.any() : at, author.letter())
  }
  return author.updates
}

const all: Curve[] = [
  {
    name: 'typing at one place, in the middle',
    sizes: thousands,
    unit: 'updates',
    make: n => {
      const author = new Author(new Random(1), n + 2)
      author.write(0, none, 'xy')
      for (let i = 0, at = 0; i < n; i++) {
        at = author.write(1, at, author.letter())
      }
      return author.updates
    }
  },
  { name: 'one client, random places', sizes: thousands, unit: 'updates', make: n => randomly(n, 1) },
  { name: '1,000 clients, random places', sizes: thousands, unit: 'updates', make: n => randomly(n, 1000) },
  { name: 'typing into a pasted document', sizes: bytes, unit: 'bytes', make: n => pasted(n, false) },
  { name: 'random places of a pasted document', sizes: bytes, unit: 'bytes', make: n => pasted(n, true) }
]

/** A row of a plot: sizes to the right, each a bar of up to 8 eighths, the dearest of all full. */
function bars (values: number[]): string {
  const most = Math.max(...values)
  return values.map(x => '▁▂▃▄▅▆▇█'[Math.max(0, Math.ceil(x / most * 8) - 1)].repeat(3)).join('')
}

/** How often an update at a random place has to wait for memory at least: for the part of an index that
 * knows where its neighbours are, and then for these, at once. */
const waits = 2

/** What the least document would cost if it lay in as much memory as the larger ones: the machine's share. */
function machine (ours: Measured[], waited: Measured[]): number[] {
  const of = (m: Measured): number => m.wait as number
  return ours.map((_, i) => (ours[0].tail as number) + waits * Math.max(0, of(waited[i]) - of(waited[0])))
}

function store (dir: string, { sizes, make }: Curve): string[] {
  return sizes.map(n => {
    const path = join(dir, 'curve-' + n.toString())
    const none = Buffer.from([1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]) // no vector, and an empty update as the merged one
    writeFileSync(path, Buffer.concat([none, ...make(n).flatMap(update => {
      const head = Buffer.alloc(4)
      head.writeUInt32LE(update.length)
      return [head, update]
    })]))
    return path
  })
}

/** Prints for each curve what one of the last updates costs, by size, and the last beside the first;
 * writes a plot of all to `plotted`. */
export function curves (dir: string, engines: Engine[], runs: number, plotted: string): void {
  const native = engines.filter(({ name }) => name === 'yata' || name === 'yrs')
  const panels: Panel[] = []
  console.log(`one of the last ${tail} updates, µs of processor time, medians of ${runs} runs; "memory": what the`)
  console.log(`first one would cost after waiting ${waits} times for memory of the document's size`)
  for (const curve of all) {
    const { name, sizes, unit } = curve
    const seen = compare(native, store(dir, curve), runs, ['--apply'])
    const ours = seen.get('yata') as Measured[]
    const bytes = ours.map(m => (m.memory as number).toString())
    const waited = compare(native.slice(0, 1), bytes, runs, ['--wait']).get('yata') as Measured[]
    const lines = [...seen].map(([engine, measured]) => ({ name: engine, values: measured.map(m => m.tail as number) }))
    if (name.includes('random')) {
      lines.push({ name: 'memory', values: machine(ours, waited) })
    }
    console.log(`${name}; ${unit}:`.padEnd(44) + sizes.map(n => n.toLocaleString('en').padStart(11)).join(''))
    lines.forEach(({ name, values }) => {
      const growth = values[values.length - 1] / values[0]
      console.log(`  ${name.padEnd(8)}${bars(values).padEnd(34)}` +
        values.map(x => x.toFixed(3).padStart(11)).join('') + `   last/first ${growth.toFixed(2)}`)
    })
    console.log('  one wait'.padEnd(44) + waited.map(m => (m.wait as number).toFixed(4).padStart(11)).join(''))
    panels.push({ title: name, unit, sizes, lines })
  }
  writeFileSync(plotted, plot('One of the last 2,000 updates of a document, µs', panels))
  console.log(`plotted in ${plotted}`)
}
