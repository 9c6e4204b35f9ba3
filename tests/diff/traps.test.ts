// The traps that implementations of Yjs have fallen into, one test each. npm yjs is the oracle: `both`
// tells the same updates to yjs and to libyata and compares every byte that can be read. Where yjs
// itself falls (it throws half-way, or reserves what a liar asks for) the test says what is promised
// instead.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as Y from 'yjs'
import { type Applied, Driver, Writer, YataError, type YataDoc } from './driver.ts'
import { any, deleted, gc, handmade, json, of, raw, skip, text, type, update } from './handmade.ts'
import { hex, isPending, plainDoc } from './history.ts'
import { Random } from './random.ts'
import { rootCommand } from './reading.ts'

const driver = new Driver()
after(async () => { assert.equal(await driver.close(), 0, 'the driver ends without a leak') })

const big = Number.MAX_SAFE_INTEGER
const inText = { parent: 'text' }
const inArray = { parent: 'array' }
const inMap = { parent: 'map', sub: 'k' }

async function refused (promise: Promise<unknown>): Promise<YataError> {
  const why = await promise.then(() => null, (e: unknown) => e)
  assert.ok(why instanceof YataError, 'refused')
  return why
}

async function same (yata: YataDoc, doc: Y.Doc): Promise<void> {
  assert.equal(hex(await yata.encodeState()), hex(Y.encodeStateAsUpdate(doc)), 'state')
  assert.equal(hex(await yata.stateVector()), hex(Y.encodeStateVector(doc)), 'state vector')
  assert.equal(hex(await yata.snapshot()), hex(Y.encodeSnapshot(Y.snapshot(doc))), 'snapshot')
}

/**
 * Applies the updates to yjs and to libyata, as they are and as V2; they must agree after each that
 * leaves nothing waiting.
 */
async function both (updates: Uint8Array[], gc = true): Promise<Y.Doc> {
  const doc = plainDoc({ gc })
  const yata = driver.doc({ noGc: !gc })
  const [second, secondDoc] = [driver.doc({ noGc: !gc }), plainDoc({ gc })]
  for (const u of updates) {
    const v2 = await driver.convertUpdate(1, 2, u)
    Y.applyUpdate(doc, u)
    Y.applyUpdateV2(secondDoc, v2)
    await yata.apply(u)
    await second.applyAs(2, v2)
    assert.equal((await yata.stats()).pendingBytes > 0, isPending(doc), `pending after ${hex(u)}`)
    if (!isPending(doc)) {
      await same(yata, doc)
      assert.equal(hex(await second.encodeState()), hex(Y.encodeStateAsUpdate(secondDoc)), 'state, told in V2')
      assert.equal(hex(await yata.encodeStateAs(2)), hex(Y.encodeStateAsUpdateV2(doc)), 'state as V2')
    }
  }
  yata.free()
  second.free()
  return doc
}

/** The update must be refused, and leave no trace in a document that has content. */
async function refusedWithoutTrace (bad: Uint8Array, before = of(1, 0, text('abc', inText))): Promise<YataError> {
  const yata = driver.doc()
  await yata.apply(before)
  const state = hex(await yata.encodeState())
  const memory = (await yata.stats()).memoryBytes
  const why = await refused(yata.apply(bad))
  assert.equal(hex(await yata.encodeState()), state, 'unchanged')
  assert.ok((await yata.stats()).memoryBytes <= memory + 65536, 'no memory kept')
  if (why.status === 'MALFORMED') {
    await refused(driver.checkUpdate(bad))
  }
  yata.free()
  return why
}

function permutations<T> (all: T[]): T[][] {
  return all.length < 2
    ? [all]
    : all.flatMap((x, i) => permutations(all.filter((_, k) => k !== i)).map(rest => [x, ...rest]))
}

/** What one client does after it has seen the state. */
function by (client: number, state: Uint8Array | null, does: (doc: Y.Doc) => void): Uint8Array {
  const doc = plainDoc()
  if (state !== null) {
    Y.applyUpdate(doc, state)
  }
  doc.clientID = client
  const before = Y.encodeStateVector(doc)
  doc.transact(() => { does(doc) })
  return Y.encodeStateAsUpdate(doc, before)
}

const varUint = (n: number): number[] => n < 128 ? [n] : [n % 128 + 128, ...varUint(Math.floor(n / 128))]

test('trap 1: an insertion between two surrogates turns both into U+FFFD', async () => {
  const a = by(1, null, doc => { doc.getText('text').insert(0, 'a😀b') })
  const b = by(2, a, doc => { doc.getText('text').insert(2, 'Z') })
  const doc = await both([a, b])
  assert.equal(doc.getText('text').toString(), 'a\ufffdZ\ufffdb')
})

test('trap 1: deleting one surrogate damages the other, lengths stay UTF-16', async () => {
  const a = by(1, null, doc => { doc.getText('text').insert(0, '😀😀é中') })
  const b = by(2, a, doc => { doc.getText('text').delete(1, 1) })
  const doc = await both([a, b])
  assert.equal(doc.getText('text').length, 5)
})

test('trap 1: a state vector that cuts a pair gets half of it as U+FFFD', async () => {
  const a = by(1, null, doc => { doc.getText('text').insert(0, 'a😀b') })
  const doc = await both([a])
  const yata = driver.doc()
  await yata.apply(a)
  for (let clock = 0; clock <= 5; clock++) {
    const sv = Y.encodeStateVector(new Map([[1, clock]]))
    assert.equal(hex(await yata.encodeState(sv)), hex(Y.encodeStateAsUpdate(doc, sv)))
  }
  await same(yata, doc) // asking has split nothing
  yata.free()
})

