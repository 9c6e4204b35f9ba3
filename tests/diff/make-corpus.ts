// Writes the seeds of the fuzz targets, and the base document that they continue:
//
//   npx tsx diff/make-corpus.ts
//
// fuzz/yata_base.inc and fuzz/corpus/TARGET/*. The output depends on nothing but this file and yjs, so
// a second run changes nothing.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as Y from 'yjs'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { deleteParent, edit, reachable } from './edits.ts'
import { plainDoc } from './history.ts'
import { Random } from './random.ts'
import { handmade } from './handmade.ts'

const fuzz = fileURLToPath(new URL('../../fuzz/', import.meta.url))
const seed = 20
/** Smallest first: a fuzzer grows them by itself. */
const maxSeeds = 60
const clientIDs = [1, 2, 3, Number.MAX_SAFE_INTEGER]

function fill (target: string, files: Map<string, Uint8Array>): void {
  const dir = `${fuzz}corpus/${target}`
  mkdirSync(dir, { recursive: true })
  readdirSync(dir).forEach(name => { rmSync(`${dir}/${name}`) })
  files.forEach((bytes, name) => { writeFileSync(`${dir}/${name}`, bytes) })
  console.log(`${target}: ${files.size} seeds`)
}

function exchange (docs: Y.Doc[]): void {
  const all = Y.mergeUpdates(docs.map(doc => Y.encodeStateAsUpdate(doc)))
  docs.forEach(doc => { Y.applyUpdate(doc, all, 'remote') })
}

function load (state: Uint8Array, clientID: number): Y.Doc {
  const doc = plainDoc()
  Y.applyUpdate(doc, state, 'remote')
  doc.clientID = clientID // only now: yjs gives up an id that it sees others use
  return doc
}

function base (): Uint8Array {
  const rnd = new Random(seed)
  const docs = clientIDs.map(clientID => plainDoc({ clientID }))
  for (let i = 0; i < 48; i++) {
    edit(rnd, docs[i % docs.length])
    if (i % 12 === 11) {
      exchange(docs)
    }
  }
  exchange(docs)
  return Y.encodeStateAsUpdate(docs[0])
}

function updates (state: Uint8Array): Map<string, Uint8Array> {
  const rnd = new Random(seed + 1)
  const files = new Map(handmade().map(({ name, update }) => [`hand-${name}`, update]))
  const log: Uint8Array[] = []
  for (let i = 0; i < 24; i++) {
    // Ids 4 to 7 are new, the others go on where the base document ends.
    const doc = load(state, [...clientIDs, 4, 5, 6, 7][i % 8])
    const emitted: Uint8Array[] = []
    doc.on('update', update => { emitted.push(update) })
    for (let n = 4; n > 0; n--) {
      edit(rnd, doc)
    }
    deleteParent(rnd, doc)
    emitted.slice(0, 2).forEach((update, k) => { files.set(`edit-${i}-${k}`, update) })
    log.push(...emitted)
  }
  files.set('base', state)
  files.set('nothing', Uint8Array.of(0, 0))
  const some = rnd.shuffled(log).filter(update => update.length < 120)
  files.set('merged', Y.mergeUpdates(some.slice(0, 5)))
  files.set('gap', Y.mergeUpdates(some.slice(5, 9)))
  files.set('tail', Y.diffUpdate(state, Y.encodeStateVector(new Map([[1, 5], [2, 3]]))))
  const edits = [...files].filter(([name]) => name.startsWith('edit'))
    .sort((a, b) => a[1].length - b[1].length)
  edits.slice(maxSeeds - (files.size - edits.length)).forEach(([name]) => files.delete(name))
  return files
}

/** In format V2, or null for what yjs cannot read. */
function asV2 (update: Uint8Array): Uint8Array | null {
  try {
    return Y.convertUpdateFormatV1ToV2(update)
  } catch {
    return null
  }
}

function stateVectors (state: Uint8Array): Map<string, Uint8Array> {
  const rnd = new Random(seed + 2)
  const sv = Y.encodeStateVectorFromUpdate(state)
  const files = new Map<string, Uint8Array>([['whole', sv], ['empty', Uint8Array.of(0)]])
  for (let i = 0; i < 8; i++) {
    const some = [...Y.decodeStateVector(sv)].filter(() => rnd.chance(0.7))
      .map(([client, clock]) => [client, rnd.int(0, clock + 2)] as [number, number])
    files.set(`some-${i}`, Y.encodeStateVector(new Map(rnd.shuffled(some))))
  }
  return files
}

