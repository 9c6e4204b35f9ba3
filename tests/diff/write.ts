// Edits as commands for yata_driver (driver_write.h), with what the same edit is in yjs.

import * as Y from 'yjs'
import * as encoding from 'lib0/encoding'
import { reachable, rootNames, roots } from './edits.ts'
import { randomAny, randomText, type Random } from './random.ts'

type Type = Y.AbstractType<any>

enum What {
  TextInsert, TextEmbed, TextType, TextDelete, TextFormat, ListInsert, ListType, ListDelete, MapSet,
  MapType, MapDelete
}

enum Kind { Undefined, Null, Bool, Integer, Number, Bigint, String, Bytes, Any, Json, Type, Subdoc }

/** An edit of both sides. */
export interface Edit { command: Uint8Array, judge: () => void, text: string }

/** A value for both sides. */
interface Value { judge: any, kind: Kind, body: Buffer }

function u8 (x: number): Buffer {
  return Buffer.of(x)
}

function u32 (x: number): Buffer {
  const b = Buffer.alloc(4)
  b.writeUInt32LE(x)
  return b
}

function blob (x: string | Uint8Array): Buffer {
  const b = typeof x === 'string' ? Buffer.from(x) : Buffer.from(x)
  return Buffer.concat([u32(b.length), b])
}

function int64 (x: bigint): Buffer {
  const b = Buffer.alloc(8)
  b.writeBigInt64LE(x)
  return b
}

function float64 (x: number): Buffer {
  const b = Buffer.alloc(8)
  b.writeDoubleLE(x)
  return b
}

function typeName (type: Type): Buffer {
  if (type._item === null) {
    const doc = type.doc as Y.Doc
    return Buffer.concat([u8(0), blob(rootNames[roots(doc).indexOf(type)])])
  }
  const id = type._item.id
  return Buffer.concat([u8(1), int64(BigInt(id.client)), u32(id.clock)])
}

/** JSON text that JSON.stringify would not write. */
const oddJson = ['{"b":1,"10":[2],"9":{"z":null,"0":0},"b":"last"}', ' [ 1.50 , -0, 1e3, "\\u00e9\\ud83d\\ude00" ] ',
  '{"a":{"a":1,"b":2,"a":{}},"2":-1e-7,"01":true}', '12345678901', '"text"', '[[[[]]],{}]']

function fromJs (value: any): Value {
  if (value === undefined) return { judge: value, kind: Kind.Undefined, body: Buffer.alloc(0) }
  if (value === null) return { judge: value, kind: Kind.Null, body: Buffer.alloc(0) }
  if (typeof value === 'boolean') return { judge: value, kind: Kind.Bool, body: u8(value ? 1 : 0) }
  if (typeof value === 'bigint') return { judge: value, kind: Kind.Bigint, body: int64(value) }
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && !Object.is(value, -0)
      ? { judge: value, kind: Kind.Integer, body: int64(BigInt(value)) }
      : { judge: value, kind: Kind.Number, body: float64(value) }
  }
  if (typeof value === 'string') {
    // yata takes UTF-8, which has no lone surrogates
    const text = Buffer.from(value).toString()
    return { judge: text, kind: Kind.String, body: blob(text) }
  }
  if (value instanceof Uint8Array) return { judge: value, kind: Kind.Bytes, body: blob(value) }
  const encoder = encoding.createEncoder()
  encoding.writeAny(encoder, value)
  return { judge: value, kind: Kind.Any, body: blob(encoding.toUint8Array(encoder)) }
}

function jsonValue (rnd: Random): Value {
  const text = rnd.chance(0.5) ? rnd.pick(oddJson) : JSON.stringify(randomAny(rnd, true))
  return { judge: JSON.parse(text), kind: Kind.Json, body: blob(text) }
}

function listValue (rnd: Random): Value {
  if (rnd.chance(0.3)) {
    return jsonValue(rnd)
  }
  if (rnd.chance(0.1)) {
    const guid = `sub-${rnd.int(0, 1e6)}`
    return { judge: new Y.Doc({ guid }), kind: Kind.Subdoc, body: blob(guid) }
  }
  const value = randomAny(rnd)
  return fromJs(value === undefined || typeof value === 'bigint' ? [value] : value)
}

function mapValue (rnd: Random): Value {
  return rnd.chance(0.1) ? fromJs(rnd.pick([undefined, 5n, -1n])) : listValue(rnd)
}

