// libyata behind a pipe: starts yata_driver and speaks its protocol (see driver.c).
//
// Commands are collected and written once per turn of the event loop, so a caller that issues
// thousands of them without awaiting pays for few system calls. Answers come in order.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const defaultDriver = process.env.YATA_DRIVER ??
  fileURLToPath(new URL('../../build/release/tests/diff/yata_driver', import.meta.url))

export const statuses = ['OK', 'MALFORMED', 'LIMIT', 'NOMEM', 'GONE', 'RANGE'] as const

export enum Op {
  New = 1, Free, Apply, Begin, Commit, EncodeState, EncodeSince, StateVector, Clocks, Snapshot,
  Stats, SvFromUpdate, UpdateMeta, CheckUpdate, DecodeSv, AwarenessRead, AwarenessWrite,
  AwarenessMerge, AwarenessNews,
  ApplyAs, CommitAs, EncodeStateAs, SnapshotAs, IsKnownAs, SvFromUpdateAs, UpdateMetaAs,
  CheckUpdateAs, Merge, Diff, Convert, Structs, Deletions, SnapshotRecode, SnapshotEqual, DocAt,
  Revert, RevertSnapshot, Freeze,
  SetClient = 100, Write,
  Read = 110
}

/** Of an update or snapshot. */
export type Format = 1 | 2

/** A call that libyata refused. */
export class YataError extends Error {
  constructor (readonly status: typeof statuses[number], readonly at: number, what: string) {
    super(`${status} at byte ${at}: ${what}`)
  }
}

export interface Applied { changed: boolean, whole: boolean, pending: boolean, gap?: true }
export interface Clock { client: number, clock: number }
export interface Range { client: number, from: number, to: number }
export interface StructInfo { client: number, clock: number, length: number, kind: number }
export interface Stats {
  clients: number, structs: number, types: number, memoryBytes: number, pendingBytes: number
}
export interface Presence { client: number, clock: number, state: string | null }
export interface Options {
  /** gaps are kept as holes, as in yjs 14; else it is strict, as 13.6 */
  holes?: boolean
  noGc?: boolean, maxPendingBytes?: number, maxClients?: number, maxDepth?: number
}

interface Waiting { op: Op, resolve: (body: Buffer) => void, reject: (why: Error) => void }

/** Little-endian numbers and bytes, one after another. */
export class Writer {
  private readonly parts: Uint8Array[] = []

  uint (value: number, size: 1 | 4 | 8): this {
    const part = Buffer.alloc(size)
    if (size === 8) {
      part.writeBigUInt64LE(BigInt(value))
    } else {
      part.writeUIntLE(value, 0, size)
    }
    this.parts.push(part)
    return this
  }

  bytes (value: Uint8Array): this {
    this.parts.push(value)
    return this
  }

  done (): Uint8Array {
    return this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts)
  }
}

const none = new Uint8Array(0)

export class Driver {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly waiting: Waiting[] = []
  private firstWaiting = 0
  private out: Uint8Array[] = []
  private inParts: Buffer[] = []
  private inBytes = 0
  private nextHandle = 0
  private readonly freeHandles: number[] = []
  private broken: Error | null = null
  private readonly ended: Promise<number | null>

