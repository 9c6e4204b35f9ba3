// One random history, told to npm yjs and to libyata, who must agree.
//
// Three to eight Yjs clients edit, undo, go offline and exchange updates. Every update they emit
// also goes to the *subjects*: pairs of a libyata document and a yjs document (the mirror), which
// receive the same bytes in the same order: shuffled, repeated, withheld, merged by mergeUpdates,
// cut by diffUpdate, alone or several in one transaction. Promised, and checked:
//
//   - a transaction emits the bytes that yjs emits as its `update` event, and says so truly in
//     `changed`, `whole` and `pending`;
//   - once everything has arrived, full state, state vector, snapshot and the difference to any
//     state vector are those of yjs, byte for byte;
//   - a yjs document that was only told what libyata says (the relay) ends in the same state;
//   - a yjs document loaded from libyata's bytes shows the same, and goes on;
//   - a damaged update is refused without a trace, or taken like any other;
//   - the stateless functions answer byte for byte as those of yjs.
//
// The whole history follows from its seed. Each step draws from a generator of its own, so that
// steps can be left out while the others stay alike: that is how a failure is shrunk.
//
// Two things of yjs are not judged. Formatting clean-up is off (it makes even yjs replicas differ,
// and a server may skip it). And while something is pending, bytes are not compared: they depend on
// the order of arrival.

