// Histories with withheld updates, told to documents that keep gaps as holes (libyata without
// `strict`, as yjs 14 does). npm yjs 13.6 lets what lies behind a gap wait, so while there is one the
// two differ; whatever happens meanwhile, promised is:
//
//   - once everything has arrived, state, state vector and snapshot are those of yjs;
//   - a state with holes, and then the updates that were missing, make of any yjs document, and of any
//     document of libyata, the same as if it had heard everything;
//   - what the transactions said, told to another, makes the same document;
//   - a state loads into an empty document and is the same there;
//   - the state vector names the first clock that is missing;
//   - it makes no difference whether a document was frozen in between;
//   - what was delivered and does not wait is known.

import * as Y from 'yjs'
import type { Driver, Format, YataDoc } from './driver.ts'
import { deleteParent, edit } from './edits.ts'
import { explain, hex, isPending, Mismatch, plainDoc, sameButCuts, sameButRuns } from './history.ts'
import { type Random, type Steps } from './random.ts'

interface Telling { fail: (what: string, expected: string, got: string) => never, trace: string[] }

/** The state as a yjs document writes it that got it in one piece: joined as far as can be. */
function joined (state: Uint8Array): Uint8Array {
  const doc = plainDoc({ gc: false })
  Y.applyUpdate(doc, state)
  const again = Y.encodeStateAsUpdate(doc)
  doc.destroy()
  return again
}

/** Whether two states say the same: what yjs joins, and which pairs it cuts, goes by order of arrival. */
function sameStates (a: Uint8Array, b: Uint8Array): boolean {
  return [[a, b], [joined(a), joined(b)]].some(([x, y]) =>
    Buffer.compare(x, y) === 0 || sameButRuns(x, y) || sameButCuts(x, y))
}

function compare (t: Telling, what: string, expected: Uint8Array, got: Uint8Array): void {
  if (!sameStates(expected, got)) {
    t.fail(`${what}${explain(expected, got)}`, hex(expected), hex(got))
  }
}

/** For each client the first clock that none of the updates has. */
function firstMissing (updates: Uint8Array[]): Map<number, number> {
  const all = new Map<number, Array<[number, number]>>()
  for (const u of updates) {
    for (const s of Y.decodeUpdate(u).structs) {
      if (s.constructor.name !== 'Skip') {
        all.set(s.id.client, [...all.get(s.id.client) ?? [], [s.id.clock, s.id.clock + s.length]])
      }
    }
  }
  return new Map([...all].map(([client, ranges]) =>
    [client, ranges.sort((a, b) => a[0] - b[0]).reduce((clock, [from, to]) => from <= clock ? Math.max(clock, to) : clock, 0)]))
}

/** What clients write, in the order in which it was written. */
function write (rnd: Steps): { log: Uint8Array[], docs: Y.Doc[] } {
  const log: Uint8Array[] = []
  const docs = Array.from({ length: rnd.int(2, 4) }, (_, i) => plainDoc({ clientID: rnd.chance(0.3) ? 2 ** 52 + i : i + 1 }))
  for (const doc of docs) {
    doc.on('update', (update, origin) => {
      if (origin !== 'remote') {
        log.push(update)
      }
    })
  }
  for (let n = rnd.int(5, 40); n > 0; n--) {
    if (!rnd.step()) {
      continue
    }
    const doc = rnd.pick(docs)
    doc.transact(() => {
      for (let k = rnd.int(1, 3); k > 0; k--) {
        edit(rnd, doc)
      }
      if (rnd.chance(0.1)) {
        deleteParent(rnd, doc)
      }
    })
    if (rnd.chance(0.4)) {
      const other = rnd.pick(docs)
      Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)), 'remote')
    }
  }
  return { log, docs }
}