test('trap 1: overlapping updates that cut a pair at their border', async () => {
  const whole = of(1, 0, text('a😀b', inText))
  for (const [first, rest] of [['a\ud83d', '\ude00b'], ['a', '😀b'], ['a😀', 'b']]) {
    await both([of(1, 0, text(first, inText)), whole])
    await both([of(1, 0, text(first, inText)), of(1, first.length, text(rest, { origin: [1, first.length - 1] }))])
  }
})

test('trap 2: client ids of 53 bits in structs, origins, deletions, state vectors and presence', async () => {
  for (const client of [2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, big]) {
    const a = by(client, null, doc => { doc.getText('text').insert(0, 'abc') })
    const b = by(client - 1, a, doc => {
      doc.getText('text').insert(1, 'x')
      doc.getText('text').delete(2, 1)
      doc.getMap('map').set('k', new Y.Map([['in', 1]]))
    })
    const doc = await both([a, b])
    const yata = driver.doc()
    await yata.apply(b)
    await yata.apply(a)
    await same(yata, doc)
    assert.deepEqual(await yata.clocks(), [{ client, clock: 3 }, { client: client - 1, clock: 3 }])
    const since = [{ client, clock: 1 }, { client: client - 1, clock: 1 }]
    const sv = Y.encodeStateVector(new Map(since.map(c => [c.client, c.clock])))
    assert.equal(hex(await yata.encodeSince(since)), hex(Y.encodeStateAsUpdate(doc, sv)))
    assert.deepEqual(await driver.decodeStateVector(sv), since)
    assert.deepEqual(await driver.updateMeta(a), [{ client, from: 0, to: 3 }])
    assert.equal(hex(await driver.stateVectorFromUpdate(a)), hex(Y.encodeStateVectorFromUpdate(a)))
    const entry = { client, clock: 7, state: '{}' }
    assert.deepEqual(await driver.awarenessRead(await driver.awarenessWrite([entry])), [entry])
    yata.free()
  }
})

test('trap 2: an id beyond 53 bits is refused', async () => {
  const id = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10] // 2^53
  await refusedWithoutTrace(Uint8Array.from([1, 1, ...id, 0, 4, 1, 4, ...Buffer.from('text'), 1, 0x61, 0]))
  await refused(driver.decodeStateVector(Uint8Array.from([1, ...id, 1])))
  await refused(driver.awarenessRead(Uint8Array.from([1, ...id, 1, 2, 0x7b, 0x7d])))
})

test('trap 3: the conflict scan compares structs, not ids, and stops at a foreign origin', async () => {
  const base = by(1, null, doc => { doc.getText('text').insert(0, 'abcdef') })
  const tail = by(2, base, doc => { doc.getText('text').insert(3, 'XYZ') })
  const inside = by(3, Y.mergeUpdates([base, tail]), doc => { doc.getText('text').insert(4, 'q') })
  const rivals = [4, 5, 6].map(client => by(client, base, doc => { doc.getText('text').insert(3, `<${client}>`) }))
  const states = new Set<string>()
  for (const order of permutations([tail, inside, ...rivals])) {
    const doc = await both([base, ...order])
    states.add(hex(Y.encodeStateAsUpdate(doc)))
  }
  assert.equal(states.size, 1)
})

test('trap 5: an item waits for its right origin', async () => {
  const a = by(1, null, doc => { doc.getText('text').insert(0, 'right') })
  const b = by(2, a, doc => { doc.getText('text').insert(0, 'left') }) // right origin only
  const c = by(3, Y.mergeUpdates([a, b]), doc => { doc.getText('text').insert(4, '|') })
  for (const order of permutations([a, b, c])) {
    await both(order)
  }
})

test('trap 5: an item waits for its parent', async () => {
  const a = by(1, null, doc => { doc.getMap('map').set('k', new Y.Text()) })
  const b = by(2, a, doc => { (doc.getMap('map').get('k') as Y.Text).insert(0, 'in') })
  const yata = driver.doc()
  const waits = await yata.apply(b)
  assert.deepEqual(waits, { changed: waits.changed, whole: false, pending: true })
  assert.deepEqual(await yata.clocks(), [])
  await yata.apply(a)
  await same(yata, await both([a, b]))
  yata.free()
})

test('trap 6: an item whose parent is text, deleted or collected becomes GC', async () => {
  const parents = of(1, 0, text('ab', inText), gc(2), type(0, inMap))
  for (const clock of [0, 1, 2, 3]) {
    await both([parents, of(2, 0, text('lost', { parent: [1, clock] }))])
    await both([parents, of(2, 0, any([1], { parent: [1, clock], sub: 'k' }), any([2], { origin: [2, 0] }))])
  }
  const gone = update([], [{ client: 1, ranges: [[4, 1]] }])
  await both([parents, gone, of(2, 0, text('late', { parent: [1, 4] }))])
  await both([parents, of(2, 0, text('early', { parent: [1, 4] })), gone])
  await both([gone, of(2, 0, text('early', { parent: [1, 4] })), parents])
  await both([parents, of(2, 0, text('early', { parent: [1, 4] })), gone], false)
})

