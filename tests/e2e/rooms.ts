/* rooms.ts: names of rooms, many rooms on one connection, and how many may be where. */
import assert from "node:assert/strict";
import { MuxClient, type MuxRoom } from "../support/binary.ts";
import { type CollabClient, type Json, type Membership, RpcError } from "../support/client.ts";
import { PlainClient } from "../support/plain.ts";
import { converged } from "../support/replica.ts";
import { test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

async function code(request: Promise<Json>): Promise<number> {
    try {
        await request;
        return 0;
    } catch (e) {
        return e instanceof RpcError ? e.code : NaN;
    }
}

test("room names: what the contract allows is a room, everything else is -32602", async (t) => {
    const server = await t.server();
    const client = await t.connect(server);
    const good = ["a", "ws:acme/42", "kn:7f3c", "A-Z_a-z.0-9:/@-", "/", "..", "x".repeat(200)];
    const bad = ["", "x".repeat(201), "with space", "tab\t", "ü", "a\u0000b", "a%20b", "a?b", "a#b", "a\\b", "☃", "a\nb"];
    for (const roomId of good) {
        const result = await client.request("collab/subscribe", { roomId });
        assert.equal(result.roomId, roomId);
    }
    for (const roomId of bad) {
        assert.equal(await code(client.request("collab/subscribe", { roomId })), -32602, JSON.stringify(roomId));
    }
});

test("a room in the URL may be percent-encoded or not, as roomId or as room", async (t) => {
    const server = await t.server();
    const roomId = t.room("path");
    const ann = t.replica();
    await (await t.connect(server)).join(roomId, ann);
    ann.append("in the room");
    for (const path of [
        `/ws?roomId=${encodeURIComponent(roomId)}`,
        `/ws?roomId=${roomId}`,
        `/ws?room=${encodeURIComponent(roomId)}`,
        `/ws?x=1&roomId=${encodeURIComponent(roomId).toLowerCase()}`,
    ]) {
        const replica = t.replica();
        const plain = await PlainClient.connect(server, roomId, replica, path);
        t.defer(() => plain.line.ws.terminate());
        await until(() => replica.text.toString() === "in the room", path);
    }
    /* No room in the URL: the first message names it. */
    const replica = t.replica();
    const plain = await PlainClient.connect(server, roomId, replica, "/ws");
    t.defer(() => plain.line.ws.terminate());
    plain.send({ type: "sync", roomId, update: [...replica.state] });
    await until(() => replica.text.toString() === "in the room", "by the first message");
});

test("an empty room attached by plain JSON answers with one sync of its empty state", async (t) => {
    const server = await t.server();
    const replica = t.replica();
    const plain = await PlainClient.connect(server, t.room(), replica);
    t.defer(() => plain.line.ws.terminate());
    await until(() => plain.inbox.length > 0, "the sync");
    assert.equal(plain.inbox[0].type, "sync");
    assert.equal(plain.inbox[0].roomId, plain.roomId);
    assert.ok(Array.isArray(plain.inbox[0].update));
});

test(
    "one connection holds 20 rooms on different workers; each converges by itself",
    async (t) => {
        const server = await t.server("--workers", "4");
        const one = await t.connect(server);
        const mux = await MuxClient.connect(server);
        t.defer(() => mux.line.ws.terminate());
        const names = Array.from({ length: 20 }, () => t.room("many"));
        const mine: Membership[] = [];
        const muxed: MuxRoom[] = [];
        const theirs: [CollabClient, Membership][] = [];
        for (const roomId of names) {
            mine.push(await one.join(roomId, t.replica()));
            muxed.push(await mux.joinMux(roomId, t.replica()));
            const other = await t.connect(server);
            theirs.push([other, await other.join(roomId, t.replica())]);
        }
        for (let i = 0; i < 20; i++) {
            for (const [n, room] of mine.entries()) {
                room.replica.append(`${n},`);
                muxed[n]!.replica.scribble(t.rng);
                theirs[n]![1].replica.scribble(t.rng);
            }
        }
        await one.quiet();
        await mux.settled();
        await mux.quiet();
        for (const [client] of theirs) {
            await client.quiet();
        }
        for (const [n, room] of mine.entries()) {
            await converged([room.replica, muxed[n]!.replica, theirs[n]![1].replica]);
        }
        const channels = new Set(muxed.map((r) => r.channel));
        assert.equal(channels.size, 20, "each room has a channel of its own");
        const health: Json = await (await fetch(server.http("/collab/health"))).json();
        const shards: Json[] = health.shards;
        assert.equal(shards.length, 4);
        assert.ok(shards.filter((s) => s.rooms > 0).length >= 2, "the rooms are spread over workers");
        assert.equal(shards.reduce((n, s) => n + s.rooms, 0), 20);
        assert.equal(shards.reduce((n, s) => n + s.participants, 0), 60);
    },
    { tsan: true },
);

test("after unsubscribe nothing of the room is delivered any more, and one may come back", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const other = t.room();
    const ann = t.replica();
    const bob = t.replica();
    const anns = await t.connect(server);
    const bobs = await t.connect(server);
    await anns.join(roomId, ann);
    const room = await bobs.join(roomId, bob);
    await bobs.join(other, t.replica());
    bob.show({ name: "Bob" });
    await until(() => ann.sees(bob) !== undefined, "Bob is there");
    assert.deepEqual(await bobs.request("collab/unsubscribe", { roomId }), { ok: true });
    bob.link = undefined;
    await until(() => ann.sees(bob) === undefined, "to leave a room takes the presence along");
    const before = bobs.inbox.length;
    ann.append("unheard");
    ann.show({ name: "Ann" });
    await anns.quiet();
    await bobs.request("collab/room.info", { roomId: other });
    assert.equal(bobs.inbox.length, before + 1, "nothing but the answer");
    bobs.rooms.delete(roomId);
    void room;
    await bobs.join(roomId, bob);
    await converged([ann, bob]);
    assert.equal(await code(bobs.request("collab/unsubscribe", { roomId: t.room() })), 403, "never joined");
});

