// Traps of format V2: values in two notations, run-length bombs, keys by reference, halves of pairs.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { Driver, YataError } from './driver.ts'
import { hex, plainDoc } from './history.ts'

const driver = new Driver()
after(async () => { assert.equal(await driver.close(), 0, 'the driver ends without a leak') })

const values = [0, -0, 1, -1, 63, 64, -64, 8191, 8192, 2147483647, 2147483648, -2147483648, 0.5, 1.5,
  0.1, -0.1, 1e21, 1e20, 123456789012345680000, 1e-6, 1e-7, 1.5e-9, 123456.789, 5e-324,
  1.7976931348623157e308, 3.4028234663852886e38, 1e39, 16777217, 9007199254740991, 9007199254740993,
  1 / 3, 4.35, 1e23, 2.2250738585072014e-308, null, true, false, '', 'a"\\\b\f\n\r\t\u0001\u001f/\u2028😀',
  [], {}, [1, [2, []]], { a: 1, b: { c: [null, true] } }, [undefined, 1], { u: undefined, k: NaN },
  [Infinity], new Uint8Array([1, 255]), Array.from({ length: 130 }, (_, i) => i),
  Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, [i / 7]]))]

for (const [i, value] of values.entries()) {
  test(`value ${i} in both notations`, async () => {
    const doc = plainDoc({ clientID: 1 })
    doc.getText('t').insertEmbed(0, { v: value })
    doc.getText('t').insert(0, 'x', { k: value })
    const v2 = Y.encodeStateAsUpdateV2(doc)
    const v1 = Y.convertUpdateFormatV2ToV1(v2)
    assert.equal(hex(await driver.convertUpdate(2, 1, v2)), hex(v1))
    assert.equal(hex(await driver.convertUpdate(1, 2, v1)), hex(Y.convertUpdateFormatV1ToV2(v1)))
    assert.equal(hex(await driver.convertUpdate(2, 2, v2)), hex(v2))
    const yata = driver.doc()
    await yata.applyAs(2, v2)
    assert.equal(hex(await yata.encodeStateAs(2)), hex(v2))
    assert.equal(hex(await yata.encodeState()), hex(Y.encodeStateAsUpdate(doc)))
    yata.free()
  })
}

for (const text of ['{ "a" : 1.50 , "b":[ ] }', '"\\u00e4\\ud83d\\ude00\\ud83d\\/\\b"', '1E3', '-0', '-0.0', '1e999',
  '0.1e-400', '123456789012345678901234567890', ' [1 , 2 ]', `${'1'.repeat(400)}.5`, '[[],{}]']) {
  test(`JSON ${text.slice(0, 30)}`, async () => {
    const e = encoding.createEncoder()
    encoding.writeUint8Array(e, Uint8Array.of(1, 1, 1, 0, 5, 1, 1, 0x74))
    encoding.writeVarString(e, text)
    encoding.writeUint8(e, 0)
    const v1 = encoding.toUint8Array(e)
    assert.equal(hex(await driver.convertUpdate(1, 2, v1)), hex(Y.convertUpdateFormatV1ToV2(v1)))
  })
}

/** Columns in the order of the format, then the rest. */
function v2 (columns: Partial<Record<string, number[]>>, rest: number[]): Uint8Array {
  const e = encoding.createEncoder()
  encoding.writeVarUint(e, 0)
  for (const name of ['keyClock', 'client', 'left', 'right', 'info', 'string', 'parent', 'typeRef', 'len']) {
    encoding.writeVarUint8Array(e, Uint8Array.from(columns[name] ?? (name === 'string' ? [0] : [])))
  }
  encoding.writeUint8Array(e, Uint8Array.from(rest))
  return encoding.toUint8Array(e)
}

async function refused (update: Uint8Array): Promise<YataError> {
  const doc = driver.doc()
  const before = (await doc.stats()).memoryBytes
  const why = await doc.applyAs(2, update).then(() => null, (e: unknown) => e)
  assert.ok(why instanceof YataError, 'refused')
  assert.ok((await doc.stats()).memoryBytes < before + 65536, 'no memory kept')
  assert.equal(hex(await doc.encodeState()), '0000')
  doc.free()
  return why
}