test('trap 6: children inserted while the parent is deleted, every order', async () => {
  const base = by(1, null, doc => { doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')]) })
  const child = by(2, base, doc => {
    const text = new Y.XmlText('inside');
    (doc.getXmlFragment('xml').get(0) as Y.XmlElement).insert(0, [text])
    text.format(0, 3, { bold: true })
  })
  const gone = by(3, base, doc => { doc.getXmlFragment('xml').delete(0, 1) })
  for (const order of permutations([base, child, gone])) {
    await both(order)
    await both(order, false)
  }
})

test('trap 7: GC where an item is expected: as left, as right, at a split', async () => {
  const ground = of(1, 0, gc(6))
  await both([ground, of(2, 0, text('x', { origin: [1, 2] }))])
  await both([ground, of(2, 0, text('x', { right: [1, 3] }))])
  await both([ground, of(2, 0, text('x', { origin: [1, 2], right: [1, 3] }))])
  await both([of(1, 0, gc(3)), of(1, 1, gc(8)), of(1, 9, gc(1))])
})

test('trap 8: what follows a Skip waits until the gap is filled', async () => {
  const start = text('ab', inText)
  const end = text('ef', { origin: [9, 3] })
  const gap = of(9, 2, text('cd', { origin: [9, 1] }))
  await both([of(9, 0, start, skip(2), end), gap])
  await both([of(9, 0, start, skip(2), end), of(9, 2, text('c', { origin: [9, 1] })), of(9, 3, text('d', { origin: [9, 2] }))])
  await both([of(9, 0, start), of(9, 2, skip(2), end), gap])
  await both([of(9, 0, start), of(9, 0, skip(2), text('cd', { origin: [9, 1] }))])
  await both([gap, of(9, 0, start, skip(2), end)])
})

test('trap 8: merging of overlapping parts loses nothing', async () => {
  const doc = plainDoc({ clientID: 1 })
  const log: Uint8Array[] = []
  doc.on('update', u => { log.push(u) })
  for (const c of 'abcdefghijklmno') {
    doc.getText('text').insert(doc.getText('text').length, c)
  }
  const merged = [Y.mergeUpdates(log.slice(0, 10)), Y.mergeUpdates(log.slice(3))]
  await both([Y.mergeUpdates(merged)])
  await both([merged[1], merged[0]])
  await both([Y.mergeUpdates([log[0], ...log.slice(5)]), Y.mergeUpdates(log.slice(0, 7))])
})

test('trap 9: a deletion runs on through GC, over unknown clocks and unknown clients', async () => {
  const ground = of(1, 0, text('ab', inText), gc(3), text('cd', { origin: [1, 1] }), text('ef', { origin: [1, 6] }))
  await both([ground, update([], [{ client: 1, ranges: [[1, 7]] }])])
  await both([update([], [{ client: 1, ranges: [[0, 4], [6, 2]] }]), ground])
  await both([update([], [{ client: 1, ranges: [[0, 99]] }]), ground, of(1, 9, text('x'.repeat(90), { origin: [1, 8] }))])
  await both([ground, update([], [{ client: 77, ranges: [[0, 1]] }]), of(77, 0, text('x', inText))])
})

test('trap 9: ranges unsorted, overlapping, empty, twice', async () => {
  const ground = of(1, 0, text('abcdefghij', inText))
  for (const ranges of [[[5, 2], [0, 3], [1, 0]], [[0, 5], [3, 5], [4, 1]], [[2, 2], [2, 2]], [[0, 0]]]) {
    await both([ground, update([], [{ client: 1, ranges: ranges as Array<[number, number]> }])])
  }
  const twice = { client: 1, ranges: [[2, 2]] as Array<[number, number]> }
  await both([ground, update([], [twice, { client: 1, ranges: [[6, 1]] }])])
})

test('trap 9: what waits for a deletion is not lost when another update comes between', async () => {
  const one = of(1, 0, text('abc', inText))
  const two = of(1, 3, text('def', { origin: [1, 2] }))
  const cut = update([], [{ client: 1, ranges: [[1, 4]] }])
  for (const order of permutations([one, two, cut])) {
    await both([...order, of(5, 0, text('!', { origin: [1, 5] }))])
  }
})

test('trap 10: the state includes what waits', async () => {
  const missing = of(1, 0, text('abc', inText))
  const waiting = of(1, 3, text('def', { origin: [1, 2] }))
  const cut = update([], [{ client: 1, ranges: [[4, 1]] }])
  const yata = driver.doc()
  await yata.apply(waiting)
  await yata.apply(cut)
  const other = driver.doc()
  const fresh = plainDoc()
  const state = await yata.encodeState()
  for (const u of [state, missing]) {
    await other.apply(u)
    Y.applyUpdate(fresh, u)
  }
  await same(other, fresh)
  assert.equal(fresh.getText('text').toString(), 'abcdf')
  yata.free()
  other.free()
})

test('trap 11: the value of a key is the rightmost of its chain, in every order', async () => {
  const base = by(1, null, doc => { doc.getMap('map').set('k', 'base') })
  const rivals = [9, 5, 2 ** 50].map(client => by(client, base, doc => { doc.getMap('map').set('k', `of ${client}`) }))
  const later = by(3, Y.mergeUpdates([base, rivals[1]]), doc => { doc.getMap('map').set('k', 'later') })
  const gone = by(4, Y.mergeUpdates([base, rivals[0]]), doc => { doc.getMap('map').delete('k') })
  const states = new Set<string>()
  for (const order of permutations([...rivals, later, gone])) {
    const doc = await both([base, ...order])
    states.add(hex(Y.encodeStateAsUpdate(doc)))
  }
  assert.equal(states.size, 1)
})

test('trap 11: a chain of many collected predecessors', async () => {
  const doc = plainDoc({ clientID: 7 })
  for (let i = 0; i < 50; i++) {
    doc.getMap('map').set('k', i % 5 === 0 ? new Y.Map([['in', i]]) : i)
  }
  const base = Y.encodeStateAsUpdate(doc)
  const rivals = [3, 8].map(client => by(client, base, d => { d.getMap('map').set('k', client) }))
  await both([base, ...rivals])
  await both([rivals[1], rivals[0], base])
  await both([base, of(11, 0, { ...any(['old base'], { origin: [7, 3] }), bits: 0x20 })])
  await both([base, of(11, 0, any(['no base'], inMap))])
})

test('trap 11: a map with a long history of many clients of 53 bits, in every portion and order', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const rnd = new Random(seed)
    const log: Uint8Array[] = []
    const clients = Array.from({ length: 30 }, () => plainDoc({ clientID: rnd.uint32() * 2097151 + rnd.int(0, 2097150) }))
    for (const doc of clients) {
      doc.on('update', (u, origin) => { if (origin !== 'in') { log.push(u) } })
    }
    for (let i = 0; i < 150; i++) {
      const doc = rnd.pick(clients)
      if (rnd.chance(0.6)) { // what has been heard is a part of what was said
        rnd.shuffled(log).slice(0, rnd.int(1, 20)).forEach(u => { Y.applyUpdate(doc, u, 'in') })
      }
      const map = doc.getMap<unknown>('map')
      const key = rnd.pick(['a', 'b', 'c'])
      rnd.weighted<() => void>([
        [6, () => { map.set(key, i) }],
        [2, () => { map.delete(key) }],
        [2, () => { map.set(key, new Y.Map([['in', i]])) }],
        [2, () => { const m = map.get(key); if (m instanceof Y.Map) { m.set('in', -i) } }]
      ])()
    }
    const states = new Set<string>()
    for (let order = 0; order < 3; order++) {
      const updates = rnd.shuffled(log)
      const doc = await both(order === 0 ? log : order === 1 ? updates : [Y.mergeUpdates(updates)])
      states.add(JSON.stringify(Object.entries(doc.getMap('map').toJSON()).sort(([a], [b]) => a < b ? -1 : 1)))
    }
    assert.equal(states.size, 1)
  }
})

