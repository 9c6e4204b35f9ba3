// Reading: what libyata shows of a document is what yjs shows of it.
//
// A few clients edit; a server hears them. Now and then the server's state is loaded into a fresh yjs
// document and a fresh libyata document, so that both met the same structs in the same order, and
// everything that can be read is compared as text: JSON with the order of its keys, markup, deltas,
// lists, maps and places by the cursors, relative positions.

import { inspect } from 'node:util'
import * as Y from 'yjs'
import { type Driver, Writer, type YataDoc } from './driver.ts'
import { deleteParent, edit, reachable, rootNames, roots } from './edits.ts'
import { hex, Mismatch, plainDoc } from './history.ts'
import { type Steps } from './random.ts'

type Type = Y.AbstractType<any>

const kinds: Array<new (...args: any[]) => Type> = [Y.Array, Y.Map, Y.Text, Y.XmlElement, Y.XmlFragment, Y.XmlHook,
  Y.XmlText]

export function kindOf (type: Type): number {
  return kinds.findIndex(kind => type.constructor === kind)
}

/** Half a surrogate pair that stands alone leaves libyata as U+FFFD. */
function whole (text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
}

/** JSON.stringify, with big integers as numbers as libyata writes them; undefined is null. */
export function stringify (value: unknown): string {
  const text = JSON.stringify(value, (_, x) =>
    typeof x === 'bigint' ? `@big${x}@` : typeof x === 'string' ? whole(x) : x) ?? 'null'
  return text.replace(/"@big(-?\d+)@"/g, '$1')
}

/** The contents that count in a list. */
function elements (type: Type): unknown[] {
  const all: unknown[] = []
  for (let item = type._start; item !== null; item = item.right) {
    if (!item.deleted && item.countable) {
      all.push(...item.content.getContent())
    }
  }
  return all
}

function showValue (value: unknown): string {
  if (value instanceof Y.Doc) {
    return stringify({ guid: value.guid })
  }
  if (value instanceof Y.AbstractType) {
    return showType(value)
  }
  return stringify(value)
}

function place (type: Type): unknown {
  const item = type._item
  if (item === null) {
    return [...(type.doc as Y.Doc).share].find(([, t]) => t === type)?.[0]
  }
  if (item.parentSub !== null) {
    return item.parentSub
  }
  let at = 0
  for (let i = item.left; i !== null; i = i.left) {
    at += i.deleted || !i.countable ? 0 : i.length
  }
  return at
}

/** What firstChild and nextSibling lead through. */
function children (type: Type): number {
  let n = 0
  let item: Y.Item | null = type._first
  for (; item !== null && item.content instanceof Y.ContentType; item = item.next) {
    n++
  }
  return n
}

/** All that the cursors of libyata tell of a type; see put_type of driver_read.c. */
function showType (type: Type): string {
  const root = type._item === null
  const name = (type as any).nodeName ?? (type as any).hookName
  const map = [...type._map].filter(([, item]) => !item.deleted).map(([key, item]) =>
    `[${stringify(key)},${showValue(item.content.getContent()[item.length - 1])}]`)
  return `{"kind":${root ? 'null' : kindOf(type)},"name":${root || name === undefined ? 'null' : stringify(name)},` +
    `"place":${stringify(place(type))},"children":${children(type)},` +
    `"list":[${elements(type).map(showValue).join()}],"map":[${map.join()}]}`
}

/** toDelta, also of what is no text: then by the code of YText. */
function toDelta (type: Type): unknown {
  return Y.Text.prototype.toDelta.call(type)
}

function toText (type: Type): string {
  return whole(String(type instanceof Y.Array || type instanceof Y.Map ? {} : type))
}

export function rootCommand (doc: Y.Doc): Writer {
  const w = new Writer()
  roots(doc).forEach((type, i) => {
    const name = Buffer.from(rootNames[i])
    w.uint(kindOf(type), 1).uint(name.length, 4).bytes(name)
  })
  return w
}

function position (type: Type, at: number, assoc: number): Uint8Array {
  return Y.encodeRelativePosition(Y.createRelativePositionFromTypeIndex(type, at, assoc))
}

/** Names a type. */
function typeEnd (type: Type): Uint8Array {
  return position(type, 2 ** 32 - 1, 0)
}