import { inspect, isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { type Applied, type Driver, type YataDoc, YataError } from './driver.ts'
import { deleteParent, edit, roots, showDoc } from './edits.ts'
import { mix, Random } from './random.ts'

const remote = 'remote'

export class Mismatch extends Error {
  constructor (readonly step: number, readonly what: string, readonly expected: string,
    readonly got: string, readonly trace: string[] = []) {
    super(`step ${step}: ${what}\n  expected ${expected}\n  got      ${got}`)
  }
}

/** What happened in a history, for the totals. */
export interface Figures {
  updates: number
  transactions: number
  events: number
  states: number
  damaged: number
  damagedTaken: number
  bytes: number
  /** two yjs mirrors with the same updates in different orders whose states differ */
  yjsDiffers: number
  /** mirrors that still wait although everything has arrived: yjs then forgets to look again */
  yjsStuck: number
}

export function noFigures (): Figures {
  return {
    updates: 0,
    transactions: 0,
    events: 0,
    states: 0,
    damaged: 0,
    damagedTaken: 0,
    bytes: 0,
    yjsDiffers: 0,
    yjsStuck: 0
  }
}

export interface Result {
  failure: Mismatch | null
  steps: number
  figures: Figures
}

export function hex (bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** A document without formatting clean-up. */
export function plainDoc (options: { gc?: boolean, clientID?: number } = {}): Y.Doc {
  const doc = new Y.Doc({ gc: options.gc ?? true })
  if (options.clientID !== undefined) {
    doc.clientID = options.clientID
  }
  doc.on('afterTransaction', transaction => { transaction._needFormattingCleanup = false })
  return doc
}

export function isPending (doc: Y.Doc): boolean {
  return doc.store.pendingStructs !== null || doc.store.pendingDs !== null
}

export type Fail = (detail: string, expected: string, got: string) => never

function show (value: unknown): string {
  return inspect(value, { depth: 20, breakLength: Infinity, maxStringLength: 400 })
}

/** Collects what libyata must answer; the first broken promise in order of steps is the failure. */
class Checks {
  private readonly all: Array<Promise<void>> = []
  step = 0
  trace: string[] | null

  constructor (trace: boolean) {
    this.trace = trace ? [] : null
  }

  note (line: () => string): void {
    this.trace?.push(line())
  }

  /** `body` runs now up to its first await; what it throws belongs to this step. */
  add (what: string, body: (fail: Fail) => Promise<void>): void {
    const step = this.step
    const traced = this.trace?.length ?? 0
    const fail = (detail: string, expected: string, got: string): never => {
      throw new Mismatch(step, `${what}: ${detail}`, expected, got, this.trace?.slice(0, traced))
    }
    const checked = body(fail).catch((why: unknown) => {
      if (why instanceof Mismatch) {
        throw why
      }
      const text = why instanceof YataError ? why.message : String((why as Error)?.stack ?? why)
      return fail('threw', 'no error', text)
    })
    checked.catch(() => {}) // looked at in first()
    this.all.push(checked)
  }

  /** Like add, but after everything before it has been answered. */
  addLast (what: string, body: (fail: Fail) => Promise<void>): void {
    const before = Promise.allSettled(this.all.slice())
    this.add(what, async fail => {
      await before
      await body(fail)
    })
  }

  /** An answer in bytes; `update`: these are one. */
  bytes (what: string, got: Promise<Uint8Array>, expected: Uint8Array, update = false): void {
    this.add(what, async fail => {
      const bytes = await got
      if (Buffer.compare(bytes, expected) !== 0 && !(update && cutsLess(expected, bytes))) {
        fail(`differs at byte ${firstDifference(bytes, expected)}${explain(expected, bytes)}`,
          hex(expected), hex(bytes))
      }
    })
  }

  equal (what: string, got: Promise<unknown>, expected: unknown): void {
    this.add(what, async fail => {
      const value = await got
      if (!isDeepStrictEqual(value, expected)) {
        fail('differs', show(expected), show(value))
      }
    })
  }

  async first (): Promise<Mismatch | null> {
    for (const settled of await Promise.allSettled(this.all)) {
      if (settled.status === 'rejected') {
        return settled.reason as Mismatch
      }
    }
    return null
  }
}

function contentOf (content: any): string {
  if (content instanceof Y.ContentDoc) {
    return `ContentDoc ${content.doc.guid} ${inspect(content.opts, { depth: 6 })}`
  }
  return content instanceof Y.ContentType
    ? `${content.type.constructor.name} ${(content.type as any).nodeName ?? ''}`
    : `${content.constructor.name} ${inspect(content, { depth: 6, breakLength: Infinity })}`
}

function structs (update: Uint8Array): string[] {
  const id = (i: any): string => i?.client === undefined ? JSON.stringify(i) : `${i.client}:${i.clock}`
  const { structs, ds } = Y.decodeUpdate(update)
  return structs.map((s: any) => {
    const place = s.parent === undefined ? '' : ` after ${id(s.origin)} before ${id(s.rightOrigin)} in ${id(s.parent)} ${s.parentSub ?? ''}`
    return `${s.constructor.name} ${id(s.id)}+${s.length}${place} ${s.content === undefined ? '' : contentOf(s.content)}`
  }).concat([...ds.clients].map(([client, ranges]) => `deleted ${client}: ${ranges.map(r => `${r.clock}+${r.len}`).join(' ')}`))
}

/**
 * Whether the second update keeps characters that are cut in two in the first, and is the same else.
 * yjs splits what stands at the neighbours of an incoming struct before it sees that it knows the
 * struct already, so that hearing a thing twice can cut a surrogate pair. libyata lets it be.
 */
export function cutsLess (cut: Uint8Array, got: Uint8Array): boolean {
  const count = (update: Uint8Array): number => structs(update).join().split('\ufffd').length
  return count(cut) > count(got) && sameButCuts(cut, got)
}

/**
 * Whether two updates differ only in which characters are cut in two, be it some here and others there.
 * Two yjs documents that heard the same in another order may: a deletion that ends within a character
 * cuts it, and one that came joined with the next does not.
 */
export function sameButCuts (a: Uint8Array, b: Uint8Array): boolean {
  const damaged = (update: Uint8Array): string => structs(update).join('\n').replace(/[\ud800-\udfff]/g, '\ufffd')
  return damaged(a) === damaged(b)
}

/**
 * Whether two states differ only in where runs of collected structs are joined. Two yjs documents
 * that heard the same in other portions may: yjs does not join all that it could.
 */
export function sameButRuns (a: Uint8Array, b: Uint8Array): boolean {
  const joined = (update: Uint8Array): string => structs(update).reduce((all: string[], s) => {
    const [was, now] = [all.at(-1), s].map(x => /^GC (\d+):(\d+)\+(\d+)/.exec(x ?? '')?.slice(1).map(Number))
    if (was !== undefined && now !== undefined && was[0] === now[0] && was[1] + was[2] === now[1]) {
      all[all.length - 1] = `GC ${was[0]}:${was[1]}+${was[2] + now[2]}`
    } else {
      all.push(s.trim())
    }
    return all
  }, []).join('\n')
  return joined(a) === joined(b)
}

/** Which structs of two updates differ, for people. */
export function explain (expected: Uint8Array, got: Uint8Array): string {
  try {
    const [a, b] = [structs(expected), structs(got)]
    if (a.join() === b.join()) {
      return '\n    (same structs, written differently)'
    }
    return [...a.filter(s => !b.includes(s)).map(s => `expected only: ${s}`),
      ...b.filter(s => !a.includes(s)).map(s => `got only:      ${s}`)].map(s => `\n    ${s}`).join('')
  } catch {
    return ''
  }
}

function firstDifference (a: Uint8Array, b: Uint8Array): number {
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) {
    at++
  }
  return at
}

/** Who receives updates, and which of the log it has not got yet. */
interface Receiver {
  missing: number[]
  receive: (updates: Uint8Array[]) => void
}

class Client implements Receiver {
  missing: number[] = []
  readonly undo: Y.UndoManager | null

  constructor (readonly doc: Y.Doc, withUndo: boolean) {
    // Merging of undo steps must not depend on the clock: all or none, see undoOrRedo().
    this.undo = withUndo ? new Y.UndoManager(roots(doc), { captureTimeout: 1e9 }) : null
  }

  receive (updates: Uint8Array[]): void {
    for (const update of updates) {
      Y.applyUpdate(this.doc, update, remote)
    }
  }

  undoOrRedo (rnd: Random): void {
    if (this.undo === null) {
      return
    }
    rnd.pick([
      () => this.undo?.undo(),
      () => this.undo?.redo(),
      () => this.undo?.stopCapturing()
    ])()
  }
}

/** A libyata document and the yjs document that receives the same in the same order. */
class Subject implements Receiver {
  missing: number[] = []
  readonly mirror: Y.Doc
  readonly yata: YataDoc | null
  /** Knows only what libyata handed out. */
  readonly relay: Y.Doc
  /** The mirror can no longer be a judge. */
  stuck = false
  private emitted: Uint8Array[] = []

  constructor (readonly name: string, private readonly checks: Checks, driver: Driver | null,
    private readonly figures: Figures, gc: boolean, readonly whole: boolean) {
    this.mirror = plainDoc({ gc })
    this.relay = plainDoc({ gc })
    this.yata = driver?.doc({ noGc: !gc }) ?? null
    this.mirror.on('update', update => { this.emitted.push(update) })
    this.checks.note(() => `${name} new${gc ? '' : ' no_gc'}`)
  }

  receive (updates: Uint8Array[]): void {
    if (this.whole) {
      this.transact(updates)
    } else {
      for (const update of updates) {
        this.apply(update)
      }
    }
  }

  /** Several updates in one transaction: its update must be that of yjs. */
  transact (updates: Uint8Array[]): void {
    const before = isPending(this.mirror)
    this.emitted = []
    this.mirror.transact(() => {
      for (const update of updates) {
        Y.applyUpdate(this.mirror, update, remote)
      }
    }, remote)
    const expected = this.emitted[0] ?? new Uint8Array(0)
    const comparable = !before && !isPending(this.mirror)
    this.figures.transactions++
    this.figures.updates += updates.length
    this.figures.events += comparable ? 1 : 0
    this.checks.note(() => `${this.name} begin`)
    for (const update of updates) {
      this.checks.note(() => `${this.name} apply ${hex(update)}`)
    }
    this.checks.note(() => `${this.name} commit${comparable ? ` = ${hex(expected)}` : ''}`)
    const yata = this.yata
    if (yata === null) {
      return
    }
    yata.begin()
    const results = updates.map(async update => await yata.apply(update))
    const committed = yata.commit()
    this.checks.add(`${this.name}: update of a transaction`, async fail => {
      const applied = await Promise.all(results)
      const bytes = await committed
      const changed = applied.some(a => a.changed)
      if (changed !== bytes.length > 0 && !before && !applied.some(a => a.pending)) {
        fail('changed', String(bytes.length > 0), String(changed))
      }
      if (comparable && Buffer.compare(bytes, expected) !== 0 && !cutsLess(expected, bytes)) {
        fail(`differs at byte ${firstDifference(bytes, expected)}${explain(expected, bytes)}`,
          hex(expected), hex(bytes))
      }
      // what one update of several waits for, another may bring
      if (!before && updates.length === 1 && applied[0].pending === comparable) {
        fail('pending', String(!comparable), String(comparable))
      }
      if (updates.length === 1 && applied[0].whole) {
        Y.applyUpdate(this.relay, updates[0], remote)
        if (isPending(this.relay)) {
          fail('relayed as whole, but is not', 'nothing pending', 'pending')
        }
      } else if (bytes.length > 0) {
        Y.applyUpdate(this.relay, bytes, remote)
      }
    })
  }

  /** One update in a transaction of its own. */
  private apply (update: Uint8Array): void {
    const before = isPending(this.mirror)
    this.emitted = []
    Y.applyUpdate(this.mirror, update, remote)
    const changed = this.emitted.length > 0
    const after = isPending(this.mirror)
    this.figures.transactions++
    this.figures.updates++
    this.checks.note(() => `${this.name} apply ${hex(update)}`)
    if (this.yata === null) {
      return
    }
    const result = this.yata.apply(update)
    this.checks.add(`${this.name}: result of apply`, async fail => {
      const applied = await result
      if (!before && !after && (applied.changed !== changed || applied.pending)) {
        fail('flags', `changed ${changed}, pending false`, JSON.stringify(applied))
      }
      if (!before && after && (!applied.pending || applied.whole)) {
        fail('flags', 'pending true, whole false', JSON.stringify(applied))
      }
      if (applied.whole && !applied.changed) {
        fail('flags', 'whole only with changed', JSON.stringify(applied))
      }
    })
  }

  /** Everything has arrived: all that can be read must be that of yjs. */
  compare (rnd: Random): void {
    if (isPending(this.mirror)) {
      this.figures.yjsStuck++
      this.stuck = true
      return
    }
    const doc = this.mirror
    const state = Y.encodeStateAsUpdate(doc)
    this.figures.states++
    this.figures.bytes += state.length
    this.checks.note(() => `${this.name} state = ${hex(state)}`)
    if (this.yata === null) {
      return
    }
    const { checks, yata, name } = this
    checks.bytes(`${name}: state`, yata.encodeState(), state, true)
    checks.bytes(`${name}: state vector`, yata.stateVector(), Y.encodeStateVector(doc))
    checks.bytes(`${name}: snapshot`, yata.snapshot(), Y.encodeSnapshot(Y.snapshot(doc)))
    const clocks = [...Y.decodeStateVector(Y.encodeStateVector(doc))]
      .map(([client, clock]) => ({ client, clock }))
    checks.equal(`${name}: clocks`, yata.clocks(), clocks)
    for (let n = 2; n > 0; n--) {
      const since = clocks.filter(() => rnd.chance(0.8)).map(({ client, clock }) => ({
        client,
        clock: rnd.chance(0.3) ? clock : rnd.int(0, clock + (rnd.chance(0.1) ? 3 : 0))
      }))
      if (rnd.chance(0.3)) {
        since.push({ client: rnd.int(1, 99), clock: rnd.int(0, 5) })
      }
      const known = new Map(rnd.shuffled(since).map(c => [c.client, c.clock]))
      const difference = Y.encodeStateAsUpdate(doc, Y.encodeStateVector(known))
      const entries = [...known].map(([client, clock]) => ({ client, clock }))
      const sv = Y.encodeStateVector(known)
      checks.bytes(`${name}: difference to ${hex(sv)}`, yata.encodeState(sv),
        difference, true)
      checks.bytes(`${name}: difference to ${JSON.stringify(entries)}`, yata.encodeSince(entries),
        difference, true)
    }
    const clients = doc.store.clients.size
    checks.add(`${name}: stats`, async fail => {
      const stats = await yata.stats()
      if (stats.pendingBytes !== 0 || stats.clients !== clients) {
        fail('figures', `nothing pending, ${clients} clients`, JSON.stringify(stats))
      }
    })
  }

  free (): void {
    this.yata?.free()
    this.mirror.destroy()
    this.relay.destroy()
  }
}

/** A yjs document fed by libyata must be as the other: bytes, and what a reader sees. */
function sameDocs (fed: Y.Doc, doc: Y.Doc, what: string, fail: Fail): void {
  const state = Y.encodeStateAsUpdate(fed)
  const expected = Y.encodeStateAsUpdate(doc)
  if (Buffer.compare(state, expected) !== 0) {
    if (cutsLess(expected, state) || cutsLess(state, expected) || sameButRuns(expected, state)) {
      return
    }
    fail(`${what}: state differs${explain(expected, state)}`, hex(expected), hex(state))
  }
  const [shown, expectedShown] = [showDoc(fed), showDoc(doc)]
  if (!isDeepStrictEqual(shown, expectedShown)) {
    fail(`${what}: shows other content`, show(expectedShown), show(shown))
  }
}

const clientIds = (rnd: Random): number => rnd.weighted<() => number>([
  [3, () => rnd.int(1, 127)],
  [3, () => rnd.uint32()],
  [3, () => rnd.uint32() * 2097151 + rnd.int(0, 2097150)],
  [1, () => Number.MAX_SAFE_INTEGER - rnd.int(0, 3)]
])()

class History {
  readonly figures = noFigures()
  private readonly checks: Checks
  private readonly rnd: Random
  private readonly log: Uint8Array[] = []
  private readonly clients: Client[] = []
  private readonly subjects: Subject[] = []
  private readonly ids = new Set<number>()
  /** libyata's state at an earlier point, and how much of the log it held */
  private readonly earlier: Array<{ subject: Subject, state: Promise<Uint8Array>, control: Y.Doc, from: number }> = []
  readonly steps: number

  constructor (private readonly seed: number, private readonly driver: Driver | null, trace: boolean) {
    this.checks = new Checks(trace)
    this.rnd = new Random(seed)
    this.steps = this.rnd.int(10, this.rnd.chance(0.1) ? 200 : 70)
    for (let n = this.rnd.int(3, 8); n > 0; n--) {
      this.join()
    }
    this.subjects.push(new Subject('A', this.checks, driver, this.figures, true, true))
    this.subjects.push(new Subject('B', this.checks, driver, this.figures, true, false))
    if (this.rnd.chance(0.2)) {
      this.subjects.push(new Subject('C', this.checks, driver, this.figures, false, true))
    }
  }

  /** A new client that knows what another knows. */
  private join (): void {
    let clientID = clientIds(this.rnd)
    while (this.ids.has(clientID)) {
      clientID = clientIds(this.rnd)
    }
    this.ids.add(clientID)
    const client = new Client(plainDoc({ clientID }), this.rnd.chance(0.3))
    client.doc.on('update', (update, origin) => {
      if (origin !== remote) {
        this.publish(update, client)
      }
    })
    this.clients.push(client)
  }

  private publish (update: Uint8Array, from: Client | null): void {
    for (const receiver of [...this.clients, ...this.subjects]) {
      if (receiver !== from) {
        receiver.missing.push(this.log.length)
      }
    }
    this.log.push(update)
  }

  /** Takes some of what the receiver lacks, in the order or shape of the day. */
  private deliver (rnd: Random, to: Receiver, all: boolean): void {
    const chosen: number[] = []
    const left: number[] = []
    const share = all ? 1 : rnd.pick([0.2, 0.5, 0.9, 1])
    for (const i of to.missing) {
      (rnd.chance(share) ? chosen : left).push(i)
    }
    to.missing = left
    let updates = chosen.map(i => this.log[i])
    if (rnd.chance(0.6)) {
      updates = rnd.shuffled(updates)
    }
    if (rnd.chance(0.2) && this.log.length > 0) {
      updates.push(rnd.pick(this.log.filter((_, i) => !to.missing.includes(i)).concat(updates, [Uint8Array.of(0, 0)])))
    }
    if (updates.length > 0) {
      this.hand(rnd, to, updates)
    }
  }

  private hand (rnd: Random, to: Receiver, updates: Uint8Array[]): void {
    rnd.weighted<() => void>([
      [4, () => { updates.forEach(update => { to.receive([update]) }) }],
      [3, () => { to.receive(updates) }],
      [2, () => { to.receive([Y.mergeUpdates(updates)]) }],
      [1, () => {
        const half = updates.length >> 1
        to.receive([Y.mergeUpdates([Y.mergeUpdates(updates.slice(0, half + 1)), ...updates.slice(half)])])
      }],
      [1, () => {
        if (to instanceof Subject) {
          const sv = Y.encodeStateVector(to.mirror)
          updates.forEach(update => { to.receive([Y.diffUpdate(update, sv)]) })
        } else {
          to.receive(updates)
        }
      }]
    ])()
  }

  /** What a client would send on reconnecting. */
  private sync (rnd: Random): void {
    const from = rnd.pick(this.clients)
    const to = rnd.pick(this.subjects)
    const sv = rnd.chance(0.7) ? Y.encodeStateVector(to.mirror) : undefined
    to.receive([Y.encodeStateAsUpdate(from.doc, sv)])
  }

  private stateless (rnd: Random): void {
    if (this.driver === null || this.log.length === 0) {
      return
    }
    const { checks, driver } = this
    const some = rnd.shuffled(this.log).slice(0, rnd.int(1, 4))
    const merged = rnd.pick([
      () => Y.mergeUpdates(some),
      () => Y.encodeStateAsUpdate(rnd.pick(this.clients).doc),
      () => some[0]
    ])()
    checks.note(() => `stateless ${hex(merged)}`)
    checks.bytes('state vector from update', driver.stateVectorFromUpdate(merged),
      Y.encodeStateVectorFromUpdate(merged))
    const { from, to } = Y.parseUpdateMeta(merged)
    checks.equal('update meta', driver.updateMeta(merged), [...from].map(([client, clock]) =>
      ({ client, from: clock, to: to.get(client) })))
    checks.add('check of an update', async () => { await driver.checkUpdate(merged) })
    const sv = Y.encodeStateVector(rnd.pick(this.clients).doc)
    checks.equal('decoded state vector', driver.decodeStateVector(sv), [...Y.decodeStateVector(sv)]
      .map(([client, clock]) => ({ client, clock })))
  }

  /** Damage: all or nothing, and what is taken is a document like any other. */
  private damage (rnd: Random): void {
    const { checks, driver } = this
    if (driver === null || this.log.length === 0) {
      return
    }
    const subject = rnd.pick(this.subjects)
    const state = Y.encodeStateAsUpdate(subject.mirror)
    const broken = damaged(rnd, rnd.pick(this.log))
    this.figures.damaged++
    checks.note(() => `damaged ${hex(broken)} on ${hex(state)}`)
    const doc = driver.doc()
    const loaded = doc.apply(state)
    const before = doc.encodeState()
    const result = doc.apply(broken).then(applied => applied, (why: unknown) => why)
    const checked = driver.checkUpdate(broken).then(() => null, (why: unknown) => why)
    const after = doc.encodeState()
    const snapshot = doc.snapshot()
    doc.free()
    checks.add('damaged update', async fail => {
      await loaded
      const applied = await result
      const refused = await checked
      if (applied instanceof YataError) {
        if (refused === null && applied.status === 'MALFORMED') {
          fail('yata_check_update', applied.message, 'accepted')
        }
        if (Buffer.compare(await before, await after) !== 0) {
          fail(`refused (${applied.message}) but not undone`, hex(await before), hex(await after))
        }
        return
      }
      if (refused !== null) {
        fail('yata_check_update', 'accepted', String(refused))
      }
      this.figures.damagedTaken++
      if ((applied as Applied).pending) {
        return // what waits is merged into the state and may be known there: bytes differ in yjs too
      }
      const second = driver.doc()
      await second.apply(await after)
      const again = await second.encodeState()
      const againSnapshot = await second.snapshot()
      second.free()
      const keeps = yjsKeeps(state, broken)
      if (keeps === false || (keeps === true && namesARunBackwards(broken))) {
        return // neighbours that no client names: the order of arrival matters in yjs as well
      }
      if (Buffer.compare(again, await after) !== 0) {
        fail('accepted, but its state does not survive loading', hex(await after), hex(again))
      }
      if (Buffer.compare(againSnapshot, await snapshot) !== 0) {
        fail('accepted, but its snapshot does not survive', hex(await snapshot), hex(againSnapshot))
      }
    })
  }

  private quiesce (rnd: Random): void {
    for (const subject of this.subjects) {
      while (subject.missing.length > 0) {
        this.deliver(rnd, subject, rnd.chance(0.5))
      }
      subject.compare(rnd)
      const state = subject.yata?.encodeState()
      if (state !== undefined && this.earlier.length < 2 && !subject.stuck) {
        const control = plainDoc({ gc: subject.mirror.gc })
        Y.applyUpdate(control, Y.encodeStateAsUpdate(subject.mirror), remote)
        this.earlier.push({ subject, state, control, from: this.log.length })
      }
    }
  }

  private run (step: number): void {
    const rnd = new Random(mix(this.seed, step))
    const client = rnd.pick(this.clients)
    const subject = rnd.pick(this.subjects)
    rnd.weighted<() => void>([
      [45, () => {
        if (rnd.chance(0.5)) {
          edit(rnd, client.doc)
        } else {
          client.doc.transact(() => {
            for (let n = rnd.int(1, 4); n > 0; n--) {
              edit(rnd, client.doc)
            }
          })
        }
      }],
      [4, () => { deleteParent(rnd, client.doc) }],
      [6, () => { client.undoOrRedo(rnd) }],
      [14, () => { this.deliver(rnd, client, false) }],
      [8, () => { this.deliver(rnd, client, true) }],
      [18, () => { this.deliver(rnd, subject, false) }],
      [3, () => { this.sync(rnd) }],
      [3, () => { this.stateless(rnd) }],
      [3, () => { this.damage(rnd) }],
      [2, () => { this.quiesce(rnd) }]
    ])()
  }

  async tell (skipped: ReadonlySet<number>): Promise<Mismatch | null> {
    let thrown: Mismatch | null = null
    try {
      for (let step = 1; step <= this.steps; step++) {
        if (!skipped.has(step)) {
          this.checks.step = step
          this.run(step)
        }
      }
      this.checks.step = this.steps + 1
      this.quiesce(new Random(mix(this.seed, 0)))
      const [a, b] = this.subjects.map(s => hex(Y.encodeStateAsUpdate(s.mirror)))
      this.figures.yjsDiffers += a === b ? 0 : 1
      this.compareFed()
    } catch (why) {
      thrown = why instanceof Mismatch
        ? why
        : new Mismatch(this.checks.step, 'the history itself threw', 'no error', String((why as Error).stack))
    }
    const failure = await this.checks.first() ?? thrown
    this.subjects.forEach(s => { s.free() })
    this.clients.forEach(c => { c.doc.destroy() })
    return failure
  }

  private compareFed (): void {
    if (this.driver === null) {
      return
    }
    this.checks.addLast('what libyata said', async fail => {
      for (const subject of this.subjects) {
        if (subject.whole && !subject.stuck) {
          const what = `${subject.name}: a yjs document that was told every change`
          sameDocs(subject.relay, subject.mirror, what, fail)
        }
      }
    })
    for (const { subject, state, control, from } of this.earlier) {
      this.checks.addLast('what libyata holds', async fail => {
        const fresh = plainDoc({ gc: subject.mirror.gc })
        Y.applyUpdate(fresh, await state, remote)
        for (const update of this.log.slice(from)) {
          Y.applyUpdate(fresh, update, remote)
          Y.applyUpdate(control, update, remote)
        }
        sameDocs(fresh, control, `${subject.name}: a yjs document loaded from its bytes`, fail)
        fresh.destroy()
        control.destroy()
      })
    }
  }
}

/**
 * Whether a struct names on its right what stands before, or is, its left neighbour in one run of clocks
 * that each continue the one before: where it goes depends on whether these were merged already.
 */
export function namesARunBackwards (update: Uint8Array): boolean {
  try {
    const { structs } = Y.decodeUpdate(update)
    return structs.some(s => {
      if (!(s instanceof Y.Item) || s.origin === null || s.rightOrigin?.client !== s.origin.client ||
        s.rightOrigin.clock > s.origin.clock) {
        return false
      }
      const [from, to] = [s.rightOrigin, s.origin]
      return structs.filter(x => x.id.client === to.client && x.id.clock > from.clock && x.id.clock <= to.clock)
        .every(x => x instanceof Y.Item && Y.compareIDs(x.origin, Y.createID(to.client, x.id.clock - 1)))
    })
  } catch {
    return false // what yjs applies, it cannot always decode
  }
}

/** Whether what yjs makes of the update survives loading; null when yjs throws. */
function yjsKeeps (state: Uint8Array, update: Uint8Array): boolean | null {
  try {
    const [doc, again] = [plainDoc(), plainDoc()]
    Y.applyUpdate(doc, state)
    Y.applyUpdate(doc, update)
    const after = Y.encodeStateAsUpdate(doc)
    Y.applyUpdate(again, after)
    return Buffer.compare(Y.encodeStateAsUpdate(again), after) === 0
  } catch {
    return null
  }
}

/** One to three small accidents. */
export function damaged (rnd: Random, update: Uint8Array): Uint8Array {
  let bytes = Buffer.from(update)
  for (let n = rnd.int(1, 3); n > 0; n--) {
    const at = rnd.int(0, Math.max(0, bytes.length - 1))
    bytes = rnd.pick<() => Buffer<ArrayBuffer>>([
      () => Buffer.from(bytes.subarray(0, at)),
      () => { bytes[at] = rnd.int(0, 255); return bytes },
      () => { bytes[at] ^= 1 << rnd.int(0, 7); return bytes },
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + rnd.int(1, 3))]),
      () => Buffer.concat([bytes.subarray(0, at), rnd.bytes(rnd.int(1, 3)), bytes.subarray(at)])
    ])()
  }
  return bytes
}