test('trap 12: blocks of length zero are dropped, what follows them is not', async () => {
  const after = text('a', inText)
  const empty = [text('', inText), any([], inArray), json([], inArray), gc(0), skip(0), deleted(0, inText)]
  for (const block of empty) {
    const yata = driver.doc()
    await yata.apply(of(1, 0, block, after))
    await same(yata, await both([of(1, 0, after)]))
    yata.free()
  }
})

test('trap 13: counts that promise more than there is are refused before anything is reserved', async () => {
  for (const huge of [0x7fffffff, 2 ** 32, 2 ** 40, big]) {
    const n = varUint(huge)
    const place = [1, 4, ...Buffer.from('text')]
    const bombs = [
      [...n], // clients
      [1, ...n, 1, 0], // structs
      [1, 1, 1, 0, 4, ...place, ...n, 0x61, 0], // string
      [1, 1, 1, 0, 8, ...place, ...n, 126, 0], // any values
      [1, 1, 1, 0, 2, ...place, ...n, 1, 0x31, 0], // JSON values
      [1, 1, 1, 0, 3, ...place, ...n, 1, 0], // bytes
      [1, 1, 1, 0, 8, ...place, 1, 117, ...n, 126, 0], // nested array
      [1, 1, 1, 0, 8, ...place, 1, 118, ...n, 0, 126, 0], // nested object
      [1, 1, 1, 0, 8, ...place, 1, 119, ...n, 0x61, 0], // nested string
      [1, 1, 1, 0, 4, 1, ...n, 0x61, 1, 0x61, 0], // root name
      [0, ...n], // clients of the delete set
      [0, 1, 1, ...n] // ranges
    ]
    for (const bomb of bombs) {
      await refusedWithoutTrace(Uint8Array.from(bomb))
    }
    await refused(driver.decodeStateVector(Uint8Array.from(n)))
    await refused(driver.awarenessRead(Uint8Array.from(n)))
    await refused(driver.awarenessRead(Uint8Array.from([1, 1, 1, ...n, 0x7b])))
  }
})

test('trap 13: a block may be long, its memory may not', async () => {
  for (const block of [gc(3_000_000), deleted(3_000_000, inText)]) {
    const yata = driver.doc()
    await yata.apply(of(1, 0, block))
    const stats = await yata.stats()
    assert.ok(stats.memoryBytes < 1 << 20, `${stats.memoryBytes} bytes for one block`)
    yata.free()
  }
  for (const block of [gc(big), deleted(big, inText), skip(big)]) { // and clocks do not overflow
    await refusedWithoutTrace(of(9, 5, block, text('x', inText)))
  }
})