function showEvent (root: string, event: Y.YEvent<any>): string {
  const text = event.target instanceof Y.Text
  const delta = (text ? event.delta : event.changes.delta).map((op: any) => {
    const attributes = op.attributes === undefined ? '' : `,"attributes":${stringify(op.attributes)}`
    if (op.insert === undefined) {
      return `{${op.retain === undefined ? `"delete":${op.delete}` : `"retain":${op.retain}`}${attributes}}`
    }
    return `{"insert":${Array.isArray(op.insert) && !text ? `[${op.insert.map(showValue).join()}]` : showValue(op.insert)}${attributes}}`
  })
  const keys = [...event.changes.keys].map(([key, { action, oldValue }]) => {
    const old = oldValue instanceof Y.AbstractType ? '"type"' : showValue(oldValue)
    const item = event.target._map.get(key) as Y.Item
    const now = action === 'delete' ? 'null' : showValue(item.content.getContent()[item.length - 1])
    return `[${stringify(key)},"${action}",${old},${now}]`
  })
  return normal(`{"path":${stringify([root, ...event.path])},"delta":[${delta.join()}],"keys":[${keys.join()}]}`)
}

/**
 * In a form to compare. Keys are told in no order. And yjs does not tell of embeds in text that are
 * numbers or booleans: those are taken away, with what changes nothing after that.
 */
function normal (text: string): string {
  const event = JSON.parse(text)
  event.keys = event.keys.map((key: unknown) => JSON.stringify(key)).sort()
  event.delta = event.delta.filter((op: any) => !['boolean', 'number'].includes(typeof op.insert))
  while (event.delta.at(-1)?.retain !== undefined && event.delta.at(-1).attributes === undefined) {
    event.delta.pop()
  }
  return JSON.stringify(event)
}

const told = 'told'

/** The events of each transaction; those that yjs makes by itself afterwards are no matter. */
function watch (doc: Y.Doc, body: () => void): string[] {
  const calls: string[] = []
  let events: string[] = []
  roots(doc).forEach((type, i) => {
    type.observeDeep((all, transaction) => {
      if (transaction.origin === told) {
        events.push(...all.map(event => showEvent(rootNames[i], event)))
      }
    })
  })
  doc.on('afterTransaction', transaction => {
    const some = transaction.deleteSet.clients.size > 0 || [...transaction.afterState]
      .some(([client, clock]) => clock !== (transaction.beforeState.get(client) ?? 0))
    if (transaction.origin === told && some) {
      calls.push(events.sort().join('\n'))
      events = []
    }
  })
  body()
  return calls
}

class Reading {
  private readonly server = plainDoc()
  private readonly clients: Y.Doc[] = []
  private looks = 0
  /** made at any time */
  private readonly positions: Uint8Array[] = []
  /** the last look, and what came since */
  private before: Uint8Array = Uint8Array.of(0, 0)
  private log: Uint8Array[] = []

  constructor (private readonly rnd: Steps, private readonly driver: Driver) {
    for (let n = this.rnd.int(1, 3); n > 0; n--) {
      this.clients.push(plainDoc({ clientID: n * this.rnd.pick([1, 1000, 2 ** 40]) }))
    }
    roots(this.server)
    this.server.on('update', update => { this.log.push(update) })
  }

  private fail (what: string, expected: string, got: string, state: Uint8Array): never {
    throw new Mismatch(this.looks, `reading: ${what}\n  of ${hex(state)}`, expected, got)
  }

  private async compareRoots (doc: Y.Doc, yata: YataDoc, state: Uint8Array): Promise<void> {
    const parts = await yata.read(new Writer().uint(0, 1).bytes(rootCommand(doc).done()).done())
    roots(doc).forEach((type, i) => {
      const expected = [stringify(type.toJSON()), toText(type), stringify(toDelta(type)), showType(type)]
      const what = ['toJSON', 'toString', 'toDelta', 'cursors']
      what.forEach((name, k) => {
        if (parts[i * 4 + k] !== expected[k]) {
          this.fail(`${name} of ${rootNames[i]}`, expected[k], parts[i * 4 + k], state)
        }
      })
    })
  }

