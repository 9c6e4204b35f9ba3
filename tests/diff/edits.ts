// Random edits on a Yjs document: every shared type, every kind of content, any nesting.

import * as Y from 'yjs'
import { randomAny, randomText, type Random } from './random.ts'

type Type = Y.AbstractType<any>

/** The root types of every history, and their names in the same order. */
export const rootNames = ['text', 'plain', 'array', 'map', 'xml']

export function roots (doc: Y.Doc): Type[] {
  return [doc.getText('text'), doc.getText('plain'), doc.getArray('array'), doc.getMap('map'),
    doc.getXmlFragment('xml')]
}

/** All shared types that can be reached from the roots. */
export function reachable (doc: Y.Doc): Type[] {
  const found = roots(doc)
  const visit = (item: Y.Item | null): void => {
    if (item !== null && !item.deleted && item.content instanceof Y.ContentType) {
      found.push(item.content.type)
    }
  }
  for (let i = 0; i < found.length && found.length < 40; i++) {
    for (let item = found[i]._start; item !== null; item = item.right) {
      visit(item)
    }
    found[i]._map.forEach(visit)
  }
  return found
}

const keys = ['a', 'b', 'key', '']

function newType (rnd: Random): Type {
  switch (rnd.int(0, 6)) {
    case 0: return new Y.Text(rnd.chance(0.7) ? randomText(rnd) : undefined)
    case 1: return Y.Array.from([1, 'two', { three: 3 }].slice(rnd.int(0, 3)))
    case 2: return new Y.Map(rnd.chance(0.5) ? [['a', rnd.int(0, 9)]] : undefined)
    case 3: return newElement(rnd)
    case 4: return new Y.XmlText(randomText(rnd))
    case 5: return new Y.XmlHook(rnd.pick(['hook', '']))
    default: return new Y.XmlFragment()
  }
}

function newElement (rnd: Random): Y.XmlElement {
  const element = new Y.XmlElement(rnd.pick(['p', 'div', 'UPPER', 'ü']))
  if (rnd.chance(0.5)) {
    element.setAttribute(rnd.pick(keys), randomText(rnd))
  }
  if (rnd.chance(0.5)) {
    element.insert(0, [new Y.XmlText(randomText(rnd))])
  }
  return element
}

function newSubdoc (rnd: Random): Y.Doc {
  const guid = `sub-${rnd.int(0, 1e6)}`
  return new Y.Doc({
    guid,
    gc: rnd.chance(0.7),
    autoLoad: rnd.chance(0.3),
    meta: rnd.chance(0.4) ? randomAny(rnd) : null
  })
}

function newValue (rnd: Random): any {
  const any = (): any => {
    const value = randomAny(rnd)
    // yjs takes these only inside another value
    return value === undefined || typeof value === 'bigint' ? [value] : value
  }
  return rnd.weighted<() => any>([
    [10, any],
    [3, () => newType(rnd)],
    [1, () => rnd.bytes(rnd.int(0, 8))],
    [1, () => newSubdoc(rnd)]
  ])()
}

/** `objects`: also values that are objects; see attributes() in write.ts. */
function newFormat (rnd: Random, objects: boolean): Record<string, unknown> {
  const format: Record<string, unknown> = {}
  for (let n = rnd.int(1, 2); n > 0; n--) {
    format[rnd.pick(['bold', 'italic', 'link'])] =
      rnd.chance(0.3) ? null : rnd.chance(0.7) ? true : randomAny(rnd, true, objects ? 0 : 3)
  }
  return format
}

/** Any JSON but a bare string, which yjs takes for text (and an empty one for a zero-length item). */
function newEmbed (rnd: Random): object {
  const value = randomAny(rnd, true)
  return typeof value === 'string' || value === null ? { value } : value as object
}

/** A place and a length inside [0, n]. */
function range (rnd: Random, n: number): [number, number] {
  const at = rnd.int(0, n)
  return [at, Math.min(n - at, rnd.chance(0.1) ? n : rnd.int(1, 5))]
}

function editText (rnd: Random, text: Y.Text, objects: boolean): void {
  const [at, n] = range(rnd, text.length)
  const delta = (): void => {
    const ops: any[] = []
    if (at > 0) {
      ops.push({ retain: at, ...(rnd.chance(0.3) ? { attributes: newFormat(rnd, objects) } : {}) })
    }
    ops.push({ insert: randomText(rnd), ...(rnd.chance(0.5) ? { attributes: newFormat(rnd, objects) } : {}) })
    if (n > 0) {
      ops.push({ delete: n })
    }
    text.applyDelta(ops, { sanitize: rnd.chance(0.5) })
  }
  rnd.weighted<() => void>([
    [8, () => { text.insert(at, randomText(rnd)) }],
    [3, () => { text.insert(at, randomText(rnd), newFormat(rnd, objects)) }],
    [5, () => { text.delete(at, n) }],
    [4, () => { text.format(at, n, newFormat(rnd, objects)) }],
    [1, () => { text.insertEmbed(at, newEmbed(rnd)) }],
    [1, () => { text.insertEmbed(at, newType(rnd), newFormat(rnd, objects)) }],
    [2, delta],
    [1, () => { text.setAttribute(rnd.pick(keys), newValue(rnd)) }],
    [1, () => { text.removeAttribute(rnd.pick(keys)) }]
  ])()
}