test('trap 13: deep values and deep types end at a limit, not at the end of the stack', async () => {
  const deepAny = (depth: number): Uint8Array => of(1, 0, raw(8, [1, ...new Array<number[]>(depth).fill([117, 1]).flat(), 126], inArray))
  const deepTypes = (depth: number): Uint8Array => of(1, 0, type(0, inMap),
    ...Array.from({ length: depth }, (_, i) => type(0, { parent: [1, i] })))
  await both([deepAny(100)])
  await both([deepTypes(100), update([], [{ client: 1, ranges: [[0, 1]] }])])
  for (const depth of [1000, 20_000]) {
    const why = await refusedWithoutTrace(deepAny(depth), of(3, 0, text('abc', inText)))
    assert.ok(['LIMIT', 'MALFORMED'].includes(why.status))
  }
  const yata = driver.doc()
  for (const depth of [1000, 20_000]) {
    // Refused or taken, it must neither crash nor be taken in half.
    await yata.apply(deepTypes(depth)).catch(() => {})
    assert.ok([0, depth + 1].includes((await yata.clocks())[0]?.clock ?? 0))
    await yata.apply(update([], [{ client: 1, ranges: [[0, 1]] }])).catch(() => {})
    await yata.encodeState()
  }
  yata.free()
})

test('trap 13: refusal is atomic: cut at every byte', async () => {
  const content = by(5, null, doc => {
    doc.getText('text').insert(0, 'a😀b', { bold: true })
    doc.getMap('map').set('k', { a: [1, 2.5, 'x', null] })
    doc.getArray('array').insert(0, [new Y.Map(), Uint8Array.of(1, 2), 7n as never].slice(0, 2))
    doc.getXmlFragment('xml').insert(0, [new Y.XmlElement('p')])
    doc.getText('text').delete(0, 1)
  })
  const base = of(1, 0, text('abc', inText))
  for (let n = 0; n < content.length; n++) {
    await refusedWithoutTrace(content.subarray(0, n), base)
  }
  for (const { update: u } of handmade()) {
    for (let n = 0; n < u.length; n++) {
      await refusedWithoutTrace(u.subarray(0, n), base)
    }
  }
})

test('trap 13: refusal is atomic: every byte replaced', async () => {
  const base = of(1, 0, text('abc', inText))
  const rnd = new Random(1)
  const yata = driver.doc()
  await yata.apply(base)
  const before = hex(await yata.encodeState())
  for (const { name, update: u } of handmade()) {
    for (let at = 0; at < u.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, u[at] ^ 1, u[at] ^ 0x80, rnd.int(0, 255)]) {
        const bad = Uint8Array.from(u)
        bad[at] = value
        const where = `${name}: byte ${at} = ${value}: ${hex(bad)}`
        const other = driver.doc()
        await other.apply(base)
        const result = await other.apply(bad).catch((why: unknown) => why as YataError)
        const state = await other.encodeState()
        if (result instanceof YataError) {
          assert.equal(hex(state), before, where)
        } else {
          const third = driver.doc()
          await third.apply(state)
          assert.equal(hex(await third.stateVector()), hex(await other.stateVector()), where)
          third.free()
        }
        other.free()
      }
    }
  }
  yata.free()
})

test('trap 14: a thousand writers at one place, a thousand values of one key', async () => {
  const n = 1000
  const base = of(1, 0, text('ab', inText), any(['base'], inMap))
  const writers = Array.from({ length: n }, (_, i) => of(10 + i, 0, text(`${i}`, { origin: [1, 0], right: [1, 1] })))
  const setters = Array.from({ length: n }, (_, i) => of(10 + i, `${i}`.length, { ...any([i], { origin: [1, 2] }), bits: 0x20 }))
  const all = Y.mergeUpdates(new Random(3).shuffled([...writers, ...setters]))
  await both([base, all])
  const yata = driver.doc()
  await yata.apply(base)
  new Random(4).shuffled(writers).forEach(u => { yata.apply(u).catch(() => {}) })
  new Random(5).shuffled(setters).forEach(u => { yata.apply(u).catch(() => {}) })
  const doc = plainDoc()
  Y.applyUpdate(doc, base)
  Y.applyUpdate(doc, all)
  await same(yata, doc)
  yata.free()
})

test('trap 14: deletions of every second character of a long text', async () => {
  const holes = (n: number): Uint8Array[] => [
    of(1, 0, text('ab'.repeat(n), inText)),
    update([], [{ client: 1, ranges: Array.from({ length: n }, (_, i) => [2 * i, 1]) }])
  ]
  await both(holes(2000))
  await both([Y.mergeUpdates(holes(2000))], false)
  const yata = driver.doc()
  const started = Date.now()
  for (const u of holes(100_000)) {
    await yata.apply(u)
  }
  const state = await yata.encodeState()
  const second = driver.doc()
  await second.apply(state)
  assert.equal(hex(await second.encodeState()), hex(state))
  assert.ok(Date.now() - started < 5000, 'quadratic time would be minutes')
  yata.free()
  second.free()
})

test('trap 15: pending: kept within bounds, reported, gone when complete', async () => {
  const yata = driver.doc({ maxPendingBytes: 2000 })
  await yata.apply(of(1, 1, text('x'.repeat(500), { origin: [1, 0] })))
  assert.ok((await yata.stats()).pendingBytes > 500)
  const full = of(2, 1, text('x'.repeat(5000), { origin: [2, 0] }))
  const why = await refused(yata.apply(full))
  assert.equal(why.status, 'LIMIT')
  assert.ok((await yata.stats()).pendingBytes < 2000)
  await yata.apply(of(1, 0, text('a', inText)))
  assert.equal((await yata.stats()).pendingBytes, 0)
  assert.deepEqual(await yata.clocks(), [{ client: 1, clock: 501 }])
  await yata.apply(of(2, 0, text('a', inText)))
  await yata.apply(full) // and now it fits
  assert.deepEqual(await yata.clocks(), [{ client: 2, clock: 5001 }, { client: 1, clock: 501 }])
  yata.free()
})

