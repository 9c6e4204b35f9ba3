/* rates.ts: how much anybody may send. Who behaves never notices; who sends ten times as much is told
 * when to go on and loses nothing; who floods is read no more, and nobody else is the slower for it.
 */
import assert from "node:assert/strict";
import * as Y from "yjs";
import { TAG, tagged } from "../support/binary.ts";
import { CollabClient, type Json, RpcError, b64 } from "../support/client.ts";
import { Door, type Member, refusal } from "../support/door.ts";
import { OP, RawSocket, frame } from "../support/raw.ts";
import { type Link, type Replica, converged } from "../support/replica.ts";
import { type Context, test } from "../support/suite.ts";
import { happened, pace, pause, poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";

const POINTS = 200;
const PER_SECOND = 40;
/* Messages of one connection that no bucket is charged for. */
const FREE_PER_SECOND = 200;

/** Small updates that depend on each other, one by one as typing makes them. */
function typed(t: Context, count: number): { updates: Uint8Array[]; doc: Y.Doc } {
    const doc = new Y.Doc();
    doc.clientID = t.rng.next();
    const updates: Uint8Array[] = [];
    doc.on("update", (u: Uint8Array) => updates.push(u));
    for (let i = 0; i < count; i++) {
        doc.getText("text").insert(i, "abcdefghij"[i % 10]!);
    }
    return { updates, doc };
}

/** Types on a second pair of clients until stopped; milliseconds for each edit, sorted. */
function bystanders(a: Member, b: Member): { stop: () => Promise<number[]> } {
    let done = false;
    const latencies: number[] = [];
    const running = (async () => {
        while (!done) {
            const had = b.replica.updates.length;
            const start = performance.now();
            a.replica.append("x");
            await until(() => b.replica.updates.length > had, "an edit of those who behave");
            latencies.push(performance.now() - start);
            await pause(60);
        }
    })();
    return {
        stop: async () => {
            done = true;
            await running;
            await a.client.quiet();
            return latencies.sort((x, y) => x - y);
        },
    };
}

/** Keeps what was refused and sends it again, as one update, when it was told to. */
class Patient implements Link {
    sent = 0;
    refused = 0;
    readonly waits: number[] = [];
    readonly buckets = new Set<string>();
    private backlog: Uint8Array[] = [];
    private timer: NodeJS.Timeout | undefined;
    private open = 0;
    private readonly client: CollabClient;
    private readonly roomId: string;

    constructor(client: CollabClient, roomId: string) {
        this.client = client;
        this.roomId = roomId;
    }

    sendUpdate(update: Uint8Array): void {
        this.sent++;
        this.open++;
        const id = `p${this.sent}`;
        const params = { roomId: this.roomId, seq: this.client.nextSeq(), payloadB64: b64(update) };
        this.client
            .ask(id, JSON.stringify({ jsonrpc: "2.0", id, method: "collab/update", params }))
            .catch((e) => {
                if (!(e instanceof RpcError) || e.code !== 429) {
                    this.client.surprise(e);
                    return;
                }
                this.refused++;
                this.waits.push(e.data.retryAfterMs);
                this.buckets.add(e.data.bucket);
                this.backlog.push(update);
                this.timer ??= setTimeout(() => this.again(), e.data.retryAfterMs);
            })
            .finally(() => {
                this.open--;
                happened();
            });
    }

    sendAwareness(): void {}

    private again(): void {
        this.timer = undefined;
        const all = this.backlog;
        this.backlog = [];
        this.sendUpdate(Y.mergeUpdates(all));
    }

    get idle(): boolean {
        return this.open === 0 && this.backlog.length === 0 && this.timer === undefined;
    }
}

test("200 messages in five seconds pass, also when they come at once", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const bob = await door.join(roomId, "write");
    const first = typed(t, POINTS - 5);
    const answers = await Promise.all(first.updates.map((u) => ann.client.sequenced("collab/update", { roomId, payloadB64: b64(u) })));
    assert.ok(answers.every((a) => a.applied));
    first.updates.forEach((u) => ann.replica.applyUpdate(u));
    const start = performance.now();
    for (let i = 0; i < POINTS; i++) {
        bob.replica.append(".");
        await pause(Math.max(0, start + (i * 5000) / POINTS - performance.now()));
    }
    await bob.client.quiet();
    await converged([ann.replica, bob.replica]);
    assert.equal(ann.replica.text.length, 2 * POINTS - 5);
});

