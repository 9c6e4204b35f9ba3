/* crash.ts: kill -9 at any moment, and the same directory again. What was acknowledged is there, what
 * was not its writers bring back, all copies come to agree, and versions never go back.
 */
import assert from "node:assert/strict";
import { CollabClient, b64 } from "../support/client.ts";
import type { Random } from "../support/random.ts";
import { Replica } from "../support/replica.ts";
import { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pace, pause, until } from "../support/wait.ts";

/* Fewer under sanitizers. By hand: COLLAB_CRASH_ROUNDS=100000 npx tsx e2e/run.ts --only crash */
const ROUNDS = Number(process.env.COLLAB_CRASH_ROUNDS ?? (pace.slowness > 1 ? 40 : 200));
const LANES = 4;
const ROOM = "ws:e2e/crash";
const BLOB = "x".repeat(8000); /* so that journals grow long enough to be folded now and then */

const said = (replica: Replica) => replica.doc.getMap<number>("said");

/** Somebody who types, and remembers what was acknowledged. */
class Typist {
    readonly replica: Replica;
    readonly acknowledged: Set<string>;
    private readonly name: string;
    private count = 0;
    private client: CollabClient | undefined;

    constructor(t: Context, name: string, acknowledged: Set<string>) {
        this.replica = t.replica();
        this.name = name;
        this.acknowledged = acknowledged;
    }

    /** Joins, bringing what the server may have lost; then all of it is acknowledged. */
    async enter(server: Server): Promise<number> {
        const client = await CollabClient.connect(server);
        this.client = client;
        const mine = [...said(this.replica).keys()];
        const room = await client.join(ROOM, this.replica);
        mine.forEach((key) => this.acknowledged.add(key));
        this.replica.link = { sendUpdate: (update) => this.send(update), sendAwareness: () => undefined };
        return room.subscribed.version;
    }

    private send(update: Uint8Array): void {
        const key = this.key;
        this.client!
            .sequenced("collab/update", { roomId: ROOM, payloadB64: b64(update) })
            .then((result) => result.applied && this.acknowledged.add(key))
            .catch(() => undefined); /* the server was killed */
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

    /** The highest version that the server has told, by then. */
    leave(): number {
        this.replica.link = undefined;
        const told = this.client!.inbox.flat().map((m) => m.params?.version ?? m.result?.version ?? 0);
        this.client!.line.ws.terminate();
        return Math.max(0, ...told);
    }
}

/** A server on a directory, and those who use it, over many lives. */
class Lane {
    private readonly t: Context;
    private readonly rng: Random;
    private readonly data: string;
    private readonly acknowledged = new Set<string>();
    private readonly typists: Typist[];
    private version = 0;

    constructor(t: Context, rng: Random) {
        this.t = t;
        this.rng = rng;
        this.data = t.directory();
        this.typists = ["ann", "bob", "eve"].map((name) => new Typist(t, name, this.acknowledged));
    }

    private async start(): Promise<Server> {
        const server = await Server.start(this.t.settings.program, ["--workers", "2", "--data", this.data]);
        this.t.defer(() => server.kill());
        return server;
    }

    /** Who has never been here sees all that was acknowledged. */
    private async look(server: Server): Promise<void> {
        const witness = new Replica();
        const client = await CollabClient.connect(server);
        const room = await client.join(ROOM, witness);
        assert.ok(
            room.subscribed.version >= this.version,
            `version ${room.subscribed.version} after ${this.version} was told`,
        );
        const missing = (): string[] => [...this.acknowledged].filter((key) => !said(witness).has(key));
        await until(() => missing().length === 0, "all that was acknowledged").catch(() =>
            assert.deepEqual(missing(), [], "acknowledged and lost"),
        );
        client.line.ws.terminate();
        witness.dispose();
    }

    private agree(): boolean {
        const [first, ...others] = this.typists.map((one) => Buffer.from(one.replica.stateVector));
        return others.every((other) => other.equals(first!));
    }