test('trap 15: the same pending update again and again costs nothing more', async () => {
  const yata = driver.doc()
  const u = of(1, 5, text('x'.repeat(100), { origin: [1, 4] }))
  await yata.apply(u)
  const first = (await yata.stats()).pendingBytes
  for (let i = 0; i < 50; i++) {
    await yata.apply(u)
  }
  assert.ok((await yata.stats()).pendingBytes <= first * 2, 'it is kept once')
  yata.free()
})

test('trap 15: chains of updates that arrive backwards', async () => {
  const doc = plainDoc({ clientID: 1 })
  const log: Uint8Array[] = []
  doc.on('update', u => { log.push(u) })
  const other = plainDoc({ clientID: 2 })
  other.on('update', (u, origin) => { if (origin !== 'in') { log.push(u); Y.applyUpdate(doc, u, 'out') } })
  doc.on('update', (u, origin) => { if (origin !== 'out') { Y.applyUpdate(other, u, 'in') } })
  for (let i = 0; i < 30; i++) {
    const d = i % 2 === 0 ? doc : other
    d.getText('text').insert(i >> 1, `${i}`)
    d.getMap('map').set('k', i)
  }
  await both(log.slice().reverse())
})

test('limits: clients', async () => {
  const yata = driver.doc({ maxClients: 3 })
  for (const client of [1, 2, 3]) {
    await yata.apply(of(client, 0, text('a', inText)))
  }
  const state = hex(await yata.encodeState())
  assert.equal((await refused(yata.apply(of(4, 0, text('a', inText))))).status, 'LIMIT')
  assert.equal(hex(await yata.encodeState()), state)
  await yata.apply(of(3, 1, text('b', { origin: [3, 0] })))
  yata.free()
})

test('no-ops are recognised: known structs, known deletions, nothing at all', async () => {
  const a = by(1, null, doc => {
    doc.getText('text').insert(0, 'abc')
    doc.getMap('map').set('k', 1)
    doc.getMap('map').set('k', 2)
    doc.getText('text').delete(1, 1)
  })
  const yata = driver.doc()
  assert.deepEqual(await yata.apply(a), { changed: true, whole: true, pending: false })
  const nothing: Applied = { changed: false, whole: false, pending: false }
  for (const u of [a, Uint8Array.of(0, 0), update([], [{ client: 1, ranges: [[1, 1]] }]),
    of(1, 0, text('a', inText)), await yata.encodeState()]) {
    assert.deepEqual(await yata.apply(u), nothing)
    yata.begin()
    await yata.apply(u)
    assert.equal((await yata.commit()).length, 0, 'an empty transaction says nothing')
  }
  yata.begin()
  assert.equal((await yata.commit()).length, 0)
  yata.free()
})

test('whole: only when the bytes say exactly what changed', async () => {
  const yata = driver.doc()
  const flags = async (u: Uint8Array): Promise<string> => {
    const a = await yata.apply(u)
    return [a.changed && 'changed', a.whole && 'whole', a.pending && 'pending'].filter(Boolean).join(' ')
  }
  assert.equal(await flags(of(1, 0, text('ab', inText))), 'changed whole')
  assert.equal(await flags(of(1, 1, text('bc', { origin: [1, 0] }))), 'changed', 'overlap')
  assert.match(await flags(of(1, 5, text('f', { origin: [1, 4] }))), /pending$/)
  assert.equal(await flags(of(1, 3, text('de', { origin: [1, 2] }))), 'changed', 'and let others in')
  assert.equal(await flags(update([], [{ client: 1, ranges: [[0, 2]] }])), 'changed whole', 'deletion')
  assert.equal(await flags(update([], [{ client: 1, ranges: [[1, 2]] }])).then(f => f.split(' ')[0]), 'changed')
  yata.free()
})

const table: Array<[name: string, bytes: Uint8Array | number[], verdict: 'taken' | 'refused']> = [
  ['Skip with a high bit', of(1, 0, { ...skip(2), bits: 0x80 }, text('x', { origin: [1, 1] })), 'taken'],
  ['GC with a high bit', [1, 1, 1, 0, 0x80, 2, 0], 'taken'],
  ['content 11', of(1, 0, raw(11, [0], inText)), 'refused'],
  ['content 31', of(1, 0, raw(31, [0], inText)), 'refused'],
  ['type 7', of(1, 0, raw(7, [7], inText)), 'refused'],
  ['tag 115', of(1, 0, raw(8, [1, 115], inArray)), 'refused'],
  ['tag 0', of(1, 0, raw(8, [1, 0], inArray)), 'refused'],
  ['own clock as origin', of(1, 0, text('x', { origin: [1, 0] })), 'refused'],
  ['own clock as right origin', of(1, 0, text('x', { right: [1, 3] })), 'refused'],
  ['own clock as parent', of(1, 0, text('x', { parent: [1, 0] })), 'refused'],
  ['a client twice', update([{ client: 1, clock: 0, structs: [text('x', inText)] }, { client: 1, clock: 1, structs: [text('y', { origin: [1, 0] })] }]), 'refused'],
  ['UTF-8 cut short', of(1, 0, raw(4, [2, 0xe4, 0xb8], inText)), 'refused'],
  ['UTF-8 overlong', of(1, 0, raw(4, [2, 0xc0, 0x80], inText)), 'refused'],
  ['UTF-8 beyond Unicode', of(1, 0, raw(4, [4, 0xf4, 0x90, 0x80, 0x80], inText)), 'refused'],
  ['an encoded surrogate', of(1, 0, raw(4, [3, 0xed, 0xa0, 0x80], inText)), 'refused'],
  ['a byte order mark', of(1, 0, text('\ufeffx', inText)), 'taken'],
  ['a zero byte', of(1, 0, text('a\0b', { parent: 'text' })), 'taken'],
  ['a long form of a number', [0x81, 0, 0x81, 0x80, 0, 1, 0x80, 0, 4, 1, 1, 0x74, 0x81, 0, 0x61, 0x80, 0], 'taken'],
  ['parent info 2', [2, 1, 2, 0, 4, 2, 1, 0, 1, 0x78, 1, 1, 0, 7, 1, 1, 0x6d, 0, 0], 'taken'],
  ['trailing bytes', [...of(1, 0, text('x', inText)), 9, 9], 'taken'],
  ['no delete set', of(1, 0, text('x', inText)).subarray(0, -1), 'refused'],
  ['no bytes', [], 'refused'],
  ['JSON that is none', of(1, 0, raw(5, [1, 0x7b], inText)), 'refused'],
  ['JSON in a format that is none', of(1, 0, raw(6, [1, 0x62, 2, 0x5b, 0x5b], inText)), 'refused']
]

