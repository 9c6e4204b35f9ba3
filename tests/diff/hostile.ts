// Updates no Yjs client would write, told to yjs and to libyata in the same order: neighbours that are
// not adjacent, parents that are no types, gaps, overlaps, garbage where items are expected.
//
// Promised: what both accept has the same effect, byte for byte, as long as nothing is pending. (That
// all orders of arrival agree is not promised: for such updates yjs does not keep that either.)
// libyata may be stricter: it refuses what makes yjs throw half-way, and it drops blocks of length
// zero; the first is checked, the second is not generated.

import * as Y from 'yjs'
import type { Driver } from './driver.ts'
import { any, deleted, type Deletion, gc, type Id, json, raw, type Section, skip, type Struct, text, type, update } from './handmade.ts'
import { damaged, explain, hex, isPending, Mismatch, namesARunBackwards, plainDoc } from './history.ts'
import { type Random, randomAny, randomText, type Steps } from './random.ts'

type Place = Pick<Struct, 'origin' | 'right' | 'parent' | 'sub' | 'bits'>

const clientIds = [1, 2, 3, 4294967296, Number.MAX_SAFE_INTEGER]

class Writer {
  readonly doc = plainDoc()

  constructor (private readonly rnd: Random) {}

  private clock (client: number): number {
    return Y.getState(this.doc.store, client)
  }

  private item (): Y.Item | null {
    const items = [...this.doc.store.clients.values()].flat().filter(s => s instanceof Y.Item) as Y.Item[]
    return items.length === 0 ? null : this.rnd.pick(items)
  }

  private idIn (s: Y.Item | Y.GC): Id {
    return [s.id.client, s.id.clock + this.rnd.int(0, s.length - 1)]
  }

  /** An id that is known, or of this very update, or of nobody. */
  private anyId (client: number, clock: number): Id {
    const known = [...this.doc.store.clients.values()].flat() as Array<Y.Item | Y.GC>
    if (known.length > 0 && this.rnd.chance(0.98)) {
      const id = this.idIn(this.rnd.pick(known))
      if (id[0] !== client || id[1] < clock) { // a struct that names its own future is refused
        return id
      }
    }
    return clock > 0 && this.rnd.chance(0.8)
      ? [client, this.rnd.int(0, clock - 1)]
      : [this.rnd.pick(clientIds.filter(c => c !== client)), this.rnd.int(0, 3)]
  }

  private place (client: number, clock: number): Place {
    const { rnd } = this
    const left = this.item()
    return rnd.weighted<() => Place>([
      [3, () => ({ parent: rnd.pick(['text', 'array', 'xml']) })],
      [3, () => ({ parent: 'map', sub: rnd.pick(['a', 'b']) })],
      [2, () => ({ parent: this.anyId(client, clock) })],
      [2, () => ({ parent: this.anyId(client, clock), sub: rnd.pick(['a', 'b']) })],
      [2, () => ({ origin: this.anyId(client, clock), bits: rnd.chance(0.5) ? 0x20 : 0 })],
      [1, () => ({ right: this.anyId(client, clock) })],
      [1, () => ({ origin: this.anyId(client, clock), right: this.anyId(client, clock) })],
      [12, () => { // neighbours in one list, in order, not always adjacent
        if (left === null) {
          return { parent: 'text' }
        }
        if (left.id.client === client && left.id.clock + left.length > clock) {
          return { parent: 'text' }
        }
        let right = left.right
        for (let n = rnd.int(0, 3); n > 0 && right !== null && rnd.chance(0.4); n--) {
          right = right.right
        }
        const origin: Id = right === left.right
          ? [left.id.client, left.id.clock + left.length - 1]
          : this.idIn(left)
        return right === null || (right.id.client === client && right.id.clock >= clock)
          ? { origin }
          : { origin, right: [right.id.client, right.id.clock] }
      }]
    ])()
  }

  private struct (client: number, clock: number): { struct: Struct, length: number } {
    const { rnd } = this
    const at = this.place(client, clock)
    const n = rnd.int(1, 4)
    const with_ = (s: Struct): Struct => ({ ...s, bits: at.bits })
    return rnd.weighted<() => { struct: Struct, length: number }>([
      [8, () => { const s = Buffer.from(randomText(rnd, 4)).toString(); return { struct: with_(text(s, at)), length: s.length } }],
      [4, () => ({ struct: with_(any(Array.from({ length: n }, () => randomAny(rnd)), at)), length: n })],
      [1, () => ({ struct: with_(json(Array.from({ length: n }, (_, i) => `${i}`), at)), length: n })],
      [1, () => ({ struct: with_(deleted(n, at)), length: n })],
      [1, () => ({ struct: gc(n), length: n })],
      [1, () => ({ struct: skip(n), length: n })],
      [4, () => ({ struct: with_(type(rnd.pick([0, 1, 2, 4, 6]), at)), length: 1 })],
      [1, () => ({ struct: with_(type(rnd.pick([3, 5]), at, 'p')), length: 1 })],
      [1, () => ({ struct: with_(raw(3, [1, 255], at)), length: 1 })],
      [1, () => ({ struct: with_(raw(5, [2, 0x7b, 0x7d], at)), length: 1 })],
      [2, () => ({ struct: with_(raw(6, [1, 0x62, 4, ...Buffer.from(rnd.pick(['true', 'null']))], at)), length: 1 })]
    ])()
  }