function put (v: Value): Buffer {
  return Buffer.concat([u8(v.kind), v.body])
}

const kinds = [Y.Array, Y.Map, Y.Text, Y.XmlElement, Y.XmlFragment, Y.XmlHook, Y.XmlText]

function newType (rnd: Random, only: number[] = [0, 1, 2, 3, 4, 5, 6]): { judge: Type, body: Buffer } {
  const kind = rnd.pick(only)
  const name = rnd.pick(['p', 'ü', 'hook', ''])
  const judge = kind === 3 ? new Y.XmlElement(name) : kind === 5 ? new Y.XmlHook(name) : new (kinds[kind] as new () => Type)()
  return { judge: judge as Type, body: Buffer.concat([u8(kind), blob(name)]) }
}

const formatKeys = ['bold', 'italic', 'link', '10', '9']

/**
 * `objects`: also values that are objects. yjs deletes a useless format when its value is one and the
 * same as another, and for objects that is a matter of which process it is in: so nothing is deleted
 * where they are.
 */
function attributes (rnd: Random, objects: boolean): { judge: Record<string, any>, body: Buffer } {
  const parts: Buffer[] = []
  const judge: Record<string, any> = {}
  const n = rnd.int(0, 3)
  for (let i = 0; i < n; i++) {
    const key = rnd.pick(formatKeys)
    const value = rnd.weighted<() => Value>([
      [3, () => fromJs(true)],
      [3, () => fromJs(null)],
      [2, () => fromJs(rnd.pick([1, 0, 0.5, 'x', false, 'true']))],
      [objects ? 1 : 0, () => fromJs(rnd.pick([{ a: 1 }, { a: 1, b: null }, [1], {}, []]))]
    ])()
    judge[key] = value.judge
    parts.push(blob(key), put(value))
  }
  return { judge, body: Buffer.concat([u8(1), u32(n), ...parts]) }
}

const noAttributes = Buffer.concat([u8(0), u32(0)])

function range (rnd: Random, n: number): [number, number] {
  const at = rnd.int(0, n)
  return [at, Math.min(n - at, rnd.chance(0.1) ? n : rnd.int(1, 5))]
}

/**
 * The range without its ends in the middle of a pair. yjs cuts pairs there even when nothing comes
 * of the edit, and only at home: its peers keep the character. libyata cuts what it changes.
 */
function wholePairs (text: Y.Text, at: number, n: number): [number, number] {
  const units = text.toDelta().map((op: any) => typeof op.insert === 'string' ? op.insert : '\ufffc').join('')
  const whole = (i: number): number => /[\udc00-\udfff]/.test(units[i] ?? '') ? i - 1 : i
  return [whole(at), whole(at + n) - whole(at)]
}

function make (what: What, type: Type, text: string, judge: () => void, ...parts: Buffer[]): Edit {
  return { command: Buffer.concat([u8(what), typeName(type), ...parts]), judge, text: `${What[what]} ${text}` }
}

function embedValue (rnd: Random): Value {
  const value = rnd.chance(0.5) ? jsonValue(rnd) : fromJs(randomAny(rnd, true))
  return value.judge === null || typeof value.judge === 'string' ? fromJs({ value: 1 }) : value
}

function textEdit (rnd: Random, text: Y.Text, objects: boolean): Edit {
  const [at, n] = range(rnd, text.length)
  const given = rnd.chance(0.5) ? attributes(rnd, objects) : null
  const body = given?.body ?? noAttributes
  const a = given?.judge
  const show = `${at} ${n} ${JSON.stringify(a)}`
  return rnd.weighted<() => Edit>([
    [9, () => {
      const s = randomText(rnd, 6, 0)
      return make(What.TextInsert, text, `${show} ${JSON.stringify(s)}`,
        () => { text.insert(at, s, a) }, u32(at), blob(s), body)
    }],
    [objects ? 0 : 5, () => make(What.TextDelete, text, show, () => { text.delete(at, n) }, u32(at), u32(n))],
    [5, () => {
      const f = attributes(rnd, objects)
      const [from, length] = wholePairs(text, at, n)
      return make(What.TextFormat, text, `${from} ${length} ${JSON.stringify(f.judge)}`,
        () => { text.format(from, length, f.judge) }, u32(from), u32(length), f.body)
    }],
    [1, () => {
      const v = embedValue(rnd)
      return make(What.TextEmbed, text, `${show} ${JSON.stringify(v.judge)}`,
        () => { text.insertEmbed(at, v.judge, a) }, u32(at), put(v), body)
    }],
    [1, () => {
      const t = newType(rnd)
      return make(What.TextType, text, show, () => { text.insertEmbed(at, t.judge, a) }, u32(at), t.body, body)
    }]
  ])()
}