for (const [name, bytes, verdict] of table) {
  test(`decoder: ${name} is ${verdict}`, async () => {
    const u = Uint8Array.from(bytes)
    if (verdict === 'taken') {
      await driver.checkUpdate(u)
      await both([u])
    } else {
      await refusedWithoutTrace(u, of(3, 0, text('abc', inText)))
      await refused(driver.checkUpdate(u))
    }
  })
}

test('decoder: format V2 is never mistaken for content', async () => {
  for (let i = 0; i < 20; i++) {
    const doc = plainDoc({ clientID: i + 1 })
    doc.getText('text').insert(0, `text ${i}`)
    doc.getMap('map').set('k', i)
    const yata = driver.doc()
    const result = await yata.apply(Y.encodeStateAsUpdateV2(doc)).catch(() => null)
    assert.ok(result === null || !result.changed)
    assert.equal(hex(await yata.encodeState()), '0000')
    yata.free()
  }
})

test('decoder: sections in any order', async () => {
  const sections = [
    { client: 1, clock: 0, structs: [text('ab', inText)] },
    { client: 2, clock: 0, structs: [text('cd', { origin: [1, 0], right: [1, 1] })] },
    { client: big, clock: 0, structs: [text('ef', { origin: [2, 1], right: [1, 1] })] }
  ]
  for (const order of permutations(sections)) {
    await both([update(order, order.map(s => ({ client: s.client, ranges: [[1, 1]] as Array<[number, number]> })))])
  }
})

test('content: legacy JSON values split, merge and keep `undefined`', async () => {
  const values = ['1', 'undefined', '{"a":[1,"x"]}', 'null']
  const a = of(1, 0, json(values, inArray))
  const b = of(1, 4, json(['"more"'], { origin: [1, 3] }))
  await both([a, b])
  await both([a, of(2, 0, any(['x'], { origin: [1, 1], right: [1, 2] })), b])
  await both([a, update([], [{ client: 1, ranges: [[1, 2]] }])])
  await both([of(1, 0, json(values.slice(0, 2), inArray)), a])
})

test('content: what JavaScript writes for numbers and keys comes back unchanged', async () => {
  for (const value of [0, -0, 1, -1, 63, 64, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 40, 0.5, 0.1, NaN, Infinity, { b: 1, 9: 2, 10: 3 }]) {
    await both([by(1, null, doc => { doc.getArray('array').insert(0, [value, [value], { value }]) })])
  }
})