  constructor (path = defaultDriver) {
    this.child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] as never })
    this.child.stdout.on('data', (chunk: Buffer) => { this.receive(chunk) })
    this.child.stdin.on('error', () => {}) // the exit says more
    this.ended = new Promise(resolve => {
      this.child.on('error', why => { this.fail(why); resolve(null) })
      this.child.on('close', (code, signal) => {
        this.fail(new Error(`yata_driver ended: ${signal ?? code}`))
        resolve(code)
      })
    })
  }

  /** Ends the program and waits for its exit code: 0 unless it broke or leaked. */
  async close (): Promise<number | null> {
    this.child.stdin.end()
    return await this.ended
  }

  private fail (why: Error): void {
    this.broken ??= why
    for (const w of this.waiting.splice(this.firstWaiting)) {
      w.reject(this.broken)
    }
  }

  private async call (op: Op, handle: number, args: Uint8Array): Promise<Buffer> {
    if (this.broken !== null) {
      throw this.broken
    }
    const head = Buffer.alloc(9)
    head.writeUInt32LE(args.length + 5, 0)
    head[4] = op
    head.writeUInt32LE(handle, 5)
    if (this.out.length === 0) {
      setImmediate(() => {
        this.child.stdin.write(Buffer.concat(this.out))
        this.out = []
      })
    }
    this.out.push(head, args)
    return await new Promise((resolve, reject) => { this.waiting.push({ op, resolve, reject }) })
  }

  private receive (chunk: Buffer): void {
    this.inParts.push(chunk)
    this.inBytes += chunk.length
    if (this.inParts[0].length >= 4 && this.inBytes < 4 + this.inParts[0].readUInt32LE(0)) {
      return
    }
    const all = this.inParts.length === 1 ? chunk : Buffer.concat(this.inParts)
    let at = 0
    while (all.length - at >= 4) {
      const n = all.readUInt32LE(at)
      if (all.length - at - 4 < n) {
        break
      }
      this.settle(this.heard(this.waiting[this.firstWaiting].op, all.subarray(at + 4, at + 4 + n)))
      at += 4 + n
    }
    this.inParts = at < all.length ? [all.subarray(at)] : []
    this.inBytes = all.length - at
  }

  /** The answer to a command as it came; a test may falsify it here. */
  protected heard (_: Op, body: Buffer): Buffer {
    return body
  }

  private settle (body: Buffer): void {
    const w = this.waiting[this.firstWaiting++]
    if (this.firstWaiting > 4096) {
      this.waiting.splice(0, this.firstWaiting)
      this.firstWaiting = 0
    }
    if (body[0] === 0) {
      w.resolve(body.subarray(1))
    } else {
      w.reject(new YataError(statuses[body[0]], body.readUInt32LE(1), body.toString('utf8', 5)))
    }
  }

  /** A new document; release it with free(). */
  doc (options: Options = {}): YataDoc {
    const handle = this.freeHandles.pop() ?? this.nextHandle++
    const args = new Writer().uint((options.noGc === true ? 1 : 0) + (options.holes === true ? 2 : 0), 1)
      .uint(options.maxPendingBytes ?? 0, 8).uint(options.maxClients ?? 0, 8)
      .uint(options.maxDepth ?? 0, 8).done()
    this.call(Op.New, handle, args).catch(() => {})
    return this.known(handle)
  }

  /** Arguments that start with a format. */
  private as (format: Format): Writer {
    return new Writer().uint(format - 1, 1)
  }

  async stateVectorFromUpdateAs (format: Format, update: Uint8Array): Promise<Buffer> {
    return await this.call(Op.SvFromUpdateAs, 0, this.as(format).bytes(update).done())
  }

  async updateMetaAs (format: Format, update: Uint8Array): Promise<Range[]> {
    return ranges(await this.call(Op.UpdateMetaAs, 0, this.as(format).bytes(update).done()))
  }

  async deletions (format: Format, update: Uint8Array): Promise<Range[]> {
    return ranges(await this.call(Op.Deletions, 0, this.as(format).bytes(update).done()))
  }

  async structs (format: Format, update: Uint8Array): Promise<StructInfo[]> {
    const b = await this.call(Op.Structs, 0, this.as(format).bytes(update).done())
    const all = []
    for (let at = 0; at < b.length; at += 25) {
      all.push({ client: uint64(b, at), clock: uint64(b, at + 8), length: uint64(b, at + 16), kind: b[at + 24] })
    }
    return all
  }

  async checkUpdateAs (format: Format, update: Uint8Array): Promise<void> {
    await this.call(Op.CheckUpdateAs, 0, this.as(format).bytes(update).done())
  }

  async mergeUpdates (format: Format, updates: Uint8Array[]): Promise<Buffer> {
    const w = this.as(format)
    updates.forEach(update => { w.uint(update.length, 4).bytes(update) })
    return await this.call(Op.Merge, 0, w.done())
  }

  async diffUpdate (format: Format, update: Uint8Array, sv: Uint8Array): Promise<Buffer> {
    return await this.call(Op.Diff, 0,
      this.as(format).uint(update.length, 4).bytes(update).bytes(sv).done())
  }

  async convertUpdate (from: Format, to: Format, update: Uint8Array): Promise<Buffer> {
    return await this.call(Op.Convert, 0, this.as(from).uint(to - 1, 1).bytes(update).done())
  }

  async snapshotRecode (from: Format, to: Format, snapshot: Uint8Array): Promise<Buffer> {
    return await this.call(Op.SnapshotRecode, 0,
      this.as(from).uint(to - 1, 1).bytes(snapshot).done())
  }

  async snapshotEqual (format: Format, a: Uint8Array, b: Uint8Array): Promise<boolean> {
    return (await this.call(Op.SnapshotEqual, 0,
      this.as(format).uint(a.length, 4).bytes(a).bytes(b).done()))[0] === 1
  }

  /** What `doc` held at the snapshot, as a new document. */
  docAt (doc: YataDoc, format: Format, snapshot: Uint8Array, noGc = false): YataDoc {
    const handle = this.freeHandles.pop() ?? this.nextHandle++
    const args = this.as(format).uint(handle, 4).uint(noGc ? 1 : 0, 1).bytes(snapshot).done()
    doc.at(args).catch(() => {})
    return this.known(handle)
  }

  private known (handle: number): YataDoc {
    return new YataDoc((op, a) => {
      if (op === Op.Free) {
        this.freeHandles.push(handle)
      }
      return this.call(op, handle, a)
    })
  }

  async stateVectorFromUpdate (update: Uint8Array): Promise<Buffer> {
    return await this.call(Op.SvFromUpdate, 0, update)
  }

  async updateMeta (update: Uint8Array): Promise<Range[]> {
    return ranges(await this.call(Op.UpdateMeta, 0, update))
  }

  async checkUpdate (update: Uint8Array): Promise<void> {
    await this.call(Op.CheckUpdate, 0, update)
  }

  async decodeStateVector (sv: Uint8Array): Promise<Clock[]> {
    return clocks(await this.call(Op.DecodeSv, 0, sv))
  }

  async awarenessRead (update: Uint8Array): Promise<Presence[]> {
    const b = await this.call(Op.AwarenessRead, 0, update)
    const entries: Presence[] = []
    for (let at = 0; at < b.length;) {
      const n = b.readUInt32LE(at + 17)
      const state = b[at + 16] === 0 ? null : b.toString('utf8', at + 21, at + 21 + n)
      entries.push({ client: uint64(b, at), clock: uint64(b, at + 8), state })
      at += 21 + n
    }
    return entries
  }

  async awarenessWrite (entries: Presence[]): Promise<Buffer> {
    const w = new Writer().bytes(none)
    for (const e of entries) {
      const state = Buffer.from(e.state ?? '')
      w.uint(e.client, 8).uint(e.clock, 8).uint(e.state === null ? 0 : 1, 1)
        .uint(state.length, 4).bytes(state)
    }
    return await this.call(Op.AwarenessWrite, 0, w.done())
  }

  async awarenessMerge (a: Uint8Array, b: Uint8Array): Promise<Buffer> {
    return await this.call(Op.AwarenessMerge, 0,
      new Writer().uint(a.length, 4).bytes(a).bytes(b).done())
  }

  async awarenessIsNews (clock: number, present: boolean, e: Presence): Promise<boolean> {
    const args = new Writer().uint(clock, 8).uint(present ? 1 : 0, 1).uint(e.clock, 8)
      .uint(e.state === null ? 0 : 1, 1).done()
    return (await this.call(Op.AwarenessNews, 0, args))[0] === 1
  }
}

