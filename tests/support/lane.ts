/* lane.ts: a directory, the servers that live on it one after the other, and people who type until each
 * is killed. What was acknowledged is there again in the next life, what was not its writers bring
 * back, and versions never go back.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CollabClient, type ConnectOptions, RpcError, b64 } from "./client.ts";
import type { Disk } from "./disk.ts";
import type { Random } from "./random.ts";
import { Replica } from "./replica.ts";
import { Server } from "./server.ts";
import type { Context } from "./suite.ts";
import { good } from "./tool.ts";
import { pace, pause, until } from "./wait.ts";

export const ROOM = "ws:e2e/crash";
const BLOB = "x".repeat(8000); /* so that journals grow long enough to be folded now and then */

export const said = (replica: Replica) => replica.doc.getMap<number>("said");

/** Somebody who types, and remembers what was acknowledged. */
export class Typist {
    readonly replica: Replica;
    readonly acknowledged: Set<string>;
    private readonly name: string;
    private readonly options: ConnectOptions;
    private count = 0;
    private client: CollabClient | undefined;
    /** Something was refused, and what came after it builds on that. */
    refused = false;

    constructor(t: Context, name: string, acknowledged: Set<string>, options: ConnectOptions = {}) {
        this.replica = t.replica();
        this.name = name;
        this.options = options;
        this.acknowledged = acknowledged;
    }

    /** Joins, bringing what the server may have lost; then all of it is acknowledged. As any client does,
     * again while the store cannot be written: a server that was ready may not have noticed what has
     * just happened to its database. */
    async enter(server: Server): Promise<number> {
        const version = await patiently(() => this.tryToEnter(server));
        this.refused = false;
        this.replica.link = { sendUpdate: (update) => this.send(update), sendAwareness: () => undefined };
        return version;
    }

    private async tryToEnter(server: Server): Promise<number> {
        const client = await CollabClient.connect(server, this.options);
        this.client = client;
        const mine = [...said(this.replica).keys()];
        try {
            const room = await client.join(ROOM, this.replica);
            mine.forEach((key) => this.acknowledged.add(key));
            return room.subscribed.version;
        } catch (e) {
            this.leave();
            throw e;
        }
    }

    private send(update: Uint8Array): void {
        const key = this.key;
        this.client!
            .sequenced("collab/update", { roomId: ROOM, payloadB64: b64(update) })
            .then((result) => result.applied && !this.refused && this.acknowledged.add(key))
            .catch(() => (this.refused = true)); /* the server was killed, or could not write */
    }

    /** What was typed last. */
    get last(): string {
        return this.key;
    }

    private get key(): string {
        return `${this.name}-${this.count}`;
    }

    type(rng: Random): void {
        this.count++;
        this.replica.doc.transact(() => {
            said(this.replica).set(this.key, this.count);
            this.replica.scribble(rng);
            if (rng.chance(0.1)) {
                this.replica.doc.getMap("blob").set(this.name, BLOB);
            }
        });
    }

    /** The versions of the edits of others, in the order in which they came on this connection. */
    get heard(): number[] {
        return this.client!.inbox.flat().filter((m) => m.method === "collab/update").map((m) => m.params.version);
    }

    /** The highest version that the server has told, by then. */
    leave(): number {
        this.replica.link = undefined;
        const told = this.client!.inbox.flat().map((m) => m.params?.version ?? m.result?.version ?? 0);
        this.client!.line.ws.terminate();
        return Math.max(0, ...told);
    }
}

/** They type until `end` resolves. */
export async function typing(t: Context, people: Typist[], end: Promise<unknown>): Promise<void> {
    let over = false;
    void end.finally(() => (over = true));
    while (!over) {
        people.forEach((one) => one.type(t.rng));
        await pause(t.rng.below(4));
    }
    await end;
}

/** What a server on this database is started with. */
export const on = (url: string) => ({ env: { COLLAB_STORE: url } });

/** Ends by SIGKILL, so that nothing but the database knows anything. */
export async function mortal(t: Context, url: string, more: Record<string, string> = {}): Promise<Server> {
    const server = await Server.start(t.settings.program, ["--workers", "2"], { env: { COLLAB_STORE: url, ...more } });
    t.defer(() => server.kill());
    return server;
}

export async function kill(server: Server): Promise<void> {
    server.signal("SIGKILL");
    await until(() => server.exit !== undefined, "its end");
}

export const ready = async (server: Server): Promise<boolean> => (await fetch(server.http("/readyz"))).status === 200;

export interface LaneOptions {
    /** A disk of which one write or sync fails in each life: by turns while the server starts and while
     * people type, and each time another one. */
    disk?: Disk;
    /** In each life a backup is taken while people type, and looked at. */
    backups?: boolean;
    /** A database instead of the directory. */
    store?: string;
}