const million = [0xc0, 0x84, 0x3d]
const threeMillion = [0xc0, 0x8d, 0xb7, 0x01]

test('a run of millions of structs in 25 bytes is refused', async () => {
  const gc = { client: [1], info: [0], len: [0x41, ...million] }
  assert.equal((await refused(v2(gc, [1, ...threeMillion, 0, 0]))).status, 'LIMIT')
  const type = { client: [1], info: [7], parent: [1], string: [1, 0x74, 0x41, ...million], typeRef: [0x40, ...million] }
  assert.equal((await refused(v2(type, [1, ...threeMillion, 0, 0]))).status, 'LIMIT')
})

test('a run of collected structs that is not too long is one struct', async () => {
  const doc = driver.doc()
  await doc.applyAs(2, v2({ client: [1], info: [0], len: [0x41, ...million] }, [1, 0xd0, 0x86, 0x03, 0, 0]))
  assert.equal((await doc.stats()).structs, 1)
  assert.deepEqual(await doc.clocks(), [{ client: 1, clock: 50000 }])
  doc.free()
})

test('a long key that is used very often is refused', async () => {
  const key = Array.from({ length: 20000 }, () => 0x6b)
  const n = 20000
  const e = encoding.createEncoder()
  encoding.writeUint8Array(e, Uint8Array.from([1]))
  encoding.writeVarUint(e, n)
  encoding.writeUint8Array(e, Uint8Array.from([0]))
  const rest = [...encoding.toUint8Array(e), ...Array.from({ length: n }, () => 126), 0]
  const strings = encoding.createEncoder()
  encoding.writeVarString(strings, `${'k'.repeat(key.length)}${'t'.repeat(1)}`)
  // root name "t" is wanted first: give the text as t, key
  const s = encoding.createEncoder()
  encoding.writeVarString(s, `t${'k'.repeat(key.length)}`)
  const lengths = new encoding.UintOptRleEncoder()
  lengths.write(1)
  lengths.write(key.length)
  encoding.writeUint8Array(s, lengths.toUint8Array())
  const keyClock = new encoding.IntDiffOptRleEncoder()
  const left = new encoding.IntDiffOptRleEncoder()
  const client = new encoding.UintOptRleEncoder()
  client.write(1)
  for (let i = 0; i < n; i++) {
    keyClock.write(0)
    if (i > 0) {
      client.write(1)
      left.write(i - 1)
    }
  }
  const update = v2({
    keyClock: [...keyClock.toUint8Array()],
    client: [...client.toUint8Array()],
    left: [...left.toUint8Array()],
    info: [6, 0, 0x86],
    string: [...encoding.toUint8Array(s)],
    parent: [1]
  }, rest)
  assert.equal((await refused(update)).status, 'LIMIT')
})

test('keys may be referred to', async () => {
  const client = new encoding.UintOptRleEncoder()
  const left = new encoding.IntDiffOptRleEncoder()
  const keyClock = new encoding.IntDiffOptRleEncoder()
  for (let i = 0; i < 3; i++) {
    client.write(1)
    keyClock.write(0)
  }
  left.write(0)
  left.write(1)
  const update = v2({
    keyClock: [...keyClock.toUint8Array()],
    client: [...client.toUint8Array()],
    left: [...left.toUint8Array()],
    info: [6, 0, 0x86],
    string: [2, 0x74, 0x62, 0x41, 0],
    parent: [1]
  }, [1, 3, 0, 120, 126, 120, 0])
  const doc = plainDoc()
  Y.applyUpdateV2(doc, update)
  const yata = driver.doc()
  await yata.applyAs(2, update)
  assert.equal(hex(await yata.encodeState()), hex(Y.encodeStateAsUpdate(doc)))
  assert.equal(hex(await yata.encodeStateAs(2)), hex(Y.encodeStateAsUpdateV2(doc)))
  yata.free()
})

