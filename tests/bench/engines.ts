// The programs that are measured: each takes files of histories and prints a line of figures for each.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface Figures {
  updates: number, apply: number, tail: number, relay: number
  loadMerged: number, load: number, encode: number, difference: number, vector: number, merge: number
  memory: number, memoryLoaded: number, structs: number
  stateBytes: number, stateHash: number, vectorBytes: number
  wait: number // the machine: an access to memory, µs
}

export type Measured = Partial<Figures>

export interface Engine { name: string, measure: (files: string[], flags: string[]) => Measured[] }

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

function lines (command: string, args: string[]): Measured[] {
  const output = execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'inherit'] })
  return output.trim().split('\n').map(line => JSON.parse(line) as Measured)
}

function program (name: string, path: string): Engine {
  return { name, measure: (files, flags) => lines(path, [...flags, ...files]) }
}

function node (name: string): Engine {
  return {
    name,
    measure: (files, flags) => lines(process.execPath,
      [...process.execArgv, '--expose-gc', here('peer.ts'), name, ...flags, ...files])
  }
}

/** Those that are there, libyata first; says which are not, and why. */
export function engines (bench: string, yrs: string | undefined, wanted: string[]): Engine[] {
  const all: Engine[] = [program('yata', bench)]
  if (yrs !== undefined && existsSync(yrs)) {
    all.push(program('yrs', yrs))
  } else {
    console.log('yrs: not available (built by bench/yata/run where cargo and its crate are to be had)')
  }
  try {
    createRequire(import.meta.url).resolve('ywasm')
    all.push(node('ywasm'))
  } catch {
    console.log('ywasm: not available (its npm package is not installed)')
  }
  all.push(node('yjs'))
  return all.filter(({ name }) => name === 'yata' || wanted.length === 0 || wanted.includes(name))
}

export function median (all: number[]): number {
  const sorted = all.slice().sort((a, b) => a - b)
  return sorted[sorted.length >> 1]
}

/** Runs all engines in turns, on all files; the medians by engine and file. */
export function compare (all: Engine[], files: string[], runs: number, flags: string[] = []): Map<string, Measured[]> {
  const seen = new Map<string, Measured[][]>(all.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    all.forEach((_, i) => {
      const engine = all[(i + run) % all.length]
      seen.get(engine.name)?.push(engine.measure(files, flags))
      console.error(`run ${run + 1} of ${runs}: ${engine.name} done`)
    })
  }
  return new Map([...seen].map(([name, measured]) => [name, files.map((_, i) => {
    const keys = Object.keys(measured[0][i]) as Array<keyof Figures>
    return Object.fromEntries(keys.map(key => [key, median(measured.map(m => m[i][key] as number))])) as Measured
  })]))
}