/** One document of the driver. */
export class YataDoc {
  constructor (private readonly call: (op: Op, args: Uint8Array) => Promise<Buffer>) {}

  free (): void {
    this.call(Op.Free, none).catch(() => {})
  }

  async apply (update: Uint8Array): Promise<Applied> {
    return applied((await this.call(Op.Apply, update))[0])
  }

  async applyAs (format: Format, update: Uint8Array): Promise<Applied> {
    const args = new Writer().uint(format - 1, 1).bytes(update).done()
    return applied((await this.call(Op.ApplyAs, args))[0])
  }

  /** See driver_read.h; the parts of the answer. */
  async read (command: Uint8Array): Promise<string[]> {
    const b = await this.call(Op.Read, command)
    const parts = []
    for (let at = 0; at < b.length;) {
      const n = b.readUInt32LE(at)
      parts.push(b.toString('utf8', at + 4, at + 4 + n))
      at += 4 + n
    }
    return parts
  }

  async setClient (client: number): Promise<void> {
    await this.call(Op.SetClient, new Writer().uint(client, 8).done())
  }

  /** One edit; see write.ts. */
  async write (command: Uint8Array): Promise<void> {
    await this.call(Op.Write, command)
  }

  async commitAs (format: Format): Promise<Buffer> {
    return await this.call(Op.CommitAs, Uint8Array.of(format - 1))
  }