    async round(): Promise<void> {
        const server = await this.start();
        if (this.version > 0) {
            await this.look(server);
        }
        await Promise.all(this.typists.map((one) => one.enter(server)));
        await until(() => this.agree(), "the same state for everybody");
        const end = performance.now() + this.rng.below(120);
        while (performance.now() < end) {
            this.typists.forEach((one) => one.type(this.rng));
            await pause(this.rng.below(3));
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

test(
    `killed ${ROUNDS} times while people type, the server has all that it acknowledged`,
    async (t) => {
        const lanes = Array.from({ length: LANES }, () => new Lane(t, t.rng.fork()));
        let left = ROUNDS;
        await Promise.all(
            lanes.map(async (lane) => {
                while (left-- > 0) {
                    await lane.round();
                }
            }),
        );
        for (const lane of lanes) {
            assert.ok((await lane.end()) > ROUNDS / LANES, "something was acknowledged");
        }
    },
    { ms: 60_000 + ROUNDS * 1000 },
);

test("a second SIGTERM ends at once, and nothing acknowledged is lost", async (t) => {
    const flags = ["--workers", "2", "--data", t.directory()];
    const acknowledged = new Set<string>();
    const ann = new Typist(t, "ann", acknowledged);
    const server = await t.start(flags);
    await ann.enter(server);
    for (let i = 0; i < 200; i++) {
        ann.type(t.rng);
    }
    await until(() => acknowledged.size > 20, "some acknowledgements");
    server.signal("SIGTERM");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "its end");
    assert.equal(server.exit!.code, 0);
    ann.leave();
    const again = await t.start(flags);
    const bob = t.replica();
    const client = await t.connect(again);
    await client.join(ROOM, bob);
    await until(() => [...acknowledged].every((key) => said(bob).has(key)), "all that was acknowledged");
}, { tsan: true });

test("SIGTERM acknowledges what is under way, then closes with 1013", async (t) => {
    const flags = ["--workers", "2", "--data", t.directory()];
    const server = await t.start(flags);
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join(ROOM, ann);
    for (let i = 0; i < 50; i++) {
        ann.append("a");
    }
    server.signal("SIGTERM");
    await until(() => client.line.closed !== undefined && server.exit !== undefined, "the end");
    assert.equal(client.line.closed!.code, 1013);
    assert.equal(server.exit!.code, 0);
    const acknowledged = client.inbox.flat().filter((m) => m.result?.applied).length;
    const again = await t.start(flags);
    const bob = t.replica();
    await (await t.connect(again)).join(ROOM, bob);
    await until(() => bob.text.length >= acknowledged, "all that was acknowledged");
}, { tsan: true });

test("a second server on the same directory does not start, and says who has it", async (t) => {
    const flags = ["--data", t.directory()];
    const first = await t.start(flags);
    await assert.rejects(Server.start(t.settings.program, flags), new RegExp(`in use by another collabd \\(process ${first.pid}\\)`));
    assert.equal((await fetch(first.http("/readyz"))).status, 200);
});

test("rooms come back from the disk as they were, also those that left memory", async (t) => {
    const server = await t.start(["--workers", "2", "--room-ttl", "0", "--data", t.directory()]);
    const ann = t.replica();
    const client = await t.connect(server);
    const room = await client.join(ROOM, ann);
    for (let i = 0; i < 300; i++) {
        ann.scribble(t.rng);
    }
    await client.quiet();
    const { version } = room;
    await client.close();
    await until(() => server.log.length > 0, "its log");
    for (let i = 0; (await server.metric("collab_rooms")) > 0; i++) {
        assert.ok(i < 300, "the room leaves memory");
        await pause(20);
    }
    const bob = t.replica();
    const back = await (await t.connect(server)).join(ROOM, bob);
    await until(() => bob.text.toString() === ann.text.toString(), "the same text");
    assert.equal(back.subscribed.version, version);
    assert.ok((await server.metric("collab_store_folds_total")) >= 1);
});