async function check (t: Telling, driver: Driver, doc: YataDoc, held: Uint8Array[], left: Uint8Array[],
  full: Y.Doc): Promise<void> {
  const state = await doc.encodeState()
  const stats = await doc.stats()
  const missing = firstMissing(held)
  for (const { client, clock } of await doc.clocks()) {
    const first = missing.get(client) ?? 0
    if (stats.pendingBytes > 0 ? clock > first : clock !== first) {
      t.fail(`state vector of ${client}`, String(first), String(clock))
    }
  }
  const copy = driver.doc({ holes: true, noGc: !full.gc })
  await copy.apply(state)
  if (stats.pendingBytes === 0) {
    compare(t, 'a loaded state', state, await copy.encodeState())
    for (const u of held) {
      if (!await doc.isKnown(1, u)) {
        t.fail('delivered, and not known', 'known', hex(u))
      }
    }
  }
  const fresh = plainDoc({ gc: full.gc })
  Y.applyUpdate(fresh, state)
  for (const u of left) {
    Y.applyUpdate(fresh, u)
    await copy.apply(u)
  }
  if (!isPending(fresh)) { // yjs may forget to look again at what waits
    compare(t, 'yjs with a state that has holes, and the rest', Y.encodeStateAsUpdate(full), Y.encodeStateAsUpdate(fresh))
  }
  compare(t, 'libyata with the same', Y.encodeStateAsUpdate(full), await copy.encodeState())
  copy.free()
}

async function give (t: Telling, rnd: Random, doc: YataDoc, listener: YataDoc,
  updates: Uint8Array[]): Promise<void> {
  const format: Format = rnd.chance(0.3) ? 2 : 1
  t.trace.push('A begin')
  doc.begin()
  for (const u of rnd.chance(0.3) ? [Y.mergeUpdates(updates)] : updates) {
    t.trace.push(`A apply ${hex(u)}`)
    await (rnd.chance(0.3) ? doc.applyAs(2, Y.convertUpdateFormatV1ToV2(u)) : doc.apply(u))
  }
  t.trace.push('A commit')
  const told = await doc.commitAs(format)
  if (told.length > 0) {
    await listener.applyAs(format, told)
  }
  const stats = await doc.stats()
  if (stats.pendingBytes === 0) {
    compare(t, 'one that was told every change', await doc.encodeState(), await listener.encodeState())
  }
}

async function tell (rnd: Steps, driver: Driver, t: Telling): Promise<void> {
  const { log, docs } = write(rnd)
  rnd.last()
  const gc = rnd.chance(0.8)
  t.trace.push(`A new holes${gc ? '' : ' no_gc'}`)
  const [doc, listener] = [driver.doc({ holes: true, noGc: !gc }), driver.doc({ holes: true, noGc: !gc })]
  const full = plainDoc({ gc })
  const order = rnd.chance(0.5) ? rnd.shuffled(log) : log.slice()
  log.forEach(u => { Y.applyUpdate(full, u) }) // in order: nothing waits
  const held: Uint8Array[] = []
  let left = order
  while (left.length > 0) {
    if (!rnd.step()) {
      continue
    }
    const share = rnd.pick([0.1, 0.3, 0.7])
    const chosen = left.filter(() => rnd.chance(share))
    if (chosen.length === 0) {
      continue
    }
    left = left.filter(u => !chosen.includes(u))
    held.push(...chosen)
    if (rnd.chance(0.2)) {
      chosen.push(rnd.pick(held))
    }
    await give(t, rnd, doc, listener, chosen)
    if (rnd.chance(0.5)) {
      await check(t, driver, doc, held, left, full)
    }
    if (rnd.chance(0.3)) {
      t.trace.push('A freeze')
      await doc.freeze()
    }
  }
  const state = Y.encodeStateAsUpdate(full)
  compare(t, 'state', state, await doc.encodeState())
  if (hex(await doc.stateVector()) !== hex(Y.encodeStateVector(full))) {
    t.fail('state vector', hex(Y.encodeStateVector(full)), hex(await doc.stateVector()))
  }
  if (hex(await doc.snapshot()) !== hex(Y.encodeSnapshot(Y.snapshot(full)))) {
    t.fail('snapshot', hex(Y.encodeSnapshot(Y.snapshot(full))), hex(await doc.snapshot()))
  }
  compare(t, 'what a listener has at the end', state, await listener.encodeState())
  doc.free()
  listener.free()
  docs.concat(full).forEach(d => { d.destroy() })
}

export async function holesHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  const trace: string[] = []
  const fail = (what: string, expected: string, got: string): never => {
    throw new Mismatch(0, `holes: ${what}`, expected, got, trace.slice())
  }
  try {
    await tell(rnd, driver, { fail, trace })
    return null
  } catch (why) {
    return why instanceof Mismatch
      ? why
      : new Mismatch(0, 'holes: threw', 'no error', String((why as Error).stack), trace)
  }
}
