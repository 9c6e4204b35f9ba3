// Histories for the benchmark: lists of updates, one per keystroke, as clients would send them.

import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import * as Y from 'yjs'
import { Random } from '../diff/random.ts'

/** Updates in the order of their making. */
export interface Recorded { updates: Uint8Array[] }

const words = ['the ', 'of ', 'and ', 'to ', 'shared ', 'document ', 'in ', 'replica ', 'merges ', 'a ',
  'is ', 'every ', 'letter ', 'that ', 'was ', 'typed, ', 'then ', 'deleted.\n']

/**
 * Typing: four writers take turns in bursts of about sixty keystrokes, each at a place of its own
 * choice. 15 % of the keystrokes are backspaces, every key is an update.
 */
export function typing (operations: number, seed = 1): Recorded {
  const rnd = new Random(seed)
  const doc = new Y.Doc()
  const text = doc.getText('text')
  const clients = [1000001, 2000002, 3000003, 4294967295]
  const updates: Uint8Array[] = []
  doc.on('update', update => { updates.push(update) })
  let at = 0
  let word = ''
  while (updates.length < operations) {
    if (rnd.chance(1 / 60)) {
      doc.clientID = rnd.pick(clients)
      at = rnd.chance(0.3) ? text.length : Math.min(text.length, Math.max(0, at + rnd.int(-2000, 2000)))
      word = ''
    }
    if (rnd.chance(0.15) && at > 0) {
      text.delete(--at, 1)
    } else {
      word = word === '' ? rnd.pick(words) : word
      text.insert(at++, word[0])
      word = word.slice(1)
    }
  }
  return { updates }
}

/**
 * A writing session of one author, in the measures of the one that B4 replays: 259,778 keystrokes, 30 %
 * of them deletions, in runs at places that mostly lie near the last one.
 */
export function session (seed = 1, operations = 259778): Recorded {
  const rnd = new Random(seed)
  const doc = new Y.Doc()
  doc.clientID = 1000001
  const text = doc.getText('text')
  const updates: Uint8Array[] = []
  doc.on('update', update => { updates.push(update) })
  let at = 0
  let erasing = false
  let word = ''
  while (updates.length < operations) {
    if (rnd.chance(1 / 120)) {
      at = rnd.chance(0.5) ? text.length : Math.min(text.length, Math.max(0, at + rnd.int(-500, 500)))
      erasing = rnd.chance(0.22)
      word = ''
    }
    if (at > 0 && (erasing || rnd.chance(0.1))) {
      text.delete(--at, 1)
    } else {
      word = word === '' ? rnd.pick(words) : word
      text.insert(at++, word[0])
      word = word.slice(1)
    }
  }
  return { updates }
}

type Patch = [at: number, deleted: number, inserted: string]
interface Transaction { patches: Patch[], parents?: number[], agent?: number }

/** A recorded session in the format of josephg/editing-traces (JSON, gzipped), replayed by yjs. */
export function trace (path: string): Recorded {
  const session = JSON.parse(gunzipSync(readFileSync(path)).toString()) as
    { startContent?: string, endContent: string, txns: Transaction[], numAgents?: number }
  // Positions count code points; where units differ, every position costs a walk over the text.
  const wide = /[\u{10000}-\u{10ffff}]/u.test(JSON.stringify(session))
  const made: Uint8Array[][] = []
  const writers = Array.from({ length: session.numAgents ?? 1 }, (_, agent) => {
    const doc = new Y.Doc()
    doc.clientID = 1000001 + agent
    const known = new Set<number>()
    doc.on('update', (update, origin) => {
      if (origin !== 'remote') {
        made[made.length - 1].push(update)
      }
    })
    return { doc, known }
  })
  if (session.startContent !== undefined && session.startContent !== '') {
    made.push([])
    writers[0].doc.getText('text').insert(0, session.startContent)
    writers.slice(1).forEach(w => { Y.applyUpdate(w.doc, made[0][0], 'remote') })
  }
  const first = made.length
  const learn = (writer: typeof writers[number], wanted: number[]): void => {
    const missing: number[] = []
    const open = wanted.slice()
    for (let i = open.pop(); i !== undefined; i = open.pop()) {
      if (!writer.known.has(i)) {
        writer.known.add(i)
        missing.push(i)
        open.push(...session.txns[i].parents ?? [])
      }
    }
    missing.sort((a, b) => a - b).forEach(i => {
      made[first + i].forEach(update => { Y.applyUpdate(writer.doc, update, 'remote') })
    })
  }
  session.txns.forEach(({ patches, parents, agent }, i) => {
    const writer = writers[agent ?? 0]
    learn(writer, parents ?? [])
    writer.known.add(i)
    made.push([])
    const text = writer.doc.getText('text')
    for (const [at, deleted, inserted] of patches) {
      const from = wide ? units(text, at) : at
      if (deleted > 0) {
        text.delete(from, wide ? units(text, at + deleted) - from : deleted)
      }
      if (inserted !== '') {
        text.insert(from, inserted)
      }
    }
  })
  writers.forEach(w => { learn(w, session.txns.map((_, i) => i)) })
  const final = writers[0].doc.getText('text').toString()
  if (final !== session.endContent) {
    throw new Error(`${path}: the replay does not end in endContent`)
  }
  return { updates: made.flat() }
}

/** Code points to UTF-16 units. */
function units (text: Y.Text, codePoints: number): number {
  return [...text.toString()].slice(0, codePoints).join('').length
}

/** All updates in one, in the way of Y.mergeUpdates: nothing is joined or collected. */
export function merged (updates: Uint8Array[]): Uint8Array {
  let level = updates
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 64) {
      next.push(Y.mergeUpdates(level.slice(i, i + 64)))
    }
    level = next
  }
  return level[0]
}

/** As the file that the bench programs read: what a peer has that is 1 % behind, all merged, updates. */
export function file ({ updates }: Recorded): Uint8Array {
  const peer = new Y.Doc()
  updates.slice(0, Math.ceil(updates.length * 0.99)).forEach(update => { Y.applyUpdate(peer, update) })
  return Buffer.concat([Y.encodeStateVector(peer), merged(updates), ...updates].flatMap(record => {
    const head = Buffer.alloc(4)
    head.writeUInt32LE(record.length)
    return [head, record]
  }))
}
