// libyata beside native yrs, npm ywasm and npm yjs, in turns in one session; prints medians and ratios.
//
//   npx tsx bench/run.ts [--runs N] [--n N] [--operations N] [--trace DIR|FILE] [--only RE]
//                        [--peers yrs,ywasm,yjs] [--curves] [--plot FILE] [--json]
//
// bench/yata/run builds the programs and calls this. Histories are made here, from a seed; --trace adds
// recorded sessions of josephg/editing-traces. What is measured, and what that does not show:
// bench_yata.c. --curves: what an update costs in documents of growing size, see curves.ts; also as a
// picture, in build/bench/curves.svg or where --plot says.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { curves } from './curves.ts'
import { compare, engines, type Measured } from './engines.ts'
import { file, type Recorded, trace, typing } from './histories.ts'
import { scenarios } from './scenarios.ts'
import { block, goals, heading } from './table.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const options = parseArgs({
  options: {
    bench: { type: 'string', default: here('../../build/release/bench/yata/bench_yata') },
    yrs: { type: 'string' },
    n: { type: 'string', default: '6000' },
    operations: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'string' },
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: '' },
    curves: { type: 'boolean', default: false },
    plot: { type: 'string', default: here('../../build/bench/curves.svg') },
    json: { type: 'boolean', default: false }
  }
}).values

interface History { name: string, make: () => Recorded, whole: boolean }

function histories (): History[] {
  const seed = Number(options.seed)
  const n = Number(options.n)
  const operations = Number(options.operations)
  const small = scenarios.map(({ name, make }) =>
    ({ name: name.replace('N', n.toString()), make: () => make(n, seed), whole: name.startsWith('B4') }))
  const server = { name: `typing, four writers in turns`, make: () => typing(operations, seed), whole: true }
  const recorded = (options.trace === undefined
    ? []
    : statSync(options.trace).isDirectory()
      ? readdirSync(options.trace).filter(x => x.endsWith('.json.gz')).sort().map(x => join(options.trace as string, x))
      : [options.trace])
    .map(path => ({ name: `trace ${basename(path, '.json.gz')}`, make: () => trace(path), whole: true }))
  const wanted = new RegExp(options.only)
  return [...small, server, ...recorded].filter(({ name }) => wanted.test(name))
}

/** All must have come to the same: the same bytes as npm yjs, as many entries and clocks as the others. */
function check (title: string, measured: Map<string, Measured>): void {
  const yata = measured.get('yata') as Measured
  const yjs = measured.get('yjs')
  if (yjs !== undefined && yjs.stateHash !== yata.stateHash) {
    throw new Error(`${title}: libyata and yjs have different states`)
  }
  measured.forEach(({ vectorBytes }, name) => {
    if (vectorBytes !== yata.vectorBytes) {
      throw new Error(`${title}: libyata and ${name} have different state vectors`)
    }
  })
}

const dir = mkdtempSync(join(tmpdir(), 'bench-yata-'))
try {
  const all = engines(options.bench, options.yrs, options.peers === '' ? [] : options.peers.split(','))
  if (options.curves) {
    mkdirSync(dirname(options.plot), { recursive: true })
    curves(dir, all, Number(options.runs), options.plot)
  } else {
    const measuredOn = histories().map(({ name, make, whole }, i) => {
      const path = join(dir, i.toString())
      writeFileSync(path, file(make()))
      return { name, whole, path }
    })
    const figures = compare(all, measuredOn.map(({ path }) => path), Number(options.runs))
    const of = (i: number): Map<string, Measured> =>
      new Map([...figures].map(([name, measured]) => [name, measured[i]]))
    measuredOn.forEach(({ name }, i) => { check(name, of(i)) })
    console.log(`medians of ${options.runs} runs, processor time`)
    console.log(heading(all.map(({ name }) => name)))
    measuredOn.forEach(({ name, whole }, i) => {
      console.log(options.json ? JSON.stringify({ name, ...Object.fromEntries(of(i)) }) : block(name, of(i), whole).join('\n'))
    })
    measuredOn.forEach(({ name, whole }, i) => {
      if (whole) {
        console.log([`goals, ${name}:`, ...goals(of(i), name.startsWith('typing'))].join('\n'))
      }
    })
  }
} finally {
  rmSync(dir, { recursive: true })
}
