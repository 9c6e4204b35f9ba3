// libyata beside npm yjs on the same history, run alternately in one go; prints medians and ratios.
//
//   npx tsx bench/run.ts [--bench PATH] [--operations N] [--runs N] [--trace FILE.json.gz] [--json]
//
// The bench program is built by the release preset (bench_yata). The default history is made here; a
// trace is a recorded session of josephg/editing-traces. What it does not show: bench_yata.c.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { merged, trace, typing } from './histories.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const options = parseArgs({
  options: {
    bench: { type: 'string', default: here('../../build/release/bench/yata/bench_yata') },
    operations: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '5' },
    trace: { type: 'string' },
    json: { type: 'boolean', default: false }
  }
}).values

interface Figures {
  updates: number, apply: number, relay: number, encode: number, stateVector: number
  loadMerged: number, loadState: number, stateBytes: number, stateHash: number, structs: number, memoryBytes: number
}

function median (all: number[]): number {
  const sorted = all.slice().sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

function medians (runs: Figures[]): Figures {
  const keys = Object.keys(runs[0]) as Array<keyof Figures>
  return Object.fromEntries(keys.map(key => [key, median(runs.map(r => r[key]))])) as unknown as Figures
}

const recorded = options.trace === undefined
  ? typing(Number(options.operations))
  : trace(options.trace)
const all = merged(recorded.updates)
const parts = [...recorded.updates, all].flatMap(update => {
  const head = Buffer.alloc(4)
  head.writeUInt32LE(update.length)
  return [head, update]
})
const dir = mkdtempSync(join(tmpdir(), 'bench-yata-'))
const file = join(dir, 'history')
writeFileSync(file, Buffer.concat(parts))
console.log(`${recorded.updates.length} updates, merged ${all.length} bytes, text of ${recorded.text.length} units`)

const yata: Figures[] = []
const yjs: Figures[] = []
for (let run = 0; run < Number(options.runs); run++) {
  yata.push(JSON.parse(execFileSync(options.bench, [file], { encoding: 'utf8' })) as Figures)
  yjs.push(JSON.parse(execFileSync(process.execPath,
    [...process.execArgv, '--expose-gc', here('yjs.ts'), file], { encoding: 'utf8' })) as Figures)
}
rmSync(dir, { recursive: true })

const a = medians(yata)
const b = medians(yjs)
if (a.stateHash !== b.stateHash) {
  throw new Error(`the states differ: ${a.stateBytes} and ${b.stateBytes} bytes`)
}
const rows: Array<[string, number, number, number]> = [
  ['apply one update, µs', a.apply * 1000 / a.updates, b.apply * 1000 / b.updates, 3],
  ['apply and hand out its update, µs', a.relay * 1000 / a.updates, b.relay * 1000 / b.updates, 3],
  ['load of all updates merged, ms', a.loadMerged, b.loadMerged, 2],
  ['load of the state, ms', a.loadState, b.loadState, 3],
  ['encode the state, ms', a.encode, b.encode, 3],
  ['state vector, µs', a.stateVector * 1000, b.stateVector * 1000, 3],
  ['memory, bytes', a.memoryBytes, b.memoryBytes, 0],
  ['structs', a.structs, b.structs, 0],
  ['memory per struct, bytes', a.memoryBytes / a.structs, b.memoryBytes / b.structs, 1]
]
if (options.json) {
  console.log(JSON.stringify({ history: options.trace ?? `typing ${options.operations}`, yata: a, yjs: b }))
} else {
  console.log(`${'median of ' + options.runs + ' runs'}`.padEnd(36), 'libyata'.padStart(14), 'npm yjs'.padStart(14), 'yjs/yata'.padStart(10))
  for (const [name, ours, theirs, digits] of rows) {
    console.log(name.padEnd(36), ours.toFixed(digits).padStart(14), theirs.toFixed(digits).padStart(14),
      (theirs / ours).toFixed(2).padStart(10))
  }
  console.log(`libyata applies ${(a.updates / a.apply * 1000).toFixed(0)} updates per second`)
}
