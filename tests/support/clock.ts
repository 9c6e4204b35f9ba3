/* clock.ts: a machine's clock that is wrong, as the test says: wrong_clock.c, preloaded into a server. */
import { closeSync, existsSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Context } from "./suite.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export class Clock {
    private readonly t: Context;
    private readonly file: string;
    private readonly fd: number;

    /** It is ahead by so many milliseconds. */
    constructor(t: Context, ahead: number) {
        this.t = t;
        this.file = join(t.directory(), "clock");
        this.fd = openSync(this.file, "w+");
        t.defer(() => closeSync(this.fd));
        this.set(ahead);
    }

    set(ahead: number): void {
        const number = Buffer.alloc(8);
        number.writeBigInt64LE(BigInt(ahead));
        writeSync(this.fd, number, 0, 8, 0);
    }

    /** What a server goes by it with. */
    get env(): Record<string, string> {
        const library = join(dirname(this.t.settings.program), "tests/support/libwrong_clock.so");
        if (!existsSync(library)) {
            throw new Error(`no ${library}: build it first`);
        }
        return { LD_PRELOAD: library, WRONG_CLOCK: this.file };
    }
}
