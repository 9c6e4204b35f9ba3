// What npm yjs costs on one history of updates: bench/yata/bench_yata.c says what is measured.
// Run with --expose-gc; prints one JSON object.

import { readFileSync } from 'node:fs'
import * as Y from 'yjs'

const encodes = 50
const loads = 5

const file = readFileSync(process.argv[2])
const updates: Uint8Array[] = []
for (let at = 0; at < file.length;) {
  const n = file.readUInt32LE(at)
  // views of one buffer: small arrays of their own would leave the heap while it is measured
  updates.push(new Uint8Array(file.buffer, file.byteOffset + at + 4, n))
  at += 4 + n
}
const merged = updates.pop() as Uint8Array

/** Several collections: what a first one frees (compiled code, for one) lets go of more. */
function heap (): number {
  for (let i = 0; i < 8; i++) {
    (globalThis as { gc?: () => void }).gc?.()
  }
  return process.memoryUsage().heapUsed
}

function time (times: number, body: () => void): number {
  const start = performance.now()
  for (let i = 0; i < times; i++) {
    body()
  }
  return (performance.now() - start) / times
}

function applyAll (doc: Y.Doc): number {
  return time(1, () => { updates.forEach(update => { Y.applyUpdate(doc, update) }) })
}

function load (update: Uint8Array): number {
  return time(loads, () => { Y.applyUpdate(new Y.Doc(), update) })
}

const before = heap()
const doc = new Y.Doc()
const apply = applyAll(doc)
const memoryBytes = heap() - before
const told = new Y.Doc()
let bytes = 0
told.on('update', update => { bytes += update.length })
const relay = applyAll(told)
let state = new Uint8Array(0)
const encode = time(encodes, () => { state = Y.encodeStateAsUpdate(doc) as Uint8Array<ArrayBuffer> })
const stateVector = time(encodes, () => { Y.encodeStateVector(doc) })
let structs = 0
doc.store.clients.forEach(list => { structs += list.length })
let stateHash = 0x811c9dc5
for (const byte of state) {
  stateHash = Math.imul(stateHash ^ byte, 0x01000193) >>> 0
}
console.log(JSON.stringify({
  updates: updates.length,
  apply,
  relay,
  encode,
  stateVector,
  loadMerged: load(merged),
  loadState: load(state),
  stateBytes: state.length,
  stateHash,
  structs,
  memoryBytes
}))
