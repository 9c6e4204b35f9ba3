// A failure shrinks, in every mode: a driver that lies now and then is found out, and what is left of
// the history is small, still fails, and is printed with what led to it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Driver, Op } from './driver.ts'
import { describe, type ModeName, modeNames, tellMode } from './modes.ts'

/** Which answer is a lie, once it is this long: small documents are spared, so that several steps matter. */
const lies: Record<ModeName, { op: Op, bytes: number, most: number }> = {
  plain: { op: Op.EncodeState, bytes: 60, most: 8 },
  awareness: { op: Op.AwarenessRead, bytes: 100, most: 1 },
  formats: { op: Op.EncodeStateAs, bytes: 120, most: 8 },
  holes: { op: Op.EncodeState, bytes: 80, most: 8 },
  collected: { op: Op.EncodeState, bytes: 60, most: 6 },
  hostile: { op: Op.EncodeState, bytes: 120, most: 6 },
  reading: { op: Op.Read, bytes: 2000, most: 8 },
  writing: { op: Op.Commit, bytes: 60, most: 4 },
  reverting: { op: Op.CommitAs, bytes: 40, most: 10 }
}

class Liar extends Driver {
  constructor (private readonly mode: ModeName) {
    super()
  }

  protected override heard (op: Op, body: Buffer): Buffer {
    const lie = lies[this.mode]
    if (op === lie.op && body[0] === 0 && body.length > lie.bytes) {
      const false_ = Buffer.from(body)
      false_[body.length - 1] ^= 1
      return false_
    }
    return body
  }
}

for (const mode of modeNames) {
  test(`a failure of ${mode} histories shrinks`, async t => {
    const driver = new Liar(mode)
    t.after(async () => { await driver.close() })
    const least = mode === 'awareness' ? 2 : 6
    let seed = 1
    let told = await tellMode(mode, seed, driver)
    while (told.failure === null || told.steps < least) {
      assert.ok(seed < 200, 'the lie is found out')
      told = await tellMode(mode, ++seed, driver)
    }
    const text = await describe(seed, told, driver, 10_000)
    const [, kept, steps] = text.match(/^shrunk to (\d+) of (\d+) steps:$/m) ?? []
    assert.ok(Number(kept) <= lies[mode].most && Number(kept) < Number(steps), `${kept} of ${steps} are left:\n${text}`)
    assert.match(text, new RegExp(`--seed ${seed} --only ${mode}\\)`))
    assert.match(text.slice(text.indexOf('shrunk')), /[0-9a-f]{20}/, 'the bytes that lead to it are printed')
  })
}