test(
    "several times that (ten with --patient) gets 429 with the time to wait; nothing refused is applied, and who sends it again then loses nothing",
    async (t) => {
        const door = await Door.own(t);
        const roomId = t.room();
        const ann = await door.join(roomId, "write");
        const bob = await door.join(roomId, "read");
        const patient = new Patient(ann.client, roomId);
        ann.replica.link = patient;
        const start = performance.now();
        const times = t.settings.patient ? 10 : 4; /* ten times take 50 s to be let through */
        for (let i = 0; i < times * POINTS; i++) {
            ann.replica.append(String.fromCharCode(97 + (i % 26)));
            if (i % 20 === 19) {
                await pause(Math.max(0, start + (i * 500) / POINTS - performance.now()));
            }
        }
        await until(() => patient.idle, "all is in", 80_000);
        assert.ok(patient.refused >= 20, `${patient.refused} of ${patient.sent} were refused`);
        assert.deepEqual([...patient.buckets], ["user"]);
        assert.ok(patient.waits.every((ms) => Number.isInteger(ms) && ms > 0 && ms <= 60_000));
        assert.equal(ann.client.line.closed, undefined, "and stays connected");
        await converged([ann.replica, bob.replica]);
        assert.equal(bob.replica.text.length, times * POINTS);
        const seconds = (performance.now() - start) / 1000;
        const passed = patient.sent - patient.refused;
        assert.ok(passed <= POINTS + PER_SECOND * (seconds + 1), `${passed} passed in ${seconds.toFixed(1)} s`);
        await ann.client.quiet();
    },
    { ms: 120_000 },
);

test("a refused message was not applied, its seq may be used again, and what costs nothing is answered meanwhile", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const { updates } = typed(t, POINTS + 60);
    const seqs = updates.map(() => ann.client.nextSeq());
    const send = (i: number, id: string): Promise<Json> =>
        ann.client.ask(id, JSON.stringify({ jsonrpc: "2.0", id, method: "collab/update", params: { roomId, seq: seqs[i], payloadB64: b64(updates[i]!) } }));
    const results = await Promise.allSettled(updates.slice(0, POINTS + 15).map((_, i) => send(i, `a${i}`)));
    const first = results.findIndex((r) => r.status === "rejected");
    assert.ok(first >= POINTS - 5 && first > 0, `the first refusal is number ${first}`);
    const error = (results[first] as PromiseRejectedResult).reason as RpcError;
    assert.deepEqual([error.code, error.message, error.data.bucket], [429, "RATE_LIMIT", "user"]);
    assert.equal(typeof error.data.detail, "string");
    await ann.client.request("ping");
    assert.equal((await ann.client.request("collab/heartbeat", { ts: 1 })).ts, 1);
    const { version } = await ann.client.request("collab/room.info", { roomId });
    await pause(error.data.retryAfterMs + 10);
    const again = await send(first, "again");
    assert.deepEqual([again.applied, again.duplicate ?? false], [true, false], "the same seq is no duplicate");
    assert.equal(again.version, version + 1);
});

test("the rate is one of the user, over all of his connections and dialects; other users have their own", async (t) => {
    const door = await Door.own(t, ["--workers", "4"]);
    const roomId = t.room();
    const claims = { sub: t.user("busy") };
    const connections = [await door.join(roomId, "write", claims), await door.join(roomId, "write", claims), await door.join(roomId, "write", claims)];
    const short = await door.joinShort(roomId, "write", claims);
    const plain = await door.joinPlain(roomId, "write", claims);
    const { updates } = typed(t, 420);
    const start = performance.now();
    const results = await Promise.allSettled(updates.map((u, i) => connections[i % 3]!.client.sequenced("collab/update", { roomId, payloadB64: b64(u) })));
    const seconds = (performance.now() - start) / 1000;
    const passed = results.filter((r) => r.status === "fulfilled").length;
    assert.ok(passed <= POINTS + PER_SECOND * (seconds + 1), `${passed} passed in ${seconds.toFixed(1)} s`);
    for (let i = 0; i < 60; i++) {
        short.client.line.send(tagged(TAG.update, updates[0]!));
        plain.client.sendUpdate(updates[0]!);
    }
    await until(() => short.client.inbox.some((m) => m.error?.code === 429), "short form: 429");
    await until(() => plain.client.inbox.some((m) => m.type === "error" && m.code === 429), "plain: 429");
    const other = await door.join(roomId, "write");
    other.replica.append("I am not he");
    await other.client.quiet();
}, { tsan: true });