function presence (): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>([['nobody', Uint8Array.of(0)]])
  const awareness = clientIDs.map(clientID => {
    const doc = new Y.Doc()
    doc.clientID = clientID
    return new Awareness(doc)
  })
  awareness.forEach((a, i) => {
    a.setLocalState({ user: { name: `writer ${i} 😀`, color: '#fff' }, cursor: i === 0 ? null : i })
    files.set(`one-${i}`, encodeAwarenessUpdate(a, [a.clientID]))
    applyAwarenessUpdate(awareness[0], files.get(`one-${i}`) as Uint8Array, 'remote')
  })
  files.set('all', encodeAwarenessUpdate(awareness[0], [...awareness[0].meta.keys()]))
  awareness[1].setLocalState(null)
  files.set('gone', encodeAwarenessUpdate(awareness[1], [awareness[1].clientID]))
  files.set('two', Buffer.concat([[16], files.get('gone') as Uint8Array, files.get('all') as Uint8Array]
    .map(part => Buffer.from(part as Uint8Array))))
  awareness.forEach(a => { a.destroy() })
  return files
}

/** Documents to be read, each as updates after their lengths: the state as V1, then what came as V2. */
function documents (): Map<string, Uint8Array> {
  const rnd = new Random(seed + 4)
  const files = new Map<string, Uint8Array>()
  for (const edits of [1, 2, 4, 8, 16, 32, 64]) {
    const doc = plainDoc({ clientID: rnd.pick(clientIDs) })
    for (let i = 0; i < edits; i++) {
      edit(rnd, doc)
    }
    const state = Y.encodeStateAsUpdate(doc)
    const sv = Y.encodeStateVector(doc)
    edit(rnd, doc)
    const parts = [state, Y.encodeStateAsUpdateV2(doc, sv)].flatMap(part =>
      [Buffer.from([part.length >> 8, part.length & 255]), Buffer.from(part)])
    files.set(`edits-${edits}`, Buffer.concat(parts))
  }
  return files
}

/** Of the base document. */
function positions (state: Uint8Array): Map<string, Uint8Array> {
  const rnd = new Random(seed + 5)
  const doc = load(state, 9)
  const files = new Map<string, Uint8Array>()
  for (let i = 0; i < 12; i++) {
    const type = rnd.pick(reachable(doc))
    const at = rnd.int(0, (type as Y.Text).length ?? 0)
    files.set(`${i}`, Y.encodeRelativePosition(
      Y.createRelativePositionFromTypeIndex(type, at, rnd.pick([0, -1]))))
  }
  return files
}

/** What a document holds, and what it held before some edits; or another document. */
function pasts (): Map<string, Uint8Array> {
  const rnd = new Random(seed + 6)
  const files = new Map<string, Uint8Array>()
  const put = (name: string, flags: number, past: Uint8Array, now: Uint8Array): void => {
    files.set(name, Buffer.concat([Buffer.of(flags, past.length >> 8, past.length & 255), past, now]))
  }
  let other = Y.encodeStateAsUpdate(plainDoc())
  for (const edits of [1, 2, 4, 8, 16, 32]) {
    const doc = plainDoc({ clientID: rnd.pick(clientIDs) })
    for (let i = 0; i < edits; i++) {
      edit(rnd, doc)
    }
    const [past, past2] = [Y.encodeStateAsUpdate(doc), Y.encodeStateAsUpdateV2(doc)]
    for (let i = 0; i < edits; i++) {
      edit(rnd, doc)
    }
    const now = Y.encodeStateAsUpdate(doc)
    put(`edits-${edits}`, 0, past, now)
    put(`edits-${edits}-v2`, 2, past2, Y.encodeStateAsUpdateV2(doc))
    put(`forth-${edits}`, 1, now, past)
    put(`other-${edits}`, 0, other, now)
    put(`on-base-${edits}`, 12, past, now)
    other = past
  }
  return files
}

const state = base()
const rows = (Buffer.from(state).toString('hex').match(/.{1,32}/g) ?? [])
  .map(row => `    ${(row.match(/../g) ?? []).map(byte => `0x${byte},`).join(' ')}\n`)
writeFileSync(`${fuzz}yata_base.inc`,
  `/* Written by tests/diff/make-corpus.ts. */\n${rows.join('')}`)
console.log(`base: ${state.length} bytes`)
const v1 = updates(state)
fill('yata_update', v1)
fill('yata_update_v2', new Map([...v1].map(([name, update]) => [name, asV2(update)])
  .filter((file): file is [string, Uint8Array] => file[1] !== null)))
fill('yata_state_vector', stateVectors(state))
fill('awareness', presence())
fill('yata_read', documents())
fill('yata_position', positions(state))
fill('yata_revert', pasts())
const rnd = new Random(seed + 3)
fill('yata_replicas', new Map([24, 60, 60, 120, 200, 400, 800]
  .map((n, i) => [`random-${i}`, rnd.bytes(n)])))
