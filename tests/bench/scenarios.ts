// The scenarios B1 to B3 of dmonad/crdt-benchmarks, rebuilt: what one, two or many clients do, as the
// updates that a server receives. B4, a long writing session, is in histories.ts.

import * as Y from 'yjs'
import { Random } from '../diff/random.ts'
import { type Recorded, session } from './histories.ts'

type Rounds = (rnd: Random, n: number, docs: Y.Doc[]) => void

const clients = [1000001, 2000002]

/** Each client's updates, in turns: nobody hears of the others until the end. */
function record (seed: number, ids: number[], n: number, act: Rounds, start = ''): Recorded {
  const updates: Uint8Array[] = []
  const docs = ids.map(id => {
    const doc = new Y.Doc()
    doc.clientID = id
    return doc
  })
  if (start !== '') {
    docs[0].getText('text').insert(0, start)
    updates.push(Y.encodeStateAsUpdate(docs[0]))
    docs.slice(1).forEach(doc => { Y.applyUpdate(doc, updates[0]) })
  }
  docs.forEach(doc => { doc.on('update', update => { updates.push(update) }) })
  act(new Random(seed), n, docs)
  return { updates }
}

const text = (doc: Y.Doc): Y.Text => doc.getText('text')
const array = (doc: Y.Doc): Y.Array<unknown> => doc.getArray('array')
const letters = 'abcdefghijklmnopqrstuvwxyz'
const word = (rnd: Random, least = 2, most = 8): string =>
  Array.from({ length: rnd.int(least, most) }, () => letters[rnd.int(0, 25)]).join('')
const long = (rnd: Random, n: number): string => word(rnd, n, n)

/** Each of the n rounds once for each client. */
const rounds = (act: (rnd: Random, doc: Y.Doc, i: number) => void): Rounds => (rnd, n, docs) => {
  for (let i = 0; i < n; i++) {
    docs.forEach(doc => { act(rnd, doc, i) })
  }
}

const insertWord = rounds((rnd, doc) => { text(doc).insert(rnd.int(0, text(doc).length), word(rnd)) })
const insertLetter = rounds((rnd, doc) => { text(doc).insert(rnd.int(0, text(doc).length), word(rnd, 1, 1)) })
const insertOrDelete = rounds((rnd, doc) => {
  const at = rnd.int(0, text(doc).length)
  if (text(doc).length === at || rnd.chance(0.5)) {
    text(doc).insert(at, word(rnd))
  } else {
    text(doc).delete(at, Math.min(text(doc).length - at, rnd.int(1, 9)))
  }
})
const one = (act: Rounds) => (n: number, seed: number) => record(seed, clients.slice(0, 1), n, act)
const two = (act: Rounds) => (n: number, seed: number) => record(seed, clients, n, act, 'x'.repeat(100))
/** 20 √n clients, and each does one thing. */
const many = (act: (rnd: Random, doc: Y.Doc, i: number, each: number) => void) => (n: number, seed: number) => {
  const count = Math.floor(Math.sqrt(n)) * 20
  const ids = Array.from({ length: count }, (_, i) => 1000001 + i * 7919)
  return record(seed, ids, n, (rnd, _, docs) => { docs.forEach((doc, i) => { act(rnd, doc, i, count) }) })
}

export interface Scenario { name: string, make: (n: number, seed: number) => Recorded }

export const scenarios: Scenario[] = [
  { name: 'B1.1 append N characters', make: one(rounds((rnd, doc, i) => { text(doc).insert(i, word(rnd, 1, 1)) })) },
  { name: 'B1.2 insert a string of N', make: one((rnd, n, [doc]) => { text(doc).insert(0, long(rnd, n)) }) },
  { name: 'B1.3 prepend N characters', make: one(rounds((rnd, doc) => { text(doc).insert(0, word(rnd, 1, 1)) })) },
  { name: 'B1.4 N characters, random places', make: one(insertLetter) },
  { name: 'B1.5 N words, random places', make: one(insertWord) },
  {
    name: 'B1.6 insert a string, delete it',
    make: one((rnd, n, [doc]) => {
      text(doc).insert(0, long(rnd, n))
      text(doc).delete(0, n)
    })
  },
  { name: 'B1.7 insert and delete, random places', make: one(insertOrDelete) },
  { name: 'B1.8 append N numbers', make: one(rounds((rnd, doc, i) => { array(doc).insert(i, [rnd.uint32()]) })) },
  {
    name: 'B1.9 insert an array of N numbers',
    make: one((rnd, n, [doc]) => { array(doc).insert(0, Array.from({ length: n }, () => rnd.uint32())) })
  },
  { name: 'B1.10 prepend N numbers', make: one(rounds((rnd, doc) => { array(doc).insert(0, [rnd.uint32()]) })) },
  {
    name: 'B1.11 N numbers, random places',
    make: one(rounds((rnd, doc) => { array(doc).insert(rnd.int(0, array(doc).length), [rnd.uint32()]) }))
  },
  {
    name: 'B2.1 two insert a string of N',
    make: two((rnd, n, docs) => { docs.forEach(doc => { text(doc).insert(0, long(rnd, n)) }) })
  },
  { name: 'B2.2 two insert N characters', make: two(insertLetter) },
  { name: 'B2.3 two insert N words', make: two(insertWord) },
  { name: 'B2.4 two insert and delete', make: two(insertOrDelete) },
  { name: 'B3.1 20√N set a number in a map', make: many((_, doc, i) => { doc.getMap('map').set('v', i) }) },
  {
    name: 'B3.2 20√N set an object in a map',
    make: many((_, doc, i) => { doc.getMap('map').set('v', { name: i.toString(), address: 'here' }) })
  },
  {
    name: 'B3.3 20√N set a string in a map',
    make: many((_, doc, i, each) => { doc.getMap('map').set('v', i.toString().repeat(each)) })
  },
  { name: 'B3.4 20√N insert into an array', make: many((_, doc, i) => { array(doc).insert(0, [i.toString()]) }) },
  { name: 'B3.5 20√N insert text', make: many((_, doc, i) => { text(doc).insert(0, i.toString()) }) },
  { name: 'B4 a writing session', make: (_, seed) => session(seed) }
]
