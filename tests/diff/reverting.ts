// Reverting: libyata takes a document back to an older state, and yjs shows that it is as it was.
//
// A few clients edit and exchange updates; a server, a libyata document with a yjs mirror, hears them,
// and keeps its state now and then, in either format or as a snapshot. Later it is told to go back.
// Promised:
//
//   - the update that this makes is taken by yjs, where the document then shows what a document loaded
//     from the old state shows: text with attributes and embeds, arrays, maps, XML, subdocuments;
//   - libyata and yjs still have the same bytes, and so do all clients, with edits that were made
//     meanwhile, once all has arrived;
//   - going back once more changes nothing; going back to what was before undoes it;
//   - what the edits since have left alone keeps its ids.

import { inspect, isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import type { Driver, Format, YataDoc } from './driver.ts'
import { deleteParent, edit, showDoc } from './edits.ts'
import { explain, hex, Mismatch, plainDoc } from './history.ts'
import { type Steps } from './random.ts'

const remote = 'remote'

/** A state to go back to. */
interface Old { shown: unknown[], bytes: Uint8Array, format: Format, snapshot: boolean, alive: Set<string> }

/** The ids of all that is there. */
function alive (doc: Y.Doc): Set<string> {
  const ids = new Set<string>()
  for (const [client, structs] of doc.store.clients) {
    for (const s of structs) {
      for (let i = 0; i < s.length && !s.deleted; i++) {
        ids.add(`${client}:${s.id.clock + i}`)
      }
    }
  }
  return ids
}

/** Whether the document has text in which a pair was cut: what is at the cut has to be replaced. */
function hasCut (shown: unknown): boolean {
  return JSON.stringify(shown, (_, x) => typeof x === 'bigint' ? String(x) : x).includes('\ufffd')
}

class RevertingHistory {
  private readonly trace: string[] = []
  private readonly mirror: Y.Doc
  private readonly yata: YataDoc
  private readonly clients: Y.Doc[] = []
  /** what has not come to the server yet */
  private toServer: Uint8Array[] = []
  private readonly olds: Old[] = []
  private step = 0
  private writer: number

  constructor (private readonly rnd: Steps, driver: Driver) {
    const gc = this.rnd.chance(0.7)
    this.mirror = plainDoc({ gc })
    this.yata = driver.doc({ noGc: !gc })
    this.writer = this.rnd.int(1, 2 ** 31)
    for (let n = this.rnd.int(1, 3); n > 0; n--) {
      const doc = plainDoc({ clientID: this.rnd.uint32() })
      doc.on('update', (update: Uint8Array, origin: unknown) => {
        if (origin !== remote) {
          this.toServer.push(update)
        }
      })
      this.clients.push(doc)
    }
  }

  private fail (what: string, expected: string, got: string): never {
    throw new Mismatch(this.step, `reverting: ${what}`, expected, got, this.trace)
  }

  private equal (what: string, got: unknown, expected: unknown): void {
    if (!isDeepStrictEqual(got, expected)) {
      this.fail(what, inspect(expected, { depth: 12 }), inspect(got, { depth: 12 }))
    }
  }

  private async sameBytes (what: string): Promise<void> {
    const [got, expected] = [await this.yata.encodeState(), Y.encodeStateAsUpdate(this.mirror)]
    if (Buffer.compare(got, expected) !== 0) {
      this.fail(`${what}${explain(expected, got)}`, hex(expected), hex(got))
    }
  }

  private async hear (): Promise<void> {
    for (const update of this.toServer.splice(0)) {
      this.trace.push(`A apply V1 ${hex(update)}`)
      await this.yata.apply(update)
      Y.applyUpdate(this.mirror, update, remote)
    }
  }

  private tell (): void {
    for (const client of this.clients) {
      if (this.rnd.chance(0.7)) {
        Y.applyUpdate(client, Y.encodeStateAsUpdate(this.mirror, Y.encodeStateVector(client)), remote)
      }
    }
  }

  private async keep (): Promise<void> {
    const format: Format = this.rnd.pick([1, 2])
    const snapshot = !this.mirror.gc && this.rnd.chance(0.5)
    const bytes = snapshot ? await this.yata.snapshotAs(format) : await this.yata.encodeStateAs(format)
    this.olds.push({ shown: this.shown(), bytes, format, snapshot, alive: alive(this.mirror) })
  }

  /** As a document shows it that was loaded from the state, so that no halves of pairs remain. */
  private shown (of = this.mirror): unknown[] {
    const doc = plainDoc()
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(of))
    return showDoc(doc)
  }

  private at (old: Old): Y.Doc {
    const snapshot = (old.format === 1 ? Y.decodeSnapshot : Y.decodeSnapshotV2)(old.bytes)
    return Y.createDocFromSnapshot(this.mirror, snapshot, plainDoc())
  }

  private async revert (old: Old): Promise<Buffer> {
    this.trace.push(`revert V${old.format}${old.snapshot ? ' snapshot' : ''} ${hex(old.bytes)}`)
    const format: Format = this.rnd.pick([1, 2])
    await this.yata.setClient(this.writer)
    this.yata.begin()
    const reverted = old.snapshot
      ? this.yata.revertToSnapshot(old.format, old.bytes)
      : this.yata.revert(old.format, old.bytes)
    const update = await this.yata.commitAs(format)
    await reverted.catch((why: unknown) => this.fail('revert', 'done', String(why)))
    if (update.length > 0) {
      (format === 1 ? Y.applyUpdate : Y.applyUpdateV2)(this.mirror, update, remote)
    }
    return update
  }

  private async goBack (): Promise<void> {
    const old = this.rnd.pick(this.olds)
    const before: Old = {
      shown: this.shown(),
      bytes: await this.yata.encodeState(),
      format: 1,
      snapshot: false,
      alive: alive(this.mirror)
    }
    // a pair that was cut since remains so in a document that keeps what is deleted
    const expected = old.snapshot ? this.shown(this.at(old)) : old.shown
    await this.revert(old)
    this.equal('what yjs shows', this.shown(), expected)
    await this.sameBytes('state after it')
    const now = alive(this.mirror)
    if (!hasCut([before.shown, old.shown])) {
      this.equal('what was left alone', [...before.alive].filter(id => old.alive.has(id) && !now.has(id)), [])
    }
    if ((await this.revert(old)).length > 0) {
      this.fail('once more', 'nothing', 'an update')
    }
    if (this.rnd.chance(0.4)) {
      await this.revert(before)
      this.equal('what yjs shows once it is undone', this.shown(), before.shown)
      await this.sameBytes('state once it is undone')
    }
    if (this.rnd.chance(0.3)) {
      this.writer++
    }
  }

  async run (): Promise<void> {
    const { rnd } = this
    for (let n = rnd.int(10, 60); n > 0; n--) {
      this.step++
      if (!rnd.step()) {
        continue
      }
      await rnd.weighted<() => Promise<void> | void>([
        [20, () => { edit(rnd, rnd.pick(this.clients)) }],
        [2, () => { deleteParent(rnd, rnd.pick(this.clients)) }],
        [6, async () => { await this.hear() }],
        [4, () => { this.tell() }],
        [4, async () => { await this.keep() }],
        [4, async () => { if (this.olds.length > 0) { await this.goBack() } }]
      ])()
    }
    await this.hear()
    for (const client of this.clients) {
      Y.applyUpdate(client, Y.encodeStateAsUpdate(this.mirror, Y.encodeStateVector(client)), remote)
      const shown = [this.shown(client), this.shown()]
      if (!hasCut(shown)) { // who cut a pair itself may have done so alone
        this.equal('what a client shows', shown[0], shown[1])
      }
    }
    await this.sameBytes('the last state')
  }

  async tellAll (): Promise<Mismatch | null> {
    try {
      await this.run()
      return null
    } catch (why) {
      return why instanceof Mismatch
        ? why
        : new Mismatch(this.step, 'reverting: threw', 'no error', String((why as Error).stack), this.trace)
    } finally {
      this.yata.free()
    }
  }
}

export async function revertingHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  return await new RevertingHistory(rnd, driver).tellAll()
}
