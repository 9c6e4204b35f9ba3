// libyata as a client that writes: a yjs document with the same client id makes the same edits and
// hears the same of others, and every update of the two must be the same bytes.

import * as Y from 'yjs'
import { type Driver, YataError } from './driver.ts'
import { edit, roots } from './edits.ts'
import { explain, hex, Mismatch, plainDoc } from './history.ts'
import { type Steps } from './random.ts'
import { randomEdits } from './write.ts'

const remote = 'remote'

export async function writingHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  const client = rnd.chance(0.2) ? rnd.int(2 ** 31, 2 ** 32 - 1) * 2 ** 20 + 5 : rnd.int(1, 2 ** 32 - 1)
  const gc = rnd.chance(0.8)
  const objects = rnd.chance(0.3)
  const judge = plainDoc({ gc, clientID: client })
  roots(judge)
  const yata = driver.doc({ noGc: !gc })
  const others = [0, 1].map(i => plainDoc({ clientID: rnd.int(1, 2 ** 32 - 1) + i, gc }))
  others.forEach(roots)
  const toOthers: Uint8Array[] = []
  const fromOthers: Uint8Array[] = []
  let emitted: Uint8Array[] = []
  const trace: string[] = []
  judge.on('update', (update, origin) => {
    emitted.push(update)
    if (origin !== remote) {
      toOthers.push(update)
    }
  })
  for (const other of others) {
    other.on('update', (update, origin) => {
      if (origin !== remote) {
        fromOthers.push(update)
        others.filter(o => o !== other).forEach(o => { Y.applyUpdate(o, update, remote) })
      }
    })
  }

  let failure: Mismatch | null = null
  const checks: Array<Promise<void>> = []
  const check = (step: number, what: string, got: Promise<Uint8Array>, expected: Uint8Array): void => {
    const traced = trace.length
    checks.push(got.then(bytes => {
      if (Buffer.compare(bytes, expected) !== 0) {
        failure ??= new Mismatch(step, `writing: ${what}${explain(expected, bytes)}`, hex(expected), hex(bytes),
          trace.slice(0, traced))
      }
    }, (why: unknown) => {
      failure ??= new Mismatch(step, `writing: ${what}: threw`, 'no error',
        why instanceof YataError ? why.message : String(why), trace.slice(0, traced))
    }))
  }
  const write = (step: number, text: string, command: Uint8Array): void => {
    trace.push(text)
    check(step, text, yata.write(command).then(() => new Uint8Array(0)), new Uint8Array(0))
  }

  const transaction = (step: number): void => {
    const told = rnd.chance(0.8)
    emitted = []
    if (told) {
      yata.begin()
      trace.push('begin')
    }
    const run = (): void => {
      for (let n = told ? rnd.int(1, 4) : 1; n > 0; n--) {
        const edits = randomEdits(rnd, judge, objects)
        for (const e of told ? edits : edits.slice(0, 1)) {
          write(step, e.text, e.command)
          e.judge()
        }
      }
    }
    judge.transact(run)
    if (told) {
      check(step, 'update', yata.commit(), emitted[0] ?? new Uint8Array(0))
    }
    check(step, 'state', yata.encodeState(), Y.encodeStateAsUpdate(judge))
  }

  const receive = (step: number): void => {
    for (const update of fromOthers.splice(0, rnd.int(1, 4))) {
      trace.push(`apply ${hex(update)}`)
      Y.applyUpdate(judge, update, remote)
      check(step, 'apply', yata.apply(update).then(() => new Uint8Array(0)), new Uint8Array(0))
    }
    check(step, 'state after apply', yata.encodeState(), Y.encodeStateAsUpdate(judge))
  }

  /** Long lists, so that places are found by a table. */
  const fragment = (doc: Y.Doc): void => {
    const [text, array] = [doc.getText(rnd.pick(['text', 'plain'])), doc.getArray('array')]
    doc.transact(() => {
      for (let n = rnd.int(100, 700); n > 0; n--) {
        const at = rnd.int(0, text.length)
        text.insert(at, rnd.pick(['a', 'bc', '😀']), rnd.chance(0.05) ? { bold: rnd.chance(0.5) ? true : null } : undefined)
        if (n % 4 === 0) {
          array.insert(rnd.int(0, array.length), [n])
        }
        if (n % 16 === 0) {
          text.delete(at, 1)
        }
      }
    })
  }

  checks.push(yata.setClient(client))
  if (rnd.chance(0.15)) {
    fragment(others[0])
  }
  const steps = rnd.int(5, 40)
  for (let step = 0; step < steps; step++) {
    if (!rnd.step()) {
      continue
    }
    rnd.weighted<() => void>([
      [6, () => { transaction(step) }],
      [2, () => { receive(step) }],
      [2, () => { edit(rnd, rnd.pick(others), objects) }],
      [1, () => { toOthers.splice(0).forEach(u => { others.forEach(o => { Y.applyUpdate(o, u, remote) }) }) }]
    ])()
  }
  fromOthers.splice(0).forEach(u => {
    Y.applyUpdate(judge, u, remote)
    yata.apply(u).catch(() => {})
  })
  check(steps, 'last state', yata.encodeState(), Y.encodeStateAsUpdate(judge))
  yata.free()
  await Promise.all(checks)
  return failure
}
