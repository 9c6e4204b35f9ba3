/* disk.ts: a disk that fails when the test says so: faulty_disk.c, preloaded into a server. */
import { closeSync, existsSync, openSync, readSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Server, StartOptions } from "./server.ts";
import type { Context } from "./suite.ts";

/* As in faulty_disk.c. */
export const FAULTS = { none: 0, one: 1, full: 2, readOnly: 3, writes: 4, syncs: 5, slow: 6 } as const;
export type Fault = keyof typeof FAULTS;

/** The disk that one data directory is on. */
export class Disk {
    readonly data: string;
    /** Another directory on the same disk. */
    readonly beside: string;
    private readonly t: Context;
    private readonly state: string;
    private readonly fd: number;

    constructor(t: Context) {
        const place = t.directory();
        this.t = t;
        this.data = join(place, "data");
        this.beside = join(place, "beside");
        this.state = join(t.directory(), "state");
        this.fd = openSync(this.state, "w+");
        t.defer(() => closeSync(this.fd));
        writeSync(this.fd, Buffer.alloc(32), 0, 32, 0);
    }

    /** What a server on it is started with. */
    get options(): StartOptions {
        const library = join(dirname(this.t.settings.program), "tests/support/libfaulty_disk.so");
        if (!existsSync(library)) {
            throw new Error(`no ${library}: build it first`);
        }
        return { env: { LD_PRELOAD: library, FAULTY_DISK_STATE: this.state, FAULTY_DISK_DATA: dirname(this.data) } };
    }

    /** A server on it. */
    start(flags: string[] = []): Promise<Server> {
        return this.t.start(["--workers", "2", "--data", this.data, ...flags], this.options);
    }

    /** From now on this is wrong; `argument` as in faulty_disk.c. */
    fail(fault: Fault, argument = 0): void {
        const numbers = Buffer.alloc(16);
        numbers.writeBigInt64LE(BigInt(argument), 8);
        writeSync(this.fd, numbers, 8, 8, 8);
        numbers.writeBigInt64LE(BigInt(FAULTS[fault]), 0);
        writeSync(this.fd, numbers, 0, 8, 0);
    }

    private number(at: number): number {
        const bytes = Buffer.alloc(8);
        readSync(this.fd, bytes, 0, 8, at);
        return Number(bytes.readBigInt64LE());
    }

    /** Writes and syncs so far. */
    get operations(): number {
        return this.number(16);
    }

    /** How many of them failed. */
    get failed(): number {
        return this.number(24);
    }
}
