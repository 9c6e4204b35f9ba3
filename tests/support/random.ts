/* random.ts: numbers that a seed repeats (splitmix32). */

export class Random {
    private state: number;

    constructor(seed: number) {
        this.state = seed >>> 0;
    }

    /** 0 <= x < 2^32 */
    next(): number {
        this.state = (this.state + 0x9e3779b9) >>> 0;
        let z = this.state;
        z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
        z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
        return (z ^ (z >>> 15)) >>> 0;
    }

    /** 0 <= x < n */
    below(n: number): number {
        return Math.floor((this.next() / 2 ** 32) * n);
    }

    chance(probability: number): boolean {
        return this.next() / 2 ** 32 < probability;
    }

    pick<T>(from: readonly T[]): T {
        return from[this.below(from.length)]!;
    }

    /** A generator of its own, so that parallel actors do not disturb each other's numbers. */
    fork(): Random {
        return new Random(this.next());
    }

    bytes(n: number): Uint8Array {
        return Uint8Array.from({ length: n }, () => this.below(256));
    }
}
