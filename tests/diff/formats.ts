// Format V2, the functions without a document, and snapshots, told to npm yjs and to libyata.
//
// A few clients edit and exchange; what they emit goes to one libyata document and its yjs mirror as
// V1 or V2, in any order, one by one or several in a transaction. Promised, byte for byte:
//
//   - what a transaction emits, in either format, whatever format its updates had;
//   - state, difference and snapshot in either format, once everything has arrived;
//   - mergeUpdates, diffUpdate, convertUpdateFormat, encodeStateVectorFromUpdate, parseUpdateMeta,
//     decodeUpdate, of updates with gaps, overlaps and different order of arguments;
//   - the document at an earlier snapshot;
//   - damaged bytes of V2 are refused without a trace, or taken.

import { inspect, isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { type Driver, type Format, type YataDoc, YataError } from './driver.ts'
import { deleteParent, edit } from './edits.ts'
import { damaged, explain, hex, isPending, Mismatch, plainDoc } from './history.ts'
import { type Steps } from './random.ts'

const formats: Format[] = [1, 2]
const kinds = ['', 'ContentDeleted', 'ContentJSON', 'ContentBinary', 'ContentString', 'ContentEmbed',
  'ContentFormat', 'ContentType', 'ContentAny', 'ContentDoc']

/** The functions of yjs, by format. */
const yjs = {
  1: {
    state: Y.encodeStateAsUpdate,
    snapshot: Y.encodeSnapshot,
    merge: Y.mergeUpdates,
    diff: Y.diffUpdate,
    vector: Y.encodeStateVectorFromUpdate,
    meta: Y.parseUpdateMeta,
    decode: Y.decodeUpdate
  },
  2: {
    state: Y.encodeStateAsUpdateV2,
    snapshot: Y.encodeSnapshotV2,
    merge: Y.mergeUpdatesV2,
    diff: Y.diffUpdateV2,
    vector: (u: Uint8Array) => Y.encodeStateVectorFromUpdateV2(u),
    meta: (u: Uint8Array) => Y.parseUpdateMetaV2(u),
    decode: (u: Uint8Array) => Y.decodeUpdateV2(u)
  }
}

/** One update in both formats. */
type Both = Record<Format, Uint8Array>

class FormatsHistory {
  private readonly trace: string[] = []
  private readonly log: Both[] = []
  private readonly mirror: Y.Doc
  private readonly yata: YataDoc
  private readonly clients: Y.Doc[] = []
  private emitted: Both | null = null
  private missing: number[] = []
  private step = 0

  constructor (private readonly rnd: Steps, private readonly driver: Driver) {
    const gc = this.rnd.chance(0.6)
    this.mirror = plainDoc({ gc })
    this.yata = driver.doc({ noGc: !gc })
    let v1: Uint8Array = new Uint8Array(0)
    this.mirror.on('update', update => { v1 = update })
    this.mirror.on('updateV2', update => { this.emitted = { 1: v1, 2: update } })
    for (let n = this.rnd.int(1, 4); n > 0; n--) {
      const clientID = this.rnd.pick([n, this.rnd.uint32(), Number.MAX_SAFE_INTEGER - n])
      const doc = plainDoc({ clientID })
      doc.on('update', (update, origin) => {
        if (origin !== 'remote') {
          this.missing.push(this.log.length)
          // by way of V1, so that no half of a surrogate pair is in it
          this.log.push({ 1: update, 2: Y.convertUpdateFormatV1ToV2(update) })
        }
      })
      this.clients.push(doc)
    }
  }

  private fail (what: string, expected: string, got: string): never {
    throw new Mismatch(this.step, `formats: ${what}`, expected, got, this.trace)
  }

  private async bytes (what: string, promise: Promise<Uint8Array>, expected: Uint8Array,
    format: Format | null = null): Promise<void> {
    const got = await promise.catch((why: unknown) => this.fail(what, hex(expected), String(why)))
    if (Buffer.compare(got, expected) !== 0) {
      let details = ''
      if (format !== null) {
        details = format === 1
          ? explain(expected, got)
          : explain(Y.convertUpdateFormatV2ToV1(expected), convertedOrEmpty(got))
      }
      this.fail(`${what}${details}`, hex(expected), hex(got))
    }
  }

  private equal (what: string, got: unknown, expected: unknown): void {
    if (!isDeepStrictEqual(got, expected)) {
      this.fail(what, inspect(expected, { depth: 5 }), inspect(got, { depth: 5 }))
    }
  }

  private async deliver (all: boolean): Promise<void> {
    const { rnd, yata, mirror } = this
    const chosen = this.missing.filter(() => all || rnd.chance(0.6))
    this.missing = this.missing.filter(i => !chosen.includes(i))
    const some = rnd.chance(0.4) ? rnd.shuffled(chosen) : chosen
    const size = rnd.pick([1, 1, 3, 100])
    for (let i = 0; i < some.length; i += size) {
      const before = isPending(mirror)
      const format = rnd.pick(formats)
      this.emitted = null
      yata.begin()
      this.trace.push(`A begin ${mirror.gc ? '' : 'no_gc'}`)
      const applied: Array<Promise<unknown>> = []
      mirror.transact(() => {
        for (const k of some.slice(i, i + size)) {
          const f = rnd.pick(formats)
          const update = this.log[k][f]
          this.trace.push(`A apply V${f} ${hex(update)}`)
          applied.push(yata.applyAs(f, update))
          if (f === 1) {
            Y.applyUpdate(mirror, update, 'remote')
          } else {
            Y.applyUpdateV2(mirror, update, 'remote')
          }
        }
      }, 'remote')
      const committed = yata.commitAs(format)
      for (const result of applied) {
        await result.catch((why: unknown) => this.fail('apply', 'taken', String(why)))
      }
      const bytes = await committed
      if (!before && !isPending(mirror)) {
        const event = (this.emitted as Both | null)?.[format] ?? new Uint8Array(0)
        await this.bytes(`commit V${format}`, Promise.resolve(bytes), event, event.length > 0 ? format : null)
      }
    }
  }

  private async compare (): Promise<void> {
    const { rnd, mirror, yata } = this
    if (isPending(mirror)) {
      // what waits is told and kept in either format
      await yata.encodeStateAs(2)
      return
    }
    const clocks = [...Y.decodeStateVector(Y.encodeStateVector(mirror))]
    const sv = Y.encodeStateVector(new Map(clocks.filter(() => rnd.chance(0.8))
      .map(([client, clock]) => [client, rnd.int(0, clock)])))
    for (const f of formats) {
      await this.bytes(`state V${f}`, yata.encodeStateAs(f), yjs[f].state(mirror), f)
      await this.bytes(`difference V${f} to ${hex(sv)}`, yata.encodeStateAs(f, sv), yjs[f].state(mirror, sv), f)
      const snapshot = yjs[f].snapshot(Y.snapshot(mirror))
      await this.bytes(`snapshot V${f}`, yata.snapshotAs(f), snapshot)
      for (const to of formats) {
        await this.bytes(`snapshot V${f} as V${to}`, this.driver.snapshotRecode(f, to, snapshot),
          yjs[to].snapshot(Y.snapshot(mirror)))
      }
    }
    for (const both of this.log.filter((_, i) => !this.missing.includes(i)).slice(-3)) {
      const f = rnd.pick(formats)
      this.equal('what was applied is known', await yata.isKnown(f, both[f]), true)
    }
    for (const i of this.missing.slice(0, 3)) {
      const f = rnd.pick(formats)
      const update = this.log[i][f]
      const { structs } = yjs[f].decode(update)
      const news = structs.some(s => s.id.clock + s.length > Y.getState(mirror.store, s.id.client))
      if (news) {
        this.equal('news are not known', await yata.isKnown(f, update), false)
      }
    }
  }

  private async stateless (): Promise<void> {
    const { rnd, driver } = this
    const f = rnd.pick(formats)
    const of = yjs[f]
    const pieces = this.log.map(both => both[f])
    const states = [...this.clients, this.mirror].filter(doc => !isPending(doc)).map(doc => of.state(doc))
    const some = rnd.shuffled([...pieces, ...pieces, ...states]).slice(0, rnd.int(0, rnd.chance(0.05) ? 90 : 6))
    this.trace.push(`merge V${f} ${some.map(hex).join(' ')}`)
    const merged = of.merge(some)
    if (some.length < 64 || !collectedTie(some, f)) {
      await this.bytes(`merge V${f}`, driver.mergeUpdates(f, some), merged, f)
    }
    const subject = rnd.pick([merged, merged, ...some])
    this.trace.push(`stateless V${f} ${hex(subject)}`)
    await this.bytes(`vector of V${f}`, driver.stateVectorFromUpdateAs(f, subject), of.vector(subject))
    const { from, to } = of.meta(subject)
    this.equal(`meta of V${f}`, await driver.updateMetaAs(f, subject),
      [...from].map(([client, clock]) => ({ client, from: clock, to: to.get(client) })))
    await driver.checkUpdateAs(f, subject).catch((why: unknown) => this.fail('check', 'taken', String(why)))
    const sv = Y.encodeStateVector(new Map([...to]
      .map(([client, clock]) => [client, rnd.chance(0.2) ? clock : rnd.int(0, clock + 1)])))
    this.trace.push(`diff ${hex(sv)}`)
    await this.bytes(`diff of V${f}`, driver.diffUpdate(f, subject, sv), of.diff(subject, sv), f)
    const other = f === 1 ? 2 : 1
    const convert = f === 1 ? Y.convertUpdateFormatV1ToV2 : Y.convertUpdateFormatV2ToV1
    await this.bytes(`V${f} as V${other}`, driver.convertUpdate(f, other, subject), convert(subject), other)
    const { structs, ds } = of.decode(subject)
    this.equal(`structs of V${f}`, await driver.structs(f, subject), structs.map((s: any) => ({
      client: s.id.client,
      clock: s.id.clock,
      length: s.length,
      kind: s instanceof Y.Skip ? 10 : s instanceof Y.GC ? 0 : kinds.indexOf(s.content.constructor.name)
    })))
    this.equal(`deletions of V${f}`, await driver.deletions(f, subject), [...ds.clients].flatMap(
      ([client, all]) => all.map(d => ({ client, from: d.clock, to: d.clock + d.len }))))
  }

  /** Back to an earlier snapshot, which is possible where nothing is collected. */
  private async past (): Promise<void> {
    const { rnd, mirror, yata, driver } = this
    if (mirror.gc || isPending(mirror)) {
      return
    }
    // yjs cuts characters of the original where the snapshot ends; it gets a copy
    const copy = plainDoc({ gc: false })
    Y.applyUpdate(copy, Y.encodeStateAsUpdate(mirror))
    const now = Y.snapshot(mirror)
    const sv = new Map([...now.sv].map(([client, clock]) => [client, rnd.chance(0.5) ? clock : rnd.int(0, clock)]))
    const ds = Y.createDeleteSet()
    now.ds.clients.forEach((ranges, client) => {
      const kept = ranges.filter(r => rnd.chance(0.6) && r.clock + r.len <= (sv.get(client) ?? 0))
      if (kept.length > 0) {
        ds.clients.set(client, kept)
      }
    })
    const then = Y.createSnapshot(ds, sv)
    const f = rnd.pick(formats)
    const bytes = yjs[f].snapshot(then)
    this.trace.push(`at snapshot V${f} ${hex(bytes)}`)
    const gc = rnd.chance(0.5)
    const expected = Y.createDocFromSnapshot(copy, then, plainDoc({ gc }))
    const at = driver.docAt(yata, f, bytes, !gc)
    if (isPending(expected)) {
      await at.encodeState()
    } else {
      await this.bytes('document at a snapshot', at.encodeState(), Y.encodeStateAsUpdate(expected), 1)
    }
    this.equal('equal snapshots', await driver.snapshotEqual(f, bytes, yjs[f].snapshot(now)),
      Y.equalSnapshots(then, now))
    at.free()
  }

  private async damage (): Promise<void> {
    const { rnd, driver, yata } = this
    const bytes = damaged(rnd, rnd.pick(this.log)[2])
    this.trace.push(`damaged V2 ${hex(bytes)}`)
    const state = await yata.encodeStateAs(1)
    const doc = driver.doc()
    await doc.apply(state)
    const before = await doc.encodeState()
    const why = await doc.applyAs(2, bytes).then(() => null, (e: unknown) => e)
    const refused = await driver.checkUpdateAs(2, bytes).then(() => null, (e: unknown) => e)
    if (why instanceof YataError) {
      this.equal('refused but not undone', hex(await doc.encodeState()), hex(before))
    }
    this.equal('check agrees', (why as YataError | null)?.message, (refused as YataError | null)?.message)
    if (why === null) {
      await driver.convertUpdate(2, 1, bytes).then(async v1 => {
        await driver.checkUpdateAs(1, v1)
      })
    }
    doc.free()
  }

  async tell (): Promise<Mismatch | null> {
    const { rnd } = this
    try {
      const steps = rnd.int(6, 30)
      for (this.step = 1; this.step <= steps; this.step++) {
        if (!rnd.step()) {
          continue
        }
        const doc = rnd.pick(this.clients)
        doc.transact(() => {
          for (let n = rnd.int(1, 3); n > 0; n--) {
            edit(rnd, doc)
          }
          if (rnd.chance(0.1)) {
            deleteParent(rnd, doc)
          }
        })
        if (rnd.chance(0.3)) {
          const other = rnd.pick(this.clients)
          Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)), 'remote')
        }
        if (rnd.chance(0.4)) {
          await this.deliver(rnd.chance(0.5))
          await this.compare()
        }
        if (this.log.length > 0 && rnd.chance(0.5)) {
          await this.stateless()
          await this.damage()
        }
        if (rnd.chance(0.3)) {
          await this.past()
        }
      }
      rnd.last()
      await this.deliver(true)
      await this.compare()
    } catch (why) {
      return why instanceof Mismatch
        ? why
        : new Mismatch(this.step, 'formats: threw', 'no error', String((why as Error).stack), this.trace)
    } finally {
      this.yata.free()
      this.mirror.destroy()
      this.clients.forEach(doc => { doc.destroy() })
    }
    return null
  }
}

/** Whether an item of one update is collected in another: then the order of very many is not ours. */
function collectedTie (updates: Uint8Array[], f: Format): boolean {
  const seen = new Map<string, boolean>()
  return updates.some(u => yjs[f].decode(u).structs.some(s => {
    const id = `${s.id.client} ${s.id.clock}`
    const gc = s instanceof Y.GC
    const tie = seen.get(id) !== undefined && seen.get(id) !== gc
    seen.set(id, gc)
    return tie
  }))
}

function convertedOrEmpty (v2: Uint8Array): Uint8Array {
  try {
    return Y.convertUpdateFormatV2ToV1(v2)
  } catch {
    return Uint8Array.of(0, 0)
  }
}

export async function formatsHistory (rnd: Steps, driver: Driver): Promise<Mismatch | null> {
  return await new FormatsHistory(rnd, driver).tell()
}