test('content: what others write for numbers and keys keeps its meaning', async () => {
  const key = (k: string, ...value: number[]): number[] => [k.length, ...Buffer.from(k), ...value]
  const foreign = [
    [0x7d, 0xbf, 0xff, 0xff, 0xff, 0xff, 0x01], // yrs: integers of more than 32 bits
    [0x7b, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], // float64 of an integer
    [0x7c, 0x4f, 0, 0, 0],
    [0x7b, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
    [118, 3, ...key('b', 126), ...key('10', 126), ...key('9', 126)], // yjs sorts integers first
    [118, 3, ...key('b', 126), ...key('a', 120), ...key('b', 121)] // and takes the last of equals
  ]
  for (const bytes of foreign) {
    const u = of(1, 0, raw(8, [1, ...bytes], inArray))
    const yata = driver.doc()
    await yata.apply(u)
    const [direct, relayed] = [plainDoc(), plainDoc()]
    Y.applyUpdate(direct, u)
    Y.applyUpdate(relayed, await yata.encodeState())
    assert.deepEqual(relayed.getArray('array').toArray(), direct.getArray('array').toArray())
    yata.free()
  }
})

test('content: embeds and formats keep canonical JSON text', async () => {
  for (const value of ['{"a":1.5}', '"x\\n\\u2028"', '[]', 'null', '-1e+30', '1e-7', '"\\ud83d"']) {
    const canonical = JSON.stringify(JSON.parse(value))
    const bytes = [...varUint(Buffer.byteLength(canonical)), ...Buffer.from(canonical)]
    await both([of(1, 0, raw(5, bytes, inText), raw(6, [1, 0x62, ...bytes], { origin: [1, 0] }))])
  }
})

test('content: a sub-document keeps guid and options, and can be replaced', async () => {
  const a = by(1, null, doc => { doc.getMap('map').set('k', new Y.Doc({ guid: 'g', autoLoad: true, meta: { n: 1 } })) })
  const b = by(2, a, doc => { doc.getMap('map').set('k', new Y.Doc({ guid: 'h', gc: false })) })
  await both([a, b])
  await both([b, a])
})

test('semantics: asking yjs what an event says deletes formats; libyata says the same and leaves them', async () => {
  const [one, other] = [plainDoc({ clientID: 1 }), plainDoc({ clientID: 2 })]
  one.getText('text').insert(0, 'abc')
  const before = Y.encodeStateAsUpdate(one)
  Y.applyUpdate(other, before)
  const formats: Uint8Array[] = []
  for (const doc of [one, other]) { // both make the same letter italic
    doc.on('update', (update: Uint8Array) => { formats.push(update) })
    doc.getText('text').format(1, 1, { italic: true })
  }
  const tell = (asked: boolean): { state: string, deltas: unknown[] } => {
    const doc = plainDoc()
    const deltas: unknown[] = []
    doc.getText('text').observe(event => { deltas.push(asked ? event.delta : null) })
    ;[before, ...formats].forEach(update => { Y.applyUpdate(doc, update) })
    return { state: hex(Y.encodeStateAsUpdate(doc)), deltas }
  }
  const [asked, left] = [tell(true), tell(false)]
  assert.notEqual(asked.state, left.state, 'yjs changes by being asked')

  const yata = driver.doc()
  await yata.apply(before)
  const command = new Writer().uint(3, 1).uint(0, 1).uint(5, 1).bytes(rootCommand(one).done())
  formats.forEach(update => { command.uint(update.length, 4).bytes(update) })
  const told = (await yata.read(command.done())).filter(part => part !== '').map(part => JSON.parse(part).delta)
  const saying = (deltas: any[]): unknown[] => deltas.filter(delta => delta.length > 0)
  assert.deepEqual(saying(told), saying(asked.deltas.slice(1)))
  assert.equal(hex(await yata.encodeState()), left.state)
  yata.free()
})

test('semantics: an old client undoes a map write under a deleted parent', async () => {
  const base = by(1, null, doc => { doc.getMap('map').set('k', new Y.Map([['in', 1]])) })
  const gone = by(2, base, doc => { doc.getMap('map').delete('k') })
  // the redone value names the value of the dead map as its origin (yjs/yjs#757)
  const redone = of(3, 0, { ...any([1], { origin: [1, 1] }), bits: 0x20 })
  for (const order of permutations([base, gone, redone])) {
    await both(order)
  }
})

test('semantics: garbage collection keeps the deleted item and empties what it held', async () => {
  const a = by(1, null, doc => {
    const map = new Y.Map<unknown>()
    doc.getArray('array').insert(0, ['x', map, 'y'])
    map.set('text', new Y.Text('inner'))
    map.set('text', new Y.Text('newer'))
  })
  const b = by(2, a, doc => { doc.getArray('array').delete(0, 3) })
  await both([a, b])
  await both([b, a])
  await both([Y.mergeUpdates([b, a])])
  await both([a, b], false)
})

test('semantics: the state of a document that kept its history is collected on load', async () => {
  const doc = plainDoc({ gc: false, clientID: 1 })
  doc.getArray('array').insert(0, [new Y.Text('abc'), 'x'])
  doc.getMap('map').set('k', new Y.Array())
  doc.getArray('array').delete(0, 2)
  doc.getMap('map').delete('k')
  await both([Y.encodeStateAsUpdate(doc)])
  await both([Y.encodeStateAsUpdate(doc)], false)
})

test('awareness: unknown counts as clock 0, equal clocks only remove', async () => {
  const state = '{}'
  const news = async (known: number, present: boolean, clock: number, s: string | null): Promise<boolean> =>
    await driver.awarenessIsNews(known, present, { client: 1, clock, state: s })
  assert.equal(await news(0, false, 0, state), false, 'a first word at clock 0')
  assert.equal(await news(0, false, 1, state), true)
  assert.equal(await news(5, true, 5, state), false)
  assert.equal(await news(5, true, 5, null), true)
  assert.equal(await news(5, false, 5, null), false)
  assert.equal(await news(5, false, 5, state), false, 'back at the same clock')
  assert.equal(await news(5, true, 4, null), false)
  assert.equal(await news(5, false, 6, null), true)
})

test('9. what one deletion has reached and another collects merges with both neighbours', async () => {
  const [one, two] = [plainDoc({ clientID: 1 }), plainDoc({ clientID: 2 })]
  const updates: Uint8Array[] = []
  const tell = (update: Uint8Array, origin: unknown): void => {
    if (origin !== 'remote') {
      updates.push(update)
      Y.applyUpdate(one, update, 'remote')
      Y.applyUpdate(two, update, 'remote')
    }
  }
  one.on('update', tell)
  two.on('update', tell)
  one.getArray('a').push([new Y.Array(), new Y.Array()])
  const [p, q] = two.getArray('a').toArray() as Array<Y.Array<unknown>>
  const child = new Y.Map()
  p.push([child])
  child.set('k', 1)
  q.push(['x'])
  const same = (one.getArray('a').get(0) as Y.Array<Y.Map<number>>).get(0)
  same.set('k', 2) // the value of two is deleted, and not the last one of its key
  one.getArray('a').delete(1)
  // the child first, and then the array that holds it: a delete set is in order of clients
  updates.push(update([], [{ client: 2, ranges: [[0, 1]] }, { client: 1, ranges: [[0, 1]] }]))
  const doc = await both(updates)
  assert.equal(doc.store.clients.get(2)?.length, 1)
})
