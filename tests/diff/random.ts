// Seeded randomness: the same seed gives the same history on every machine.

/** splitmix-style mixing of two numbers to a new 32-bit seed. */
export function mix (a: number, b: number): number {
  let h = (Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35)) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad) >>> 0
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97) >>> 0
  return (h ^ (h >>> 15)) >>> 0
}

export class Random {
  protected state: number

  constructor (seed: number) {
    this.state = seed >>> 0
  }

  /** [0, 2^32) (mulberry32) */
  uint32 (): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }

  /** from min to max, both included */
  int (min: number, max: number): number {
    return min + Math.floor(this.uint32() / 4294967296 * (max - min + 1))
  }

  chance (p: number): boolean {
    return this.uint32() / 4294967296 < p
  }

  pick<T> (from: readonly T[]): T {
    return from[this.int(0, from.length - 1)]
  }

  /** Picks by weight. */
  weighted<T> (from: ReadonlyArray<readonly [number, T]>): T {
    let at = this.int(1, from.reduce((sum, [w]) => sum + w, 0))
    for (const [w, value] of from) {
      at -= w
      if (at <= 0) {
        return value
      }
    }
    throw new Error('no weights')
  }

  /** The same elements in random order. */
  shuffled<T> (from: readonly T[]): T[] {
    const all = from.slice()
    for (let i = all.length - 1; i > 0; i--) {
      const j = this.int(0, i)
      const other = all[j]
      all[j] = all[i]
      all[i] = other
    }
    return all
  }

  bytes (n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.int(0, 255))
  }
}

/**
 * Draws for a history. Each step starts anew, so that steps can be left out while the others stay
 * alike: that is how a failure is shrunk.
 */
export class Steps extends Random {
  /** how many there were */
  count = 0

  constructor (private readonly seed: number, private readonly skipped: ReadonlySet<number> = new Set()) {
    super(seed)
  }

  /** Begins the next step; false when it is left out. */
  step (): boolean {
    this.count++
    this.state = mix(this.seed, this.count)
    return !this.skipped.has(this.count)
  }

  /** Begins what follows the steps. */
  last (): void {
    this.state = mix(this.seed, 0)
  }
}

const letters = ['a', 'b', 'c', 'x', 'y', ' ', '\n', 'ä', 'ß', '√', '中', '\u0000', '"', '\\',
  '\ufeff', '\u2028', '😀', '👩‍👩‍👧', '🇪🇺', '𝒳']

export function randomText (rnd: Random, max = 6, lone = 0.03): string {
  let s = ''
  for (let n = rnd.int(1, max); n > 0; n--) {
    s += rnd.pick(letters)
  }
  if (rnd.chance(lone)) {
    s += rnd.pick(['\ud83d', '\ude00', '\ude00\ud83d']) // lone surrogates
  }
  return s
}

const numbers = [0, -0, 1, -1, 63, 64, -64, 8191, 8192, 2147483647, -2147483647, 2147483648,
  -2147483648, 4294967296, 9007199254740991, -9007199254740991, 0.5, 1.5, -0.1, 3.4028234e38,
  1e-320, 1.7976931348623157e308, Infinity, -Infinity, NaN]

/** A value that survives lib0's "any" encoding. `json`: only what JSON can carry. */
export function randomAny (rnd: Random, json = false, depth = 0): unknown {
  switch (rnd.int(0, depth > 2 ? 6 : 9)) {
    case 0: return rnd.pick([true, false])
    case 1: return null
    case 2: return json ? rnd.int(-1e6, 1e6) / 8 : rnd.pick(numbers)
    case 3: return rnd.int(-1000, 1000)
    // While it waits, JSON is kept by yjs in format V2, which has no lone surrogates.
    case 4: return randomText(rnd, 12, json ? 0 : 0.03)
    case 5: return rnd.chance(0.2) ? '' : randomText(rnd, 3, json ? 0 : 0.03)
    case 6:
      if (json) {
        return rnd.int(0, 1e9)
      }
      return rnd.pick([undefined, 0n, -1n, 9223372036854775807n, -9223372036854775808n,
        rnd.bytes(rnd.int(0, 5))])
    case 7:
      return Array.from({ length: rnd.int(0, 3) }, () => randomAny(rnd, json, depth + 1))
    default: {
      const object: Record<string, unknown> = {}
      for (let n = rnd.int(0, 3); n > 0; n--) {
        object[rnd.pick(['k', 'b', '10', '9', 'ключ', '', 'a b'])] = randomAny(rnd, json, depth + 1)
      }
      return object
    }
  }
}