/** Typing at one place: what most of the traffic is. Splits no pair and sets no format. */
function typing (rnd: Random, text: Y.Text): void {
  let at = rnd.int(0, text.length)
  for (let n = rnd.int(1, 8); n > 0; n--) {
    if (rnd.chance(0.15) && at > 0) {
      text.delete(--at, 1)
    } else {
      text.insert(at++, rnd.pick(['e', 't', 'a', 'o', 'n']))
    }
  }
}

function editArray (rnd: Random, array: Y.Array<any>): void {
  const [at, n] = range(rnd, array.length)
  const values = (): any[] => Array.from({ length: rnd.int(1, 4) }, () => newValue(rnd))
  rnd.weighted<() => void>([
    [6, () => { array.insert(at, values()) }],
    [2, () => { array.push(values()) }],
    [1, () => { array.unshift(values()) }],
    [5, () => { array.delete(at, n) }]
  ])()
}

function editMap (rnd: Random, map: Y.Map<any>): void {
  rnd.weighted<() => void>([
    [24, () => { map.set(rnd.pick(keys), newValue(rnd)) }],
    [9, () => { map.delete(rnd.pick(keys)) }],
    [1, () => { map.clear() }]
  ])()
}

function editXml (rnd: Random, xml: Y.XmlFragment): void {
  const [at, n] = range(rnd, xml.length)
  const child = (): Y.XmlElement | Y.XmlText => rnd.weighted<any>([
    [4, newElement(rnd)], [3, new Y.XmlText(randomText(rnd))], [1, new Y.XmlHook('hook')]])
  rnd.weighted<() => void>([
    [5, () => { xml.insert(at, [child()]) }],
    [2, () => { xml.push([child(), child()]) }],
    [3, () => { xml.delete(at, n) }],
    [3, () => {
      if (xml instanceof Y.XmlElement) {
        if (rnd.chance(0.7)) {
          xml.setAttribute(rnd.pick(keys), randomText(rnd))
        } else {
          xml.removeAttribute(rnd.pick(keys))
        }
      }
    }]
  ])()
}

/** One random edit somewhere in the document; `objects`: values of formats may be such. */
export function edit (rnd: Random, doc: Y.Doc, objects = true): void {
  if (rnd.chance(0.2)) {
    typing(rnd, doc.getText('plain'))
    return
  }
  const type = rnd.pick(reachable(doc))
  if (type instanceof Y.Text) {
    editText(rnd, type, objects)
  } else if (type instanceof Y.Array) {
    editArray(rnd, type)
  } else if (type instanceof Y.Map) {
    editMap(rnd, type)
  } else {
    editXml(rnd, type as Y.XmlFragment)
  }
}

/** Deletes a nested type, or what holds it: others may be writing into it just now. */
export function deleteParent (rnd: Random, doc: Y.Doc): void {
  const nested = reachable(doc).filter(type => type._item !== null)
  if (nested.length === 0) {
    return
  }
  const item = rnd.pick(nested)._item as Y.Item
  const parent = item.parent as Type
  if (item.parentSub !== null) {
    if (parent instanceof Y.Map) {
      parent.delete(item.parentSub)
    } else {
      (parent as Y.XmlElement).removeAttribute(item.parentSub)
    }
    return
  }
  let at = 0
  for (let i = parent._start; i !== null && i !== item; i = i.right) {
    at += i.deleted || !i.countable ? 0 : i.length
  }
  (parent as Y.Array<any>).delete(at, 1)
}

function showAll (values: Record<string, any>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).map(([k, v]) => [k, show(v)]))
}

/** What a shared value looks like to a reader, as plain data that can be compared deeply. */
export function show (value: any): unknown {
  if (value instanceof Y.Doc) {
    return { guid: value.guid, gc: value.gc, autoLoad: value.autoLoad, meta: value.meta }
  }
  if (!(value instanceof Y.AbstractType)) {
    return value
  }
  if (value instanceof Y.Text) {
    const attributes = showAll(value.getAttributes())
    const delta = value.toDelta().map((op: any) => ({ ...op, insert: show(op.insert) }))
    return { text: delta, length: value.length, string: value.toString(), attributes }
  }
  if (value instanceof Y.Array) {
    return { array: value.toArray().map(show) }
  }
  if (value instanceof Y.Map) {
    return { map: showAll(Object.fromEntries(value.entries())), size: value.size }
  }
  const xml = value as unknown as Y.XmlElement
  return {
    xml: xml.toArray().map(show),
    name: xml.nodeName,
    attributes: showAll(xml.getAttributes?.() ?? {}),
    string: xml.toString()
  }
}

export function showDoc (doc: Y.Doc): unknown[] {
  return roots(doc).map(show)
}