/** Again, as long as the server says that its store cannot be written, or that it was too much. */
export async function patiently<T>(what: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + 10_000 * pace.slowness;
    for (;;) {
        try {
            return await what();
        } catch (e) {
            if (!(e instanceof RpcError && (e.code === 503 || e.code === 429)) || performance.now() > deadline) {
                throw e;
            }
            await pause(20);
        }
    }
}

/** Who has never been here sees all that was acknowledged; the room's version. */
export async function witness(server: Server, acknowledged: Iterable<string>, options?: ConnectOptions): Promise<number> {
    const replica = new Replica();
    const client = await CollabClient.connect(server, options);
    const room = await patiently(() => client.join(ROOM, replica));
    const missing = (): string[] => [...acknowledged].filter((key) => !said(replica).has(key));
    await until(() => missing().length === 0, "all that was acknowledged").catch(() =>
        assert.deepEqual(missing(), [], "acknowledged and lost"),
    );
    client.line.ws.terminate();
    replica.dispose();
    return room.subscribed.version;
}

/** A server on a directory, and those who use it, over many lives. */
export class Lane {
    private readonly t: Context;
    private readonly rng: Random;
    private readonly data: string;
    private readonly acknowledged = new Set<string>();
    private readonly typists: Typist[];
    private readonly options: LaneOptions;
    private version = 0;
    private lives = 0;

    constructor(t: Context, rng: Random, options: LaneOptions = {}) {
        this.t = t;
        this.rng = rng;
        this.options = options;
        this.data = options.disk?.data ?? t.directory();
        this.typists = ["ann", "bob", "eve"].map((name) => new Typist(t, name, this.acknowledged));
    }

    private async start(data = this.data): Promise<Server> {
        const flags = ["--workers", "2", "--data", data];
        const { store, disk } = this.options;
        const options = store ? { env: { COLLAB_STORE: store } } : disk?.options;
        const server = await Server.start(this.t.settings.program, flags, options);
        this.t.defer(() => server.kill());
        return server;
    }

    /** The nth write or sync from now on fails. */
    private fault(n: number): void {
        this.options.disk?.fail("one", this.options.disk.operations + n);
    }

    /** A start during which something fails, or soon after it. */
    private async startFaulty(n: number): Promise<Server> {
        const { failed } = this.options.disk!;
        this.fault(n);
        return this.start().catch((e: Error) => {
            assert.equal(this.options.disk!.failed, failed + 1, "it starts, unless its disk has failed");
            assert.match(e.message, /cannot be (opened|used)/, `and says why, not: ${e.message}`);
            return this.start();
        });
    }

    /** Who has never been here sees all that was acknowledged. */
    private async look(server: Server, acknowledged: Iterable<string> = this.acknowledged, version = this.version): Promise<void> {
        const now = await witness(server, acknowledged);
        assert.ok(now >= version, `version ${now} after ${version} was told`);
    }

    private agree(): boolean {
        const [first, ...others] = this.typists.map((one) => Buffer.from(one.replica.stateVector));
        return others.every((other) => other.equals(first!));
    }

    private async typeFor(ms: number): Promise<void> {
        const end = performance.now() + ms;
        while (performance.now() < end) {
            this.typists.forEach((one) => one.type(this.rng));
            await pause(this.rng.below(3));
        }
    }

    /** What a backup has that is taken now, while people type. */
    private async backUp(): Promise<void> {
        const before = [...this.acknowledged];
        const to = join(this.t.directory(), "backup");
        let taken = false;
        const backup = good(this.t, "backup", to, "--data", this.data).finally(() => (taken = true));
        while (!taken) {
            await this.typeFor(10);
        }
        await backup;
        const server = await this.start(to);
        await this.look(server, before, 0);
        await server.stop();
    }

    async round(): Promise<void> {
        const life = ++this.lives;
        const atStart = this.options.disk && life % 2 === 0;
        const server = await (atStart ? this.startFaulty(life / 2) : this.start());
        if (this.version > 0) {
            await this.look(server);
        }
        await Promise.all(this.typists.map((one) => one.enter(server)));
        await until(() => this.agree(), "the same state for everybody");
        if (!atStart) {
            this.fault((life + 1) / 2);
        }
        await this.typeFor(this.rng.below(120) + (this.options.disk ? 100 : 0));
        if (this.options.backups) {
            await this.backUp();
        }
        server.signal("SIGKILL");
        await until(() => server.exit !== undefined, "its end");
        this.version = Math.max(this.version, ...this.typists.map((one) => one.leave()));
    }

    /** A last life, and one after it, end as an operator ends them. */
    async end(): Promise<number> {
        for (let i = 0; i < 2; i++) {
            const server = await this.start();
            await this.look(server);
            await server.stop();
        }
        return this.acknowledged.size;
    }
}

