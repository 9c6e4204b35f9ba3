// Nested types that are overwritten and deleted, told to yjs and to libyata in the same order. What
// is left of such children are runs of collected structs, and which neighbours among them are joined
// depends on everything that a transaction came past: deletions and their order, what was deleted
// before, what was split on the way, even by an update that was known already.
//
// Promised: after each transaction that leaves nothing pending, the state is that of yjs.

import * as Y from 'yjs'
import type { Driver } from './driver.ts'
import { explain, hex, isPending, Mismatch, plainDoc } from './history.ts'
import { type Random, type Steps } from './random.ts'

type Type = Y.AbstractType<any>

const keys = ['a', 'b', 'c']

function types (doc: Y.Doc): Type[] {
  const found: Type[] = [doc.getArray('array'), doc.getMap('map')]
  const visit = (item: Y.Item | null): void => {
    if (item !== null && !item.deleted && item.content instanceof Y.ContentType) {
      found.push(item.content.type)
    }
  }
  for (let i = 0; i < found.length && found.length < 20; i++) {
    for (let item = found[i]._start; item !== null; item = item.right) {
      visit(item)
    }
    found[i]._map.forEach(visit)
  }
  return found
}

function newValue (rnd: Random, depth = 0): unknown {
  const inside = (): unknown[] =>
    Array.from({ length: depth < 3 ? rnd.int(0, 3) : 0 }, () => newValue(rnd, depth + 1))
  return rnd.weighted<() => unknown>([
    [6, () => rnd.int(0, 9)],
    [3, () => new Y.Map(inside().map(v => [rnd.pick(keys), v]))],
    [2, () => Y.Array.from(inside() as any[])],
    [2, () => new Y.Text('abcd'.slice(rnd.int(0, 3)))]
  ])()
}

function edit (rnd: Random, doc: Y.Doc): void {
  const type = rnd.pick(types(doc))
  const more = rnd.chance(0.6)
  if (type instanceof Y.Map) {
    if (more || rnd.chance(0.4)) {
      type.set(rnd.pick(keys), newValue(rnd))
    } else {
      type.delete(rnd.pick(keys))
    }
  } else if (type instanceof Y.Text || type instanceof Y.Array) {
    if (type.length > 0 && !more) {
      const at = rnd.int(0, type.length - 1)
      type.delete(at, rnd.int(1, Math.min(3, type.length - at)))
    } else if (type instanceof Y.Text) {
      type.insert(rnd.int(0, type.length), 'xyz'.slice(rnd.int(0, 2)))
    } else {
      type.insert(rnd.int(0, type.length), Array.from({ length: rnd.int(1, 3) }, () => newValue(rnd)))
    }
  }
}

export async function collectedHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  const log: Uint8Array[] = []
  const clients = Array.from({ length: rnd.int(2, 4) }, (_, i) => ({
    doc: plainDoc({ clientID: i + 1 }), missing: [] as number[]
  }))
  const gc = rnd.chance(0.9)
  const mirror = { doc: plainDoc({ gc, clientID: 99 }), missing: [] as number[] }
  for (const client of clients) {
    client.doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'remote') {
        [...clients, mirror].filter(to => to !== client).forEach(to => to.missing.push(log.length))
        log.push(update)
      }
    })
  }
  const yata = driver.doc({ noGc: !gc })
  const trace = [`A new${gc ? '' : ' no_gc'}`]
  const checks: Array<Promise<Mismatch | null>> = []

  const take = (from: { missing: number[] }): Uint8Array[] =>
    from.missing.splice(0, rnd.int(0, from.missing.length)).map(i => log[i])
  const check = (step: number): void => {
    if (!isPending(mirror.doc)) {
      const state = Y.encodeStateAsUpdate(mirror.doc)
      const lines = trace.length
      checks.push(yata.encodeState().then(got => Buffer.compare(got, state) === 0
        ? null
        : new Mismatch(step, `collected: state${explain(state, got)}`, hex(state), hex(got),
          trace.slice(0, lines))))
    }
  }
  const give = (step: number, updates: Uint8Array[]): void => {
    const whole = updates.length > 1 && rnd.chance(0.5)
    const apply = (update: Uint8Array): void => {
      Y.applyUpdate(mirror.doc, update, 'remote')
      trace.push(`A apply ${hex(update)}`)
      yata.apply(update).catch((why: Error) => {
        checks.push(Promise.resolve(new Mismatch(step, 'collected: refused', 'taken', why.message, trace)))
      })
    }
    if (whole) {
      trace.push('A begin')
      yata.begin()
      mirror.doc.transact(() => { updates.forEach(apply) }, 'remote')
      trace.push('A commit')
      void yata.commit()
      check(step)
    } else {
      updates.forEach(update => { apply(update); check(step) })
    }
  }

  for (let step = rnd.int(5, 60); step > 0; step--) {
    if (!rnd.step()) {
      continue
    }
    const client = rnd.pick(clients)
    rnd.weighted<() => void>([
      [10, () => {
        client.doc.transact(() => {
          for (let n = rnd.chance(0.5) ? 1 : rnd.int(2, 5); n > 0; n--) {
            edit(rnd, client.doc)
          }
        })
      }],
      [4, () => { take(client).forEach(update => { Y.applyUpdate(client.doc, update, 'remote') }) }],
      [5, () => {
        let updates = take(mirror)
        if (rnd.chance(0.2)) {
          updates = rnd.shuffled(updates)
        }
        for (let n = rnd.chance(0.5) ? rnd.int(0, 3) : 0; n > 0 && log.length > 0; n--) {
          updates.splice(rnd.int(0, updates.length), 0, rnd.pick(log))
        }
        give(step, updates.length > 1 && rnd.chance(0.3) ? [Y.mergeUpdates(updates)] : updates)
      }],
      [2, () => {
        const since = rnd.chance(0.5) ? Y.encodeStateVector(mirror.doc) : undefined
        give(step, [Y.encodeStateAsUpdate(client.doc, since)])
      }]
    ])()
  }
  const failure = (await Promise.all(checks)).find(f => f !== null) ?? null
  yata.free()
  return failure
}