test("presence costs a quarter: somebody who draws at 20 messages a second, with three tabs, is not refused", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const claims = { sub: t.user("painter") };
    const tabs = [await door.join(roomId, "write", claims), await door.join(roomId, "write", claims), await door.join(roomId, "write", claims)];
    const end = performance.now() + 4000;
    let turn = 0;
    while (performance.now() < end) {
        tabs.forEach((tab) => tab.replica.show({ at: turn }));
        turn++;
        await pause(50);
    }
    for (const tab of tabs) {
        await tab.client.quiet();
    }
});

test("joins: 20 a minute of one user, then 429 with the time to wait, after which the next one passes", async (t) => {
    const door = await Door.own(t);
    const person = door.person("", "none", { rooms: { "ws:e2e/*": "write" }, sub: t.user("joiner") });
    const client = await door.connect(person);
    const results = await Promise.allSettled(Array.from({ length: 25 }, () => client.request("collab/subscribe", { roomId: t.room() })));
    const passed = results.filter((r) => r.status === "fulfilled").length;
    assert.ok(passed >= 20 && passed <= 21, `${passed} joins passed`);
    const { reason } = results.at(-1) as PromiseRejectedResult;
    assert.deepEqual([reason.code, reason.data.bucket], [429, "join"]);
    assert.ok(reason.data.retryAfterMs > 500 && reason.data.retryAfterMs <= 3_100, `${reason.data.retryAfterMs} ms`);
    const second = await door.connect(person);
    assert.equal((await refusal(second.request("collab/subscribe", { roomId: t.room() }))).code, 429, "another connection does not help");
    await door.join(t.room(), "write");
    await pause(reason.data.retryAfterMs + 20);
    await client.request("collab/subscribe", { roomId: t.room() });
});

test("rooms: 50 on one connection, then 429", async (t) => {
    const door = await Door.own(t, ["--rooms-per-connection", "5"]);
    const person = door.person("", "none", { rooms: { "ws:e2e/*": "write" }, sub: t.user() });
    const client = await door.connect(person);
    for (let i = 0; i < 5; i++) {
        await client.request("collab/subscribe", { roomId: t.room() });
    }
    const e = await refusal(client.request("collab/subscribe", { roomId: t.room() }));
    assert.equal(e.code, 429);
    assert.ok(e.data.retryAfterMs > 0);
});

test(
    "a room takes what 50 people type; far more gets 429 that names the room, and other rooms do not feel it",
    async (t) => {
        const door = await Door.own(t);
        const roomId = t.room("busy");
        const people = await Promise.all(Array.from({ length: 90 }, () => door.person(roomId, "write")).map((p) => door.connect(p)));
        await Promise.all(people.map((c) => c.request("collab/subscribe", { roomId, capabilities: ["yjs.sync.v1"] })));
        const elsewhere = t.room("calm");
        const watch = bystanders(await door.join(elsewhere, "write"), await door.join(elsewhere, "read"));
        const codes = new Map<string, number>();
        let retry = 0;
        await Promise.all(
            people.flatMap((client) =>
                Array.from({ length: 70 }, () =>
                    client.sequenced("collab/sync", { roomId, stateVectorB64: "AA==" }).then(
                        () => codes.set("ok", (codes.get("ok") ?? 0) + 1),
                        (e) => {
                            const key = `${e.code} ${e.data?.bucket}`;
                            codes.set(key, (codes.get(key) ?? 0) + 1);
                            retry = Math.max(retry, e.data?.retryAfterMs ?? 0);
                        },
                    ),
                ),
            ),
        );
        const latencies = await watch.stop();
        const said = JSON.stringify([...codes]);
        assert.ok((codes.get("ok") ?? 0) >= 1990, `a room's 4,000 points at two each: ${said}`);
        assert.ok((codes.get("429 room") ?? 0) > 0, said);
        assert.ok(retry > 0);
        assert.equal([...codes.keys()].filter((k) => k !== "ok" && k !== "429 room").length, 0, said);
        assert.ok(latencies[Math.floor(latencies.length / 2)]! < 400 * pace.slowness, "half of the edits elsewhere are quick");
    },
    { ms: 90_000 },
);

