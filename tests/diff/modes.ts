// The kinds of histories, and how one is told: as all are, or without some of its steps.

import { awarenessHistory } from './awareness.ts'
import { collectedHistory } from './collected.ts'
import type { Driver } from './driver.ts'
import { formatsHistory } from './formats.ts'
import { type Mismatch, noFigures, type Result, shrink, type Tell, tellHistory } from './history.ts'
import { holesHistory } from './holes.ts'
import { hostileHistory } from './hostile.ts'
import { mix, Steps } from './random.ts'
import { readingHistory } from './reading.ts'
import { revertingHistory } from './reverting.ts'
import { writingHistory } from './writing.ts'

interface Mode {
  salt: number
  /** the seeds that are told it when all modes are wanted; all are told the plain one */
  when: (seed: number) => boolean
  tell: (rnd: Steps, driver: Driver) => Promise<Mismatch | null>
}

const modes = {
  awareness: { salt: 0xa3a3, when: seed => seed % 4 === 0, tell: awarenessHistory },
  formats: { salt: 0x5632, when: seed => seed % 4 === 2, tell: formatsHistory },
  holes: { salt: 0x401e, when: seed => seed % 4 === 1, tell: holesHistory },
  collected: { salt: 0x6c, when: seed => seed % 2 === 1, tell: collectedHistory },
  hostile: { salt: 0x405, when: seed => seed % 2 === 0, tell: hostileHistory },
  reading: { salt: 0x7ead, when: seed => seed % 16 === 3, tell: readingHistory },
  writing: { salt: 0x77726974, when: seed => seed % 4 === 1, tell: writingHistory },
  reverting: { salt: 0x7265, when: seed => seed % 16 === 7, tell: revertingHistory }
} satisfies Record<string, Mode>

export type ModeName = 'plain' | keyof typeof modes
export const modeNames = ['plain', ...Object.keys(modes)] as ModeName[]

/** A failing history: of which mode, and without which steps. */
export interface Told extends Result { mode: ModeName }

/** Without a driver, yjs is its own judge, in the plain mode. */
export async function tellMode (name: ModeName, seed: number, driver: Driver | null,
  skipped: ReadonlySet<number> = new Set(), trace = false): Promise<Told> {
  if (name === 'plain' || driver === null) {
    return { ...await tellHistory(seed, driver, { skipped, trace }), mode: 'plain' }
  }
  const mode = modes[name]
  const rnd = new Steps(mix(seed, mode.salt), skipped)
  const failure = await mode.tell(rnd, driver)
  return { failure, steps: rnd.count, figures: noFigures(), mode: name }
}

/** All that a seed stands for, up to the first failure; `only`: in one mode. */
export async function tellAll (seed: number, driver: Driver | null, only: ModeName | null): Promise<Told> {
  if (only !== null) {
    return await tellMode(only, seed, driver)
  }
  const plain = await tellMode('plain', seed, driver)
  for (const [name, { when }] of Object.entries(modes)) {
    if (plain.failure !== null || driver === null) {
      break
    }
    if (when(seed)) {
      const told = await tellMode(name as ModeName, seed, driver)
      if (told.failure !== null) {
        return { ...told, figures: plain.figures }
      }
    }
  }
  return plain
}

function cut (text: string): string {
  return text.split('\n').map(l => l.length > 400 ? `${l.slice(0, 400)}… (${l.length})` : l).join('\n')
}

/** A failure for people: as it was met, and as small as it gets within the time. */
export async function describe (seed: number, told: Told, driver: Driver | null, shrinkMs: number): Promise<string> {
  const lines = [`FAILED history ${seed}, ${told.mode}, of ${told.steps} steps (replay: --seed ${seed} --only ${told.mode})`,
    cut(told.failure?.message ?? '')]
  if (driver !== null) {
    const again: Tell = async skipped => await tellMode(told.mode, seed, driver, skipped, true)
    const small = await shrink(again, shrinkMs)
    if (small.failure !== null) {
      lines.push(`shrunk to ${small.steps - small.skipped.size} of ${small.steps} steps:`, small.failure.message)
      if (small.failure.trace.length > 0) {
        lines.push('after:', ...small.failure.trace.map(line => `  ${line}`))
      }
    }
  }
  return lines.join('\n')
}
