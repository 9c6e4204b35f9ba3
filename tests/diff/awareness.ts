// Awareness, told to y-protocols and to libyata's merge rule.
//
// Promised: a server that keeps (client, clock, present) per client and asks yata_awareness_is_news
// accepts exactly what a y-protocols Awareness accepts; and yata_awareness_merge(a, b) says to a
// fresh Awareness what a and then b would have said.

import { isDeepStrictEqual } from 'node:util'
import * as encoding from 'lib0/encoding'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import type { Driver, Presence } from './driver.ts'
import { hex, Mismatch } from './history.ts'
import { type Random, randomAny, type Steps } from './random.ts'

/** Never used by the random entries: the local client has rules of its own. */
const localClient = 4242

function observer (): Awareness {
  const doc = new Y.Doc()
  doc.clientID = localClient
  const awareness = new Awareness(doc)
  clearInterval((awareness as any)._checkInterval)
  awareness.setLocalState(null)
  return awareness
}

/** What an observer knows: client, clock, state. */
function known (awareness: Awareness): unknown[] {
  return [...awareness.meta].filter(([client]) => client !== localClient)
    .map(([client, meta]) => [client, meta.clock, awareness.states.get(client) ?? null])
    .sort((a, b) => (a[0] as number) - (b[0] as number))
}

function encode (entries: Presence[]): Uint8Array {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, entries.length)
  for (const e of entries) {
    encoding.writeVarUint(encoder, e.client)
    encoding.writeVarUint(encoder, e.clock)
    encoding.writeVarString(encoder, e.state ?? 'null')
  }
  return encoding.toUint8Array(encoder)
}

function randomEntries (rnd: Random): Presence[] {
  return Array.from({ length: rnd.int(0, 4) }, () => ({
    client: rnd.pick([1, 2, 3, 4294967295, Number.MAX_SAFE_INTEGER]),
    clock: rnd.int(0, 4),
    state: rnd.chance(0.3) ? null : JSON.stringify({ user: randomAny(rnd, true) })
  }))
}

export async function awarenessHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  const judge = observer()
  const table = new Map<number, { clock: number, state: string | null }>()
  const fail = (what: string, expected: unknown, got: unknown): Mismatch =>
    new Mismatch(0, `awareness: ${what}`, JSON.stringify(expected), JSON.stringify(got))
  for (let n = rnd.int(2, 8); n > 0; n--) {
    if (!rnd.step()) {
      continue
    }
    const entries = randomEntries(rnd)
    const update = encode(entries)
    const read = await driver.awarenessRead(update)
    if (!isDeepStrictEqual(read, entries)) {
      return fail(`reading ${hex(update)}`, entries, read)
    }
    const written = await driver.awarenessWrite(entries)
    if (Buffer.compare(written, update) !== 0) {
      return fail('writing', hex(update), hex(written))
    }
    applyAwarenessUpdate(judge, update, 'remote')
    for (const e of entries) {
      const before = table.get(e.client)
      const present = before !== undefined && before.state !== null
      if (await driver.awarenessIsNews(before?.clock ?? 0, present, e)) {
        table.set(e.client, { clock: e.clock, state: e.state })
      }
    }
    const accepted = [...table].sort((a, b) => a[0] - b[0])
      .map(([client, e]) => [client, e.clock, e.state === null ? null : JSON.parse(e.state)])
    if (!isDeepStrictEqual(accepted, known(judge))) {
      return fail(`after ${hex(update)}`, known(judge), accepted)
    }

    const other = rnd.chance(0.5)
      ? encode(randomEntries(rnd))
      : encodeAwarenessUpdate(judge, [...judge.meta.keys()])
    const merged = await driver.awarenessMerge(update, other)
    const oneByOne = observer()
    applyAwarenessUpdate(oneByOne, update, 'remote')
    applyAwarenessUpdate(oneByOne, other, 'remote')
    const atOnce = observer()
    applyAwarenessUpdate(atOnce, merged, 'remote')
    if (!isDeepStrictEqual(known(atOnce), known(oneByOne))) {
      return fail(`merging ${hex(update)} and ${hex(other)}`, known(oneByOne), known(atOnce))
    }
    const clients = (await driver.awarenessRead(merged)).map(e => e.client)
    if (new Set(clients).size !== clients.length) {
      return fail(`merging ${hex(update)} and ${hex(other)}`, 'each client once', clients)
    }
  }
  judge.destroy()
  return null
}