/* ---- bad tokens ---- */

test("an address that keeps sending bad tokens is slowed down; others are not", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const from = t.address();
    const attempt = async (address: string): Promise<{ ms: number; closed: CollabClient["line"]["closed"] }> => {
        const start = performance.now();
        const client = await CollabClient.connect(door.server, { from: address, headers: { Authorization: "Bearer bad.bad.bad" } });
        t.defer(() => client.line.ws.terminate());
        await until(() => client.line.closed !== undefined, "the refusal", 20_000);
        return { ms: performance.now() - start, closed: client.line.closed };
    };
    const quick: number[] = [];
    for (let i = 0; i < 10; i++) {
        const { ms, closed } = await attempt(from);
        assert.equal(closed!.code, 1008);
        quick.push(ms);
    }
    assert.ok(Math.max(...quick) < 2_000 * pace.slowness, "ten are answered as they come");
    const slow = attempt(from); /* waits while others are served */
    const other = await attempt(t.address());
    assert.ok(other.ms < 2_000 * pace.slowness);
    await (await door.join(roomId, "write")).client.close();
    const { ms, closed } = await slow;
    assert.equal(closed!.code, 1008);
    assert.ok(ms > 1_000, `the eleventh waited ${ms.toFixed(0)} ms`);
}, { ms: 60_000 });

test("bad tokens by subscribe and by POST count as well: 401 ten times, then 429", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const from = t.address();
    const client = await CollabClient.connect(door.server, { from });
    t.defer(() => client.line.ws.terminate());
    const codes: number[] = [];
    for (let i = 0; i < 14; i++) {
        const e = await refusal(client.request("collab/subscribe", { roomId, token: "bad.bad.bad" }));
        codes.push(e.code);
        if (e.code === 429) {
            assert.equal(e.data.bucket, "auth");
            assert.ok(e.data.retryAfterMs > 0);
        }
    }
    assert.deepEqual(codes.slice(0, 9), Array(9).fill(401));
    assert.equal(codes.at(-1), 429);
    const web429 = t.address();
    const statuses: number[] = [];
    for (let i = 0; i < 14; i++) {
        statuses.push((await web(door.server, `/collab/ws-token?roomId=a`, { method: "POST", headers: { Authorization: "Bearer bad.bad.bad" }, from: web429 })).status);
    }
    assert.ok(statuses.slice(0, 9).every((s) => s === 401), statuses.join(" "));
    assert.equal(statuses.at(-1), 429);
});

/* ---- floods ---- */

interface Flood {
    name: string;
    open: (t: Context, door: Door, roomId: string) => Promise<RawSocket>;
    message: (i: number, roomId: string, update: Uint8Array) => Buffer;
    /** Messages a second that may be taken, when it is not what a user has. */
    perSecond?: number;
}

async function rawIn(t: Context, door: Door, roomId: string, path: string, protocol?: string): Promise<RawSocket> {
    const person = door.person(roomId, "write");
    const raw = await RawSocket.upgrade(
        door.server,
        path,
        { Authorization: `Bearer ${person.token}`, ...(protocol ? { "Sec-WebSocket-Protocol": protocol } : {}) },
        person.from,
    );
    t.defer(() => raw.destroy());
    if (protocol) {
        raw.text(JSON.stringify({ jsonrpc: "2.0", id: 0, method: "collab/subscribe", params: { roomId, capabilities: ["yjs.sync.v1", "binary.v1"] } }));
    }
    await until(() => raw.texts.length > 0, "the room");
    return raw;
}

const stranger = async (t: Context, door: Door): Promise<RawSocket> => {
    const raw = await RawSocket.upgrade(door.server, "/collab/ws", {}, t.address());
    t.defer(() => raw.destroy());
    return raw;
};

