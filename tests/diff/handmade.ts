// Updates (V1) written by hand, struct by struct: what no Yjs client would send today, and what a
// careless or hostile one would.

import * as encoding from 'lib0/encoding'

export type Id = [client: number, clock: number]

export interface Struct {
  /** number of the content; 0 is GC, 10 is Skip */
  ref: number
  /** bits to set in the info byte beyond those that follow from the fields */
  bits?: number
  origin?: Id
  right?: Id
  /** root name or item id; only written when there is neither origin nor right */
  parent?: string | Id
  sub?: string
  /** the content, or the length of a GC or Skip */
  body: (e: encoding.Encoder) => void
}

export interface Section { client: number, clock: number, structs: Struct[] }
export interface Deletion { client: number, ranges: Array<[clock: number, length: number]> }

const uint = encoding.writeVarUint
const string = encoding.writeVarString

export const gc = (length: number): Struct => ({ ref: 0, body: e => { uint(e, length) } })
export const skip = (length: number): Struct => ({ ref: 10, body: e => { uint(e, length) } })

type Place = Pick<Struct, 'origin' | 'right' | 'parent' | 'sub'>

export const deleted = (length: number, at: Place): Struct =>
  ({ ref: 1, ...at, body: e => { uint(e, length) } })
export const json = (values: string[], at: Place): Struct =>
  ({ ref: 2, ...at, body: e => { uint(e, values.length); values.forEach(v => { string(e, v) }) } })
export const text = (s: string, at: Place): Struct => ({ ref: 4, ...at, body: e => { string(e, s) } })
export const type = (typeRef: number, at: Place, name?: string): Struct => ({
  ref: 7,
  ...at,
  body: e => {
    uint(e, typeRef)
    if (name !== undefined) {
      string(e, name)
    }
  }
})
export const any = (values: any[], at: Place): Struct => ({
  ref: 8,
  ...at,
  body: e => {
    uint(e, values.length)
    values.forEach(v => { encoding.writeAny(e, v) })
  }
})
/** Content whose bytes are given. */
export const raw = (ref: number, body: number[], at: Place): Struct =>
  ({ ref, ...at, body: e => { encoding.writeUint8Array(e, Uint8Array.from(body)) } })

function writeId (e: encoding.Encoder, [client, clock]: Id): void {
  uint(e, client)
  uint(e, clock)
}

function writeStruct (e: encoding.Encoder, s: Struct): void {
  const bits = (s.origin !== undefined ? 0x80 : 0) | (s.right !== undefined ? 0x40 : 0) |
    (s.sub !== undefined ? 0x20 : 0) | (s.bits ?? 0)
  encoding.writeUint8(e, s.ref | bits)
  if (s.origin !== undefined) {
    writeId(e, s.origin)
  }
  if (s.right !== undefined) {
    writeId(e, s.right)
  }
  if (s.origin === undefined && s.right === undefined && s.parent !== undefined) {
    if (typeof s.parent === 'string') {
      uint(e, 1)
      string(e, s.parent)
    } else {
      uint(e, 0)
      writeId(e, s.parent)
    }
    if (s.sub !== undefined) {
      string(e, s.sub)
    }
  }
  s.body(e)
}

export function update (sections: Section[], deletions: Deletion[] = []): Uint8Array {
  const e = encoding.createEncoder()
  uint(e, sections.length)
  for (const { client, clock, structs } of sections) {
    uint(e, structs.length)
    uint(e, client)
    uint(e, clock)
    structs.forEach(s => { writeStruct(e, s) })
  }
  uint(e, deletions.length)
  for (const { client, ranges } of deletions) {
    uint(e, client)
    uint(e, ranges.length)
    for (const [clock, length] of ranges) {
      uint(e, clock)
      uint(e, length)
    }
  }
  return encoding.toUint8Array(e)
}

/** One section of one client. */
export const of = (client: number, clock: number, ...structs: Struct[]): Uint8Array =>
  update([{ client, clock, structs }])

const root: Place = { parent: 'text' }

/** Oddities that are valid, and that a fuzzer would take long to find. */
export function handmade (): Array<{ name: string, update: Uint8Array }> {
  return [
    { name: 'gc', update: of(9, 0, gc(3), text('after', root)) },
    { name: 'skip', update: of(9, 0, text('ab', root), skip(2), text('e', { origin: [9, 3] })) },
    { name: 'deleted', update: of(9, 0, deleted(4, root), text('x', { origin: [9, 3] })) },
    { name: 'json', update: of(9, 0, json(['{"a":1}', 'undefined', '[null]'], { parent: 'array' })) },
    { name: 'empty-string', update: of(9, 0, text('', root), text('a', root)) },
    { name: 'any', update: of(9, 0, any([null, true, 1.5, 'x', [1], { k: 2n }], { parent: 'array' })) },
    { name: 'binary', update: of(9, 0, raw(3, [3, 1, 2, 3], { parent: 'array' })) },
    { name: 'embed', update: of(9, 0, raw(5, [7, ...Buffer.from('{"a":1}')], root)) },
    { name: 'format', update: of(9, 0, raw(6, [4, ...Buffer.from('bold'), 4, ...Buffer.from('true')], root)) },
    { name: 'subdoc', update: of(9, 0, raw(9, [1, 0x67, 118, 0], { parent: 'map', sub: 'd' })) },
    { name: 'map-chain', update: of(9, 0, any([1], { parent: 'map', sub: 'k' }), { ...any([2], { origin: [9, 0] }), bits: 0x20 }) },
    { name: 'no-such-parent', update: of(9, 0, text('lost', { parent: [1, 0] })) },
    { name: 'other-client', update: of(9, 0, text('x', { origin: [1, 0], right: [2, 0] })) },
    { name: 'waits', update: of(9, 5, text('x', root)) },
    { name: 'nested', update: of(9, 0, type(1, { parent: 'map', sub: 'm' }), type(3, { parent: [9, 0], sub: 'e' }, 'p'), text('x', { parent: [9, 1] })) },
    { name: 'delete-all', update: update([], [{ client: 1, ranges: [[0, 99]] }, { client: 2, ranges: [[0, 99]] }]) },
    { name: 'delete-odd', update: update([], [{ client: 2, ranges: [[4, 2], [0, 3], [1, 0], [2, 9]] }]) }
  ]
}
