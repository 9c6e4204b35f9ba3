/* suite.ts: what a test is here: a sentence that is a promise, and a function that proves it. The
 * runner (e2e/run.ts) gives each test a context with a server, a seed and the duty to clean up.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CollabClient, type ConnectOptions } from "./client.ts";
import { Random } from "./random.ts";
import { Replica, type ReplicaOptions } from "./replica.ts";
import { Server, type StartOptions } from "./server.ts";

export interface Settings {
    program: string;
    seed: number;
    /** Seconds that the long random tests type. */
    seconds: number;
    /** Also what takes half a minute of waiting for a time-out. */
    patient: boolean;
}

export interface TestOptions {
    /** Several workers at once: what a run under ThreadSanitizer is after. */
    tsan?: boolean;
    /** Deadline of the whole test. */
    ms?: number;
}

export interface Test extends TestOptions {
    name: string;
    file: string;
    run: (t: Context) => Promise<void>;
}

export class Skip extends Error {}

export const tests: Test[] = [];
let currentFile = "";

export function inFile(name: string): void {
    currentFile = name;
}

export function test(name: string, run: Test["run"], options: TestOptions = {}): void {
    tests.push({ name, file: currentFile, run, ...options });
}

/* A server with default flags, shared by the tests of a file. */
let shared: Server | undefined;

export async function stopShared(): Promise<void> {
    const server = shared;
    shared = undefined;
    await server?.stop();
}

export function sharedServer(): Server | undefined {
    return shared;
}

let rooms = 0;
let users = 0;
let addresses = 256;

export class Context {
    readonly settings: Settings;
    readonly rng: Random;
    /** Servers this test has started, for the report. */
    readonly servers: Server[] = [];
    private readonly clean: (() => Promise<void> | void)[] = [];

    constructor(settings: Settings, name: string) {
        this.settings = settings;
        let hash = settings.seed;
        for (const c of name) {
            hash = Math.imul(hash, 31) + c.charCodeAt(0);
        }
        this.rng = new Random(hash);
    }

    /** Runs when the test is over, newest first, also when it failed. */
    defer(fn: () => Promise<void> | void): void {
        this.clean.push(fn);
    }

    async cleanUp(): Promise<Error[]> {
        const errors: Error[] = [];
        for (const fn of this.clean.reverse()) {
            try {
                await fn();
            } catch (e) {
                errors.push(e as Error);
            }
        }
        return errors;
    }

    /** The file's server, or with flags one of this test's own, which must end cleanly with it. */
    async server(...flags: string[]): Promise<Server> {
        if (flags.length === 0) {
            if (!shared || shared.exit) {
                shared = await Server.start(this.settings.program, ["--workers", "2"]);
            }
            return shared;
        }
        return this.start(flags);
    }

    /** A server of this test's own, which must end cleanly with it. */
    async start(flags: string[], options: StartOptions = {}): Promise<Server> {
        const server = await Server.start(this.settings.program, flags, options);
        this.servers.push(server);
        this.defer(() => (server.exit ? server.assertClean() : server.stop()));
        return server;
    }

    /** A room name that no other test uses. */
    room(label = "room"): string {
        return `ws:e2e/${label}-${++rooms}`;
    }

    /** A directory of this test's own, which goes with it. */
    directory(): string {
        const path = mkdtempSync(join(tmpdir(), "collabd-"));
        this.defer(() => rmSync(path, { recursive: true, force: true }));
        return path;
    }

    /** An address of this machine that nobody else comes from. */
    address(): string {
        const n = ++addresses;
        return `127.${1 + ((n >> 16) & 63)}.${(n >> 8) & 255}.${n & 255}`;
    }

    /** A user that no other test uses. */
    user(name = "user"): string {
        return `${name}-${++users}`;
    }

    /** A copy whose client id follows from the seed: it decides who stands first where two type. */
    replica(options?: ReplicaOptions): Replica {
        const replica = new Replica({ clientID: this.rng.next(), ...options });
        this.defer(() => replica.dispose());
        return replica;
    }

    async connect(server: Server, options?: ConnectOptions): Promise<CollabClient> {
        const client = await CollabClient.connect(server, options);
        this.defer(() => client.line.ws.terminate());
        return client;
    }

    skip(why: string): never {
        throw new Skip(why);
    }
}
