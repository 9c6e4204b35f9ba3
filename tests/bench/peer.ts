// What npm yjs or npm ywasm costs on histories of updates: the same measurements as
// bench/yata/bench_yata.c, which says what they are and what a history is.
//
//   node --expose-gc peer.ts yjs|ywasm [--apply] HISTORY...

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as Y from 'yjs'

const enoughUs = 40_000
const repeats = 1000
const encodes = 10
const vectors = 100
const tailLength = 2000
const mergedCount = 1000

/** What both have, by the names of Yjs. */
interface Engine<Doc> {
  open: () => Doc
  told: (heard: (update: Uint8Array) => void) => Doc
  free: (doc: Doc) => void
  apply: (doc: Doc, update: Uint8Array) => void
  state: (doc: Doc, since?: Uint8Array) => Uint8Array
  vector: (doc: Doc) => Uint8Array
  merge?: (updates: Uint8Array[]) => Uint8Array
  used: () => number
}

/** Several collections: what a first one frees (compiled code, for one) lets go of more. */
function heap (): number {
  for (let i = 0; i < 8; i++) {
    (globalThis as { gc?: () => void }).gc?.()
  }
  return process.memoryUsage().heapUsed
}

const yjs: Engine<Y.Doc> = {
  open: () => new Y.Doc(),
  told: heard => {
    const doc = new Y.Doc()
    doc.on('update', heard)
    return doc
  },
  free: () => {},
  apply: (doc, update) => { Y.applyUpdate(doc, update) },
  state: Y.encodeStateAsUpdate,
  vector: Y.encodeStateVector,
  merge: Y.mergeUpdates,
  used: heap
}

function ywasm (): Engine<{ free: () => void }> {
  interface Doc { free: () => void, onUpdate: (heard: (update: Uint8Array) => void) => void }
  const W = createRequire(import.meta.url)('ywasm') as {
    YDoc: new () => Doc
    applyUpdate: (doc: unknown, update: Uint8Array, origin: unknown) => void
    encodeStateAsUpdate: (doc: unknown, since?: Uint8Array) => Uint8Array
    encodeStateVector: (doc: unknown) => Uint8Array
    __wasm: { memory: { buffer: ArrayBuffer } }
  }
  return {
    open: () => new W.YDoc(),
    told: heard => {
      const doc = new W.YDoc()
      doc.onUpdate(heard)
      return doc
    },
    free: doc => { doc.free() },
    apply: (doc, update) => { W.applyUpdate(doc, update, 'remote') },
    state: W.encodeStateAsUpdate,
    vector: W.encodeStateVector,
    // Pages are never given back: what is seen is by how much they had to grow.
    used: () => W.__wasm.memory.buffer.byteLength
  }
}

function read (path: string): { behind: Uint8Array, merged: Uint8Array, updates: Uint8Array[] } {
  const file = readFileSync(path)
  const records: Uint8Array[] = []
  for (let at = 0; at < file.length;) {
    const n = file.readUInt32LE(at)
    // views of one buffer: small arrays of their own would leave the heap while it is measured
    records.push(new Uint8Array(file.buffer, file.byteOffset + at + 4, n))
    at += 4 + n
  }
  return { behind: records[0], merged: records[1], updates: records.slice(2) }
}

function nowUs (): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function fnv1a (bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return hash
}

function measureAll<Doc> (engine: Engine<Doc>, path: string, onlyApply: boolean): Record<string, number> {
  const { behind, merged, updates } = read(path)
  const measure = (body: () => Doc | undefined): number => {
    let spent = 0
    let n = 0
    do {
      const start = nowUs()
      const made = body()
      spent += nowUs() - start
      if (made !== undefined) {
        engine.free(made)
      }
      n++
    } while (spent < enoughUs && n < repeats)
    return spent / n
  }
  const times = (n: number, body: () => void): undefined => {
    for (let i = 0; i < n; i++) {
      body()
    }
  }
  let tail = Infinity
  const applyAll = (doc: Doc): Doc => {
    const from = Math.max(0, updates.length - tailLength)
    let start = 0
    updates.forEach((update, i) => {
      start = i === from ? nowUs() : start
      engine.apply(doc, update)
    })
    tail = Math.min(tail, (nowUs() - start) / (updates.length - from))
    return doc
  }
  const load = (update: Uint8Array): Doc => {
    const doc = engine.open()
    engine.apply(doc, update)
    return doc
  }
  const before = engine.used()
  const doc = applyAll(engine.open())
  const memory = engine.used() - before
  const apply = measure(() => applyAll(engine.open())) / updates.length
  if (onlyApply) {
    return { updates: updates.length, apply, tail }
  }
  const state = engine.state(doc)
  const { merge } = engine
  return {
    updates: updates.length,
    apply,
    tail,
    memory,
    stateBytes: state.length,
    stateHash: fnv1a(state),
    vectorBytes: engine.vector(doc).length,
    relay: measure(() => applyAll(engine.told(() => {}))) / updates.length,
    loadMerged: measure(() => load(merged)),
    load: measure(() => load(state)),
    encode: measure(() => times(encodes, () => { engine.state(doc) })) / encodes,
    difference: measure(() => times(encodes, () => { engine.state(doc, behind) })) / encodes,
    vector: measure(() => times(vectors, () => { engine.vector(doc) })) / vectors,
    ...merge === undefined
      ? {}
      : { merge: measure(() => { merge(updates.slice(-mergedCount)); return undefined }) }
  }
}

const [name, ...rest] = process.argv.slice(2)
const onlyApply = rest[0] === '--apply'
for (const path of onlyApply ? rest.slice(1) : rest) {
  const figures = name === 'yjs'
    ? measureAll(yjs, path, onlyApply)
    : measureAll(ywasm(), path, onlyApply)
  console.log(JSON.stringify(figures))
}