/** Tells the history of a seed, without the skipped steps. No driver: yjs alone. */
export async function tellHistory (seed: number, driver: Driver | null,
  options: { skipped?: ReadonlySet<number>, trace?: boolean } = {}): Promise<Result> {
  const history = new History(seed, driver, options.trace ?? false)
  const failure = await history.tell(options.skipped ?? new Set())
  return { failure, steps: history.steps, figures: history.figures }
}

/** What failed, without the document and the bytes. */
function kind (failure: Mismatch | null): string {
  return failure?.what.split('\n')[0].replace(/^[A-C]: /, '').replace(/[0-9a-f]{4,}|\d+/g, '') ?? ''
}

export type Tell = (skipped: ReadonlySet<number>) => Promise<Result>

/** Leaves out steps as long as the same still fails (greedy, halving). */
export async function shrink (tell: Tell, deadlineMs: number): Promise<Result & { skipped: ReadonlySet<number> }> {
  const end = Date.now() + deadlineMs
  const skipped = new Set<number>()
  let failing = await tell(skipped)
  const { steps } = failing
  for (let size = steps >> 1; size > 0; size >>= 1) {
    for (let from = 1; from <= steps && Date.now() < end; from += size) {
      const more = new Set(skipped)
      for (let i = from; i < from + size && i <= steps; i++) {
        more.add(i)
      }
      if (more.size > skipped.size) {
        const result = await tell(more)
        if (result.failure !== null && kind(result.failure) === kind(failing.failure)) {
          failing = result
          more.forEach(i => skipped.add(i))
        }
      }
    }
  }
  return { ...failing, steps, skipped }
}