const floods: Flood[] = [
    {
        name: "JSON updates",
        open: (t, d, roomId) => rawIn(t, d, roomId, "/collab/ws", "mcp-json"),
        message: (i, roomId, u) => frame({ opcode: OP.text, payload: `{"jsonrpc":"2.0","id":${i},"method":"collab/update","params":{"roomId":"${roomId}","seq":${i},"payloadB64":"${b64(u)}"}}` }),
    },
    {
        name: "binary updates",
        open: (t, d, roomId) => rawIn(t, d, roomId, "/collab/ws", "mcp-binary"),
        message: (_i, _roomId, u) => frame({ opcode: OP.binary, payload: Buffer.from(tagged(TAG.update, u)) }),
    },
    {
        name: "plain updates",
        open: (t, d, roomId) => rawIn(t, d, roomId, `/ws?roomId=${encodeURIComponent(roomId)}`),
        message: (_i, roomId, u) => frame({ opcode: OP.text, payload: JSON.stringify({ type: "update", roomId, update: [...u] }) }),
    },
    {
        name: "questions that cost nothing",
        open: (t, d, roomId) => rawIn(t, d, roomId, "/collab/ws", "mcp-json"),
        message: (i, roomId) => frame({ opcode: OP.text, payload: `{"jsonrpc":"2.0","id":${i},"method":"collab/room.info","params":{"roomId":"${roomId}"}}` }),
        perSecond: FREE_PER_SECOND,
    },
    {
        name: "what a stranger says that is no message",
        open: stranger,
        message: () => frame({ opcode: OP.text, payload: "{" }),
        perSecond: FREE_PER_SECOND,
    },
    {
        name: "tokens that a stranger invents",
        open: stranger,
        message: (i, roomId) => frame({ opcode: OP.text, payload: `{"jsonrpc":"2.0","id":${i},"method":"collab/subscribe","params":{"roomId":"${roomId}","token":"${b64(new TextEncoder().encode(`${i}`))}.e30.eA"}}` }),
        perSecond: FREE_PER_SECOND,
    },
    {
        name: "pings",
        open: stranger,
        message: (i) => frame({ opcode: OP.ping, payload: `${i}`.padEnd(120) }),
        perSecond: Infinity /* they cost less than their way through the network */,
    },
];

const FLOOD_SECONDS = 3;

for (const flood of floods) {
    test(
        `a flood of ${flood.name} has its reads paused, while those who behave notice nothing, in the same room and elsewhere`,
        async (t) => {
            const door = await Door.own(t);
            const roomId = t.room("flooded");
            const a = await door.join(roomId, "write");
            const b = await door.join(roomId, "read");
            const calm = t.room("calm");
            const same = bystanders(a, b);
            const elsewhere = bystanders(await door.join(calm, "write"), await door.join(calm, "read"));
            const raw = await flood.open(t, door, roomId);
            const update = typed(t, 1).updates[0]!;
            const bytes = Array.from({ length: 500 }, (_, i) => flood.message(i + 1, roomId, update));
            const chunk = Buffer.concat(bytes);
            const end = performance.now() + FLOOD_SECONDS * 1000;
            let offered = 0;
            while (performance.now() < end && !raw.ended) {
                if (raw.tcp.writableLength < 4 << 20) {
                    raw.write(chunk);
                    offered += 500;
                } else {
                    await pause(5);
                }
                await new Promise((resolve) => setImmediate(resolve));
            }
            const taken = (raw.tcp.bytesWritten - raw.tcp.writableLength) / (chunk.length / 500);
            const first = await same.stop();
            const second = await elsewhere.stop();
            assert.ok(!raw.ended, "the flood's connection is held up, not cut");
            const spare = (6 << 20) / (chunk.length / 500); /* what kernels hold on the way */
            const most = flood.perSecond ? flood.perSecond * (FLOOD_SECONDS + 2) : POINTS + PER_SECOND * (FLOOD_SECONDS + 1);
            if (most < Infinity) {
                assert.ok(offered > taken, "it would have sent more");
                assert.ok(taken < most + FLOOD_SECONDS * 1000 + spare, `${taken.toFixed(0)} messages were taken in ${FLOOD_SECONDS} s`);
            }
            for (const latencies of [first, second]) {
                const p90 = latencies[Math.floor(latencies.length * 0.9)]!;
                assert.ok(latencies.length > 10 && p90 < 200 * pace.slowness, `p90 of ${latencies.length} edits ${p90.toFixed(0)} ms`);
            }
        },
        { ms: 60_000 },
    );
}

test("in development mode there are no rates", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const replica: Replica = t.replica();
    await client.join(roomId, replica);
    const { updates } = typed(t, 5 * POINTS);
    const answers = await Promise.all(updates.map((u) => client.sequenced("collab/update", { roomId, payloadB64: b64(u) })));
    assert.ok(answers.every((a) => a.applied));
    await poll(async () => (await client.request("collab/room.info", { roomId })).version === 5 * POINTS, "all of them");
});