/** Typing at one place. */
function typing (rnd: Random, text: Y.Text, objects: boolean): Edit[] {
  let at = rnd.int(0, text.length)
  const edits: Edit[] = []
  for (let n = rnd.int(1, 8); n > 0; n--) {
    if (rnd.chance(0.15) && at > 0 && !objects) {
      const i = --at
      edits.push(make(What.TextDelete, text, `${i} 1`, () => { text.delete(i, 1) }, u32(i), u32(1)))
    } else {
      const i = at++
      const s = rnd.pick(['e', 't', 'a', 'ö', 'n'])
      edits.push(make(What.TextInsert, text, `${i} ${s}`, () => { text.insert(i, s) }, u32(i), blob(s), noAttributes))
    }
  }
  return edits
}

function listEdit (rnd: Random, list: Y.Array<any> | Y.XmlFragment): Edit {
  const array = list instanceof Y.Array
  const [at, n] = range(rnd, list.length)
  return rnd.weighted<() => Edit>([
    [array ? 6 : 0, () => {
      const values = Array.from({ length: rnd.int(0, 4) }, () => listValue(rnd))
      const all = Buffer.concat(values.map(put))
      const push = rnd.chance(0.3)
      return make(What.ListInsert, list, `${push ? 'end' : at} ${values.length}`, () => {
        const contents = values.map(v => v.judge)
        if (push) {
          (list as Y.Array<any>).push(contents)
        } else {
          (list as Y.Array<any>).insert(at, contents)
        }
      }, u32(push ? 0xffffffff : at), u32(values.length), all)
    }],
    [array ? 3 : 6, () => {
      const t = newType(rnd, array ? undefined : [3, 3, 5, 6, 4])
      return make(What.ListType, list, `${at}`, () => { list.insert(at, [t.judge as any]) }, u32(at), t.body)
    }],
    [4, () => make(What.ListDelete, list, `${at} ${n}`, () => { list.delete(at, n) }, u32(at), u32(n))]
  ])()
}

const keys = ['a', 'b', 'key', '']

interface MapLike { set: (key: string, value: any) => void, remove: (key: string) => void }

function mapLike (type: Type): MapLike {
  if (type instanceof Y.Map) {
    return { set: (k, v) => { type.set(k, v) }, remove: k => { type.delete(k) } }
  }
  const element = type as Y.XmlElement
  return { set: (k, v) => { element.setAttribute(k, v) }, remove: k => { element.removeAttribute(k) } }
}

function mapEdit (rnd: Random, type: Type): Edit {
  const map = mapLike(type)
  const key = rnd.pick(keys)
  return rnd.weighted<() => Edit>([
    [6, () => {
      const v = mapValue(rnd)
      return make(What.MapSet, type, key, () => { map.set(key, v.judge) }, blob(key), put(v))
    }],
    [2, () => {
      const t = newType(rnd)
      return make(What.MapType, type, key, () => { map.set(key, t.judge) }, blob(key), t.body)
    }],
    [3, () => make(What.MapDelete, type, key, () => { map.remove(key) }, blob(key))]
  ])()
}

/** One or several random edits at the document as it is now; each holds once those before were made. */
export function randomEdits (rnd: Random, doc: Y.Doc, objects: boolean): Edit[] {
  if (rnd.chance(0.2)) {
    return typing(rnd, rnd.pick([doc.getText('plain'), doc.getText('text')]), objects)
  }
  const type = rnd.pick(reachable(doc))
  if (type instanceof Y.Text) {
    return [rnd.chance(0.9) ? textEdit(rnd, type, objects) : mapEdit(rnd, type)]
  }
  if (type instanceof Y.Array) {
    return [listEdit(rnd, type)]
  }
  if (type instanceof Y.Map) {
    return [mapEdit(rnd, type)]
  }
  const element = type as Y.XmlElement
  return [element instanceof Y.XmlElement && rnd.chance(0.4) ? mapEdit(rnd, element) : listEdit(rnd, element)]
}