  async encodeStateAs (format: Format, sv: Uint8Array = none): Promise<Buffer> {
    return await this.call(Op.EncodeStateAs, new Writer().uint(format - 1, 1).bytes(sv).done())
  }

  async snapshotAs (format: Format): Promise<Buffer> {
    return await this.call(Op.SnapshotAs, Uint8Array.of(format - 1))
  }

  async isKnown (format: Format, update: Uint8Array): Promise<boolean> {
    const args = new Writer().uint(format - 1, 1).bytes(update).done()
    return (await this.call(Op.IsKnownAs, args))[0] === 1
  }

  /** Edits that bring back what a state holds. */
  async revert (format: Format, state: Uint8Array): Promise<void> {
    await this.call(Op.Revert, new Writer().uint(format - 1, 1).bytes(state).done())
  }

  async revertToSnapshot (format: Format, snapshot: Uint8Array): Promise<void> {
    await this.call(Op.RevertSnapshot, new Writer().uint(format - 1, 1).bytes(snapshot).done())
  }

  /** Holds it as its state until it is wanted, unless something waits or is missing. */
  async freeze (): Promise<void> {
    await this.call(Op.Freeze, none)
  }

  /** Use Driver.docAt. */
  async at (args: Uint8Array): Promise<void> {
    await this.call(Op.DocAt, args)
  }

  begin (): void {
    this.call(Op.Begin, none).catch(() => {})
  }

  async commit (): Promise<Buffer> {
    return await this.call(Op.Commit, none)
  }

  async encodeState (sv: Uint8Array = none): Promise<Buffer> {
    return await this.call(Op.EncodeState, sv)
  }

  async encodeSince (since: Clock[]): Promise<Buffer> {
    const w = new Writer().bytes(none)
    for (const c of since) {
      w.uint(c.client, 8).uint(c.clock, 8)
    }
    return await this.call(Op.EncodeSince, w.done())
  }

  async stateVector (): Promise<Buffer> {
    return await this.call(Op.StateVector, none)
  }

  async clocks (): Promise<Clock[]> {
    return clocks(await this.call(Op.Clocks, none))
  }

  async snapshot (): Promise<Buffer> {
    return await this.call(Op.Snapshot, none)
  }

  async stats (): Promise<Stats> {
    const b = await this.call(Op.Stats, none)
    return {
      clients: uint64(b, 0),
      structs: uint64(b, 8),
      types: uint64(b, 16),
      memoryBytes: uint64(b, 24),
      pendingBytes: uint64(b, 32)
    }
  }
}

function applied (flags: number): Applied {
  const said: Applied = { changed: (flags & 1) !== 0, whole: (flags & 2) !== 0, pending: (flags & 4) !== 0 }
  if ((flags & 8) !== 0) {
    said.gap = true
  }
  return said
}

function uint64 (b: Buffer, at: number): number {
  return b.readUInt32LE(at) + b.readUInt32LE(at + 4) * 0x100000000
}

function ranges (b: Buffer): Range[] {
  const all = []
  for (let at = 0; at < b.length; at += 24) {
    all.push({ client: uint64(b, at), from: uint64(b, at + 8), to: uint64(b, at + 16) })
  }
  return all
}

function clocks (b: Buffer): Clock[] {
  const all = []
  for (let at = 0; at < b.length; at += 16) {
    all.push({ client: uint64(b, at), clock: uint64(b, at + 8) })
  }
  return all
}