  private section (client: number): Section {
    const { rnd } = this
    let clock = this.clock(client) + (rnd.chance(0.01) ? 1 : 0)
    const section: Section = { client, clock, structs: [] }
    for (let n = rnd.int(1, 4); n > 0; n--) {
      const { struct, length } = this.struct(client, clock)
      section.structs.push(struct)
      clock += length
    }
    return section
  }

  update (): Uint8Array {
    const { rnd } = this
    const clients = rnd.shuffled(clientIds).slice(0, rnd.weighted([[6, 1], [2, 2], [1, 0]]))
    const deletions: Deletion[] = []
    if (clients.length === 0 || rnd.chance(0.2)) {
      deletions.push({
        client: rnd.pick(clientIds),
        ranges: Array.from({ length: rnd.int(1, 3) }, () => [rnd.int(0, 12), rnd.int(1, 4)])
      })
    }
    return update(clients.sort((a, b) => b - a).map(client => this.section(client)), deletions)
  }
}

function apply (doc: Y.Doc, u: Uint8Array): boolean {
  try {
    Y.applyUpdate(doc, u)
    return true
  } catch {
    return false
  }
}

/** Whether libyata may refuse or change what yjs takes: see table 'decoder' in traps.test.ts. */
function isOdd (u: Uint8Array): boolean {
  try {
    const { structs } = Y.decodeUpdate(u)
    return structs.some(s => s.length === 0 || (s instanceof Y.Item && s.content.constructor.name === 'ContentDoc'))
  } catch {
    return true
  }
}

/** Whether an update says something else of ids that are taken: an id stands for one struct, and what
 * a document makes of two is nobody's promise. Nor is where a struct goes that names a run backwards. */
function contradicts (doc: Y.Doc, u: Uint8Array): boolean {
  return Y.decodeUpdate(u).structs.some(s => s.id.clock < Y.getState(doc.store, s.id.client))
}

/** A state as yjs writes it after reading it: damage can leave numbers in a form that no JavaScript
 * writes, which libyata keeps as they came and yjs does not. */
function rewritten (state: Uint8Array): string {
  const doc = plainDoc()
  Y.applyUpdate(doc, state)
  return hex(Y.encodeStateAsUpdate(doc))
}

export async function hostileHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  const writer = new Writer(rnd)
  const yata = driver.doc()
  const trace: string[] = ['A new']
  const log: Uint8Array[] = []
  let anyHarm = false
  const fail = (step: number, what: string, expected: string, got: string): Mismatch =>
    new Mismatch(step, `hostile: ${what}`, expected, got, trace)
  for (let step = 1; step <= 20; step++) {
    if (!rnd.step()) {
      continue
    }
    // An id stands for one struct: what comes again, or overlaps, comes unchanged.
    let u = log.length > 0 && rnd.chance(0.1)
      ? Y.mergeUpdates([rnd.pick(log), rnd.pick(log)])
      : writer.update()
    const harmed = rnd.chance(0.1)
    if (harmed) {
      u = damaged(rnd, u)
      if (isOdd(u) || contradicts(writer.doc, u)) {
        continue
      }
      anyHarm = true
    }
    if (namesARunBackwards(u)) {
      continue
    }
    log.push(u)
    trace.push(`A apply ${hex(u)}`)
    const before = yata.encodeState()
    const result = yata.apply(u).then(() => null, (why: unknown) => why as Error)
    const after = yata.encodeState()
    const taken = apply(writer.doc, u)
    const why = await result
    if (why !== null && hex(await after) !== hex(await before)) {
      return fail(step, `refused (${why.message}), but not undone`, hex(await before), hex(await after))
    }
    if (!taken) {
      break // yjs threw half-way, and is of no use any more
    }
    if (why !== null) {
      if (!harmed) {
        return fail(step, 'refused what yjs takes', 'taken', why.message)
      }
      break
    }
    if (isPending(writer.doc)) {
      break // the ids of what waits would be given out again
    }
    const state = Y.encodeStateAsUpdate(writer.doc)
    const got = await after
    if (hex(got) !== hex(state) && !(anyHarm && rewritten(got) === rewritten(state))) {
      return fail(step, `state${explain(state, got)}`, hex(state), hex(got))
    }
  }
  yata.free()
  return null
}