  /** Positions of now, as bytes; and where those of earlier are now. */
  private async comparePositions (doc: Y.Doc, yata: YataDoc, state: Uint8Array): Promise<void> {
    const { rnd } = this
    const asked = Array.from({ length: 6 }, () => {
      const type = rnd.pick(reachable(doc))
      const at = rnd.int(0, (type as Y.Text).length ?? 0) + (rnd.chance(0.1) ? 2 : 0)
      const assoc = rnd.pick([0, 0, -1, -1, 1, -100, 99])
      return { end: typeEnd(type), at, assoc, bytes: position(type, at, assoc) }
    })
    const w = new Writer().uint(1, 1)
    asked.forEach(({ end, at, assoc }) => {
      w.uint(end.length, 4).bytes(end).uint(at, 4).uint(assoc + 128, 1)
    })
    const made = await yata.read(w.done())
    asked.forEach(({ bytes, at, assoc }, i) => {
      if (made[i] !== hex(bytes)) {
        this.fail(`position at ${at}, assoc ${assoc}`, hex(bytes), made[i], state)
      }
    })
    this.positions.push(...asked.map(({ bytes }) => bytes))
    const all = new Writer().uint(2, 1)
    this.positions.forEach(bytes => { all.uint(bytes.length, 4).bytes(bytes) })
    const found = await yata.read(all.done())
    this.positions.forEach((bytes, i) => {
      const absolute = Y.createAbsolutePositionFromRelativePosition(Y.decodeRelativePosition(bytes), doc)
      const expected = absolute === null || absolute.type._item?.deleted === true
        ? 'gone'
        : `${hex(typeEnd(absolute.type))} ${absolute.index}`
      if (found[i] !== expected) {
        this.fail(`place of the position ${hex(bytes)}`, expected, found[i], state)
      }
    })
  }

  /**
   * What yjs tells when updates come in one transaction, after others came unobserved. Each time in a
   * document of its own: who asks yjs for the delta of a text makes it delete formats that say nothing
   * new, and all later deltas are then those of another document.
   */
  private yjsEvents (earlier: Uint8Array[], updates: Uint8Array[]): string[] {
    const doc = plainDoc()
    roots(doc)
    Y.applyUpdate(doc, this.before)
    earlier.forEach(update => { Y.applyUpdate(doc, update) })
    const events = watch(doc, () => {
      doc.transact(() => { updates.forEach(update => { Y.applyUpdate(doc, update, told) }) }, told)
    })
    doc.destroy()
    return events
  }

  /** What observers are told while the updates of the last time come again. */
  private async compareEvents (): Promise<void> {
    const whole = this.rnd.chance(0.5)
    const expected = (whole ? [this.log] : this.log.map(update => [update]))
      .flatMap((updates, i) => this.yjsEvents(whole ? [] : this.log.slice(0, i), updates))
    const w = new Writer().uint(3, 1).uint(whole ? 1 : 0, 1).uint(rootNames.length, 1)
    w.bytes(rootCommand(this.server).done())
    this.log.forEach(update => { w.uint(update.length, 4).bytes(update) })
    const yata = this.driver.doc()
    await yata.apply(this.before)
    const calls: string[][] = [[]]
    for (const part of await yata.read(w.done())) {
      part === '' ? calls.push([]) : calls.at(-1)?.push(normal(part))
    }
    yata.free()
    const got = calls.slice(0, -1).map(call => call.sort().join('\n'))
    const end = Math.max(got.length, expected.length)
    for (let i = 0; i < end; i++) {
      if (got[i] !== expected[i]) {
        this.fail(`events of transaction ${i} after ${this.log.map(hex).join()}`,
          expected[i] ?? 'none', got[i] ?? 'none', this.before)
      }
    }
  }

  private async look (): Promise<void> {
    this.looks++
    await this.compareEvents()
    const state = Y.encodeStateAsUpdate(this.server)
    const doc = plainDoc()
    roots(doc)
    Y.applyUpdate(doc, state)
    const yata = this.driver.doc()
    await yata.apply(state)
    await this.compareRoots(doc, yata, state)
    await this.comparePositions(doc, yata, state)
    yata.free()
    doc.destroy()
    this.before = state
    this.log = []
  }

  private work (): void {
    const { rnd } = this
    const client = rnd.pick(this.clients)
    client.transact(() => {
      for (let n = rnd.int(1, 6); n > 0; n--) {
        edit(rnd, client)
      }
      if (rnd.chance(0.1)) {
        deleteParent(rnd, client)
      }
    })
    if (rnd.chance(0.5)) {
      Y.applyUpdate(this.server, Y.encodeStateAsUpdate(client, Y.encodeStateVector(this.server)))
      Y.applyUpdate(client, Y.encodeStateAsUpdate(this.server, Y.encodeStateVector(client)))
    }
  }

  async tell (): Promise<void> {
    const { rnd } = this
    for (const edits of Array.from({ length: rnd.int(1, 4) }, () => rnd.int(1, 12))) {
      for (let k = edits; k > 0; k--) {
        if (rnd.step()) {
          this.work()
        }
      }
      if (rnd.step()) {
        await this.look()
      }
    }
    this.clients.forEach(client => { client.destroy() })
  }
}

/** One history of reading; null when all is well. */
export async function readingHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  try {
    await new Reading(rnd, driver).tell()
    return null
  } catch (why) {
    return why instanceof Mismatch
      ? why
      : new Mismatch(0, 'reading: threw', 'no error', inspect(why))
  }
}