test("a connection may be in 50 rooms; the next join gets 429 with a bucket, and leaving makes room", async (t) => {
    const server = await t.server();
    const client = await t.connect(server);
    const names = Array.from({ length: 51 }, () => t.room("cap"));
    for (const roomId of names.slice(0, 50)) {
        await client.request("collab/subscribe", { roomId });
    }
    const last = client.request("collab/subscribe", { roomId: names[50] });
    await assert.rejects(last, (e: RpcError) => {
        assert.deepEqual([e.code, e.message], [429, "RATE_LIMIT"]);
        assert.equal(typeof e.data.retryAfterMs, "number");
        assert.equal(typeof e.data.bucket, "string");
        return true;
    });
    await client.request("collab/unsubscribe", { roomId: names[0] });
    await client.request("collab/subscribe", { roomId: names[50] });
});

test("a full room refuses the next participant with 429, and takes one when another has left", async (t) => {
    const server = await t.server("--room-cap", "3");
    const roomId = t.room();
    const inside: CollabClient[] = [];
    for (let i = 0; i < 3; i++) {
        const client = await t.connect(server);
        await client.join(roomId, t.replica());
        inside.push(client);
    }
    const outside = await t.connect(server);
    await assert.rejects(outside.request("collab/subscribe", { roomId }), (e: RpcError) => e.code === 429);
    await outside.request("collab/subscribe", { roomId: t.room() });
    await inside[0]!.vanish();
    await poll(
        async () => (await code(outside.request("collab/subscribe", { roomId }))) === 0,
        "a place in the room",
    );
});

test("a server holds as many rooms as it may, however their names fall on its workers, and one that closes makes place", async (t) => {
    const server = await t.server("--max-rooms", "40", "--workers", "2");
    const clients = [await t.connect(server), await t.connect(server)];
    const open = (i: number): Promise<number> => code(clients[i % 2]!.request("collab/subscribe", { roomId: `ws:many/${i}` }));
    for (let i = 0; i < 40; i++) {
        assert.equal(await open(i), 0, `room ${i} of 40`);
    }
    const more: number[] = []; /* a worker has an eighth more than its share */
    for (let i = 40; i < 60; i++) {
        more.push(await open(i));
    }
    assert.ok(more.filter((c) => c === 0).length <= 6, `${more}`);
    const refused = 40 + more.indexOf(429);
    assert.equal(await open(refused), 429);
    for (let i = 0; i < 40; i++) {
        await clients[i % 2]!.request("collab/unsubscribe", { roomId: `ws:many/${i}` });
    }
    assert.equal(await open(refused), 0, "now there is place");
});

test("the hundredth participant of a room is worth a warning, and is let in", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const warnings = (): string[] => server.log.filter((l) => l.includes("ROOM-BUSY") && l.includes(roomId));
    for (let i = 1; i < 100; i++) {
        await (await t.connect(server)).request("collab/subscribe", { roomId });
    }
    assert.equal(warnings().length, 0);
    await (await t.connect(server)).request("collab/subscribe", { roomId });
    await poll(async () => warnings().length === 1, "the warning");
});

test("where rooms are not made by joining, a join of none gets 404", async (t) => {
    const server = await t.server("--room-auto-create=false");
    const client = await t.connect(server);
    await assert.rejects(client.request("collab/subscribe", { roomId: t.room() }), (e: RpcError) => {
        assert.deepEqual([e.code, e.message], [404, "ROOM_NOT_FOUND"]);
        return true;
    });
});

test("a node with as many connections as it may hold closes the next with 1013", async (t) => {
    const server = await t.server("--max-connections", "3");
    for (let i = 0; i < 3; i++) {
        await t.connect(server);
    }
    const next = await t.connect(server);
    await until(() => next.line.closed !== undefined, "the close");
    assert.equal(next.line.closed!.code, 1013);
});

test("rooms outlive a reload: everybody leaves, comes back, and finds the text", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const ann = t.replica();
    const client = await t.connect(server);
    await client.join(roomId, ann);
    ann.append("still here");
    await client.quiet();
    await client.close();
    const bob = t.replica();
    await (await t.connect(server)).join(roomId, bob);
    await until(() => bob.text.toString() === "still here", "the text after a reload");
});