test('one update is merged to itself, none to nothing', async () => {
  assert.equal(hex(await driver.mergeUpdates(1, [Uint8Array.of(9, 9, 9)])), '090909')
  assert.equal(hex(await driver.mergeUpdates(2, [Uint8Array.of(9, 9, 9)])), '090909')
  assert.equal(hex(await driver.mergeUpdates(1, [])), hex(Y.mergeUpdates([])))
  assert.equal(hex(await driver.mergeUpdates(2, [])), hex(Y.mergeUpdatesV2([])))
})

test('values that JSON cannot say survive waiting', async () => {
  const writer = plainDoc({ clientID: 1 })
  const updates: Uint8Array[] = []
  writer.on('updateV2', update => { updates.push(update) })
  writer.getText('t').insert(0, 'a')
  writer.getText('t').insertEmbed(1, { bytes: Uint8Array.of(1), none: undefined })
  const yata = driver.doc()
  assert.equal((await yata.applyAs(2, updates[1])).pending, true)
  await yata.applyAs(2, updates[0])
  assert.equal(hex(await yata.encodeStateAs(2)), hex(Y.encodeStateAsUpdateV2(writer)))
  yata.free()
})

test('a merge of a thousand updates is not slow', async () => {
  const doc = plainDoc({ clientID: 1 })
  const other = plainDoc({ clientID: 2 })
  const updates: Uint8Array[] = []
  for (const d of [doc, other]) {
    d.on('update', update => { updates.push(update) })
    for (let i = 0; i < 500; i++) {
      d.getText('t').insert(i >> 1, 'x')
    }
  }
  const start = performance.now()
  const merged = await driver.mergeUpdates(1, updates)
  assert.ok(performance.now() - start < 1000)
  assert.equal(hex(merged), hex(Y.mergeUpdates(updates)))
})

// The documented difference to yjs: half a pair is U+FFFD at once. Exactly: a document of libyata that
// hears V2 is what one of yjs is that hears the same by way of V1, which is what travels. Halves live
// in V2 only where two structs of one update follow each other.
for (const [what, clients, at, shown] of [
  ['side by side in the text', [2, 1], 2, 'x\u{1f600}y'],
  ['apart in the text', [1, 1], 0, '\ude00yx\ud83d']] as Array<[string, number[], number, string]>) {
  test(`halves of a pair, ${what}, are U+FFFD at once: as if they had come in V1`, async () => {
    const doc = plainDoc()
    for (const [i, half] of ['x\ud83d', '\ude00y'].entries()) {
      doc.clientID = clients[i]
      doc.getText('t').insert(i * at, half)
    }
    const v2 = Y.encodeStateAsUpdateV2(doc)
    const v1 = Y.convertUpdateFormatV2ToV1(v2)
    const [byV1, byV2] = [plainDoc(), plainDoc()]
    Y.applyUpdate(byV1, v1)
    Y.applyUpdateV2(byV2, v2)
    assert.equal(byV2.getText('t').toString(), shown, 'yjs keeps the halves')
    assert.equal(byV1.getText('t').toString().replaceAll(/[xy]/g, ''), '\ufffd\ufffd')
    const yata = driver.doc()
    await yata.applyAs(2, v2)
    assert.equal(hex(await yata.encodeState()), hex(Y.encodeStateAsUpdate(byV1)))
    assert.equal(hex(await yata.encodeState()), hex(Y.encodeStateAsUpdate(byV2)), 'V1 of yjs says the same')
    assert.equal(hex(await yata.encodeStateAs(2)), hex(Y.encodeStateAsUpdateV2(byV1)))
    assert.notEqual(hex(await yata.encodeStateAs(2)), hex(Y.encodeStateAsUpdateV2(byV2)), 'V2 is where they differ')
    assert.equal(hex(await yata.snapshot()), hex(Y.encodeSnapshot(Y.snapshot(byV2))), 'lengths are those of yjs')
    assert.equal(hex(await driver.convertUpdate(2, 1, v2)), hex(v1))
    yata.free()
  })
}
