/* methods.ts: every method with its result, every error to the letter, batches, sizes. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as Y from "yjs";
import { MUX, MuxClient, ShortClient, TAG, tagged } from "../support/binary.ts";
import { type CollabClient, type Json, RpcError, b64 } from "../support/client.ts";
import { PlainClient } from "../support/plain.ts";
import { converged } from "../support/replica.ts";
import { test } from "../support/suite.ts";
import { until } from "../support/wait.ts";

const KIB = 1024;

/** The error that a request gets. */
async function refusal(request: Promise<Json>): Promise<RpcError> {
    try {
        const result = await request;
        throw new Error(`no error but ${JSON.stringify(result)}`);
    } catch (e) {
        if (e instanceof RpcError) {
            return e;
        }
        throw e;
    }
}

/** An update of about this many bytes. */
function updateOf(bytes: number): Uint8Array {
    const doc = new Y.Doc();
    doc.getText("text").insert(0, "x".repeat(bytes));
    return Y.encodeStateAsUpdate(doc);
}

test("subscribe tells all that a client needs to know", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const { room, joined } = client.enter(roomId, t.replica(), {
        sessionId: "session-1",
        client: { name: "test", version: "1" },
    });
    const result = await joined;
    assert.equal(result.ok, true);
    assert.equal(result.roomId, roomId);
    assert.equal(typeof result.sid, "string");
    assert.ok(["string", "number"].includes(typeof result.connectionId));
    assert.equal(result.role, "write", "in dev mode everybody writes");
    assert.equal(result.version, 0);
    assert.equal(result.participants, 1);
    assert.ok(Number.isInteger(result.channel));
    assert.equal(result.limits.updateBytes, 32 * KIB);
    assert.equal(result.limits.awarenessBytes, 8 * KIB);
    assert.equal(result.limits.syncBytes, 4096 * KIB);
    const again = await client.request("collab/subscribe", { roomId });
    assert.equal(again.participants, 1, "to subscribe twice is to be there once");
    assert.equal(again.channel, result.channel);
    await room.leave();
});

test("room.info counts who is there by role", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    await client.join(roomId, t.replica());
    const other = await t.connect(server);
    await other.join(roomId, t.replica());
    const info = await client.request("collab/room.info", { roomId });
    assert.equal(info.roomId, roomId);
    assert.equal(info.participants, 2);
    assert.equal(typeof info.roles, "object");
    assert.equal(Object.values(info.roles as Record<string, number>).reduce((a, b) => a + b, 0), 2);
    assert.equal(typeof info.rateLimit.points, "number");
    assert.equal(typeof info.rateLimit.durationSec, "number");
    assert.equal(info.version, 0);
    assert.equal(info.users, undefined, "users are for admins");
});

test("awareness, heartbeat, unsubscribe, initialize and ping answer as promised", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const hello = await client.request("initialize", {
        protocolVersion: "2025-03-26",
        capabilities: {},
        clientInfo: { name: "test", version: "1" },
    });
    assert.equal(hello.protocolVersion, "2025-03-26");
    assert.equal(typeof hello.capabilities, "object");
    assert.equal(typeof hello.serverInfo.name, "string");
    client.notify("notifications/initialized");
    assert.deepEqual(await client.request("ping"), {});

    const replica = t.replica();
    const room = await client.join(roomId, replica);
    const shown = await client.sequenced("collab/awareness", { roomId, payloadB64: b64(replica.ownPresence()!) });
    assert.equal(shown.ok, true);

    const beat = await client.request("collab/heartbeat", { ts: 1234.5, rttMs: 12 });
    assert.equal(beat.ts, 1234.5);
    assert.ok(Math.abs(beat.serverTs - Date.now()) < 60_000);

    await room.leave();
    assert.equal((await refusal(client.sequenced("collab/update", { roomId, payloadB64: b64(updateOf(1)) }))).code, 403);
});

test("ids of any allowed kind come back as they were sent; notifications get no answer, not even an error", async (t) => {
    const server = await t.server();
    const client = await t.connect(server);
    for (const id of [0, -1, 1.5, 2 ** 53 - 1, "", "text", "ünï ☃ 🌲 \"quoted\"\n"]) {
        const text = JSON.stringify({ jsonrpc: "2.0", id, method: "ping" });
        assert.deepEqual(await client.ask(id, text), {}, `id ${JSON.stringify(id)}`);
    }
    const before = client.inbox.length;
    client.notify("no/such.method");
    client.notify("collab/update", { roomId: 7 });
    client.notify("collab/subscribe", {});
    await client.request("ping");
    assert.equal(client.inbox.length, before + 1);
});

test("base64 in standard and URL alphabet, with and without padding, and as payload:\"base64:…\"", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const replica = t.replica();
    await client.join(roomId, replica);
    const reader = t.replica();
    await (await t.connect(server)).join(roomId, reader);
    replica.link = undefined;
    const doc = new Y.Doc();
    const updates: Uint8Array[] = [];
    doc.on("update", (u: Uint8Array) => updates.push(u));
    for (let i = 0; i < 40; i++) {
        doc.getMap("map").set("k", Uint8Array.from(randomBytes(40 + i))); /* 0xfb.. gives + and / */
    }
    const forms: ((u: Uint8Array) => Json)[] = [
        (u) => ({ payloadB64: Buffer.from(u).toString("base64") }),
        (u) => ({ payloadB64: Buffer.from(u).toString("base64").replace(/=+$/, "") }),
        (u) => ({ payloadB64: Buffer.from(u).toString("base64url") }),
        (u) => ({ payload: `base64:${Buffer.from(u).toString("base64")}` }),
    ];
    for (const [i, u] of updates.entries()) {
        const result = await client.sequenced("collab/update", { roomId, ...forms[i % forms.length]!(u) });
        assert.equal(result.applied, true);
    }
    await until(
        () => Buffer.from(reader.stateVector).equals(Y.encodeStateVector(doc)),
        "all forms have arrived",
    );
});

test("errors are those of the contract, to the letter, with a sentence that names the field", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    await client.join(roomId, t.replica());
    const table: [Promise<Json>, number, string, RegExp][] = [
        [client.request("no/such.method"), -32601, "Method not found", /./],
        [client.request("collab/room.info", {}), -32602, "Invalid params", /roomId/],
        [client.request("collab/room.info", { roomId: "with space" }), -32602, "Invalid params", /roomId/],
        [client.request("collab/update", { roomId, payloadB64: "AAA=" }), -32602, "Invalid params", /seq/],
        [client.request("collab/update", { roomId, seq: 1.5, payloadB64: "AAA=" }), -32602, "Invalid params", /seq/],
        [client.request("collab/update", { roomId, seq: 90001 }), -32602, "Invalid params", /payload/],
        [client.sequenced("collab/update", { roomId, payloadB64: "!!!" }), -32602, "Invalid params", /payload/],
        [client.sequenced("collab/update", { roomId, payloadB64: "AQID" }), -32602, "Invalid params", /./],
        [client.sequenced("collab/awareness", { roomId, payloadB64: "AQE=" }), -32602, "Invalid params", /./],
        [client.sequenced("collab/sync", { roomId, stateVectorB64: "/w==" }), -32602, "Invalid params", /./],
        [client.request("collab/heartbeat", { ts: "now" }), -32602, "Invalid params", /ts/],
        [client.request("collab/update", { roomId: t.room(), seq: 90002, payloadB64: "AAA=" }), 403, "FORBIDDEN", /./],
        [client.ask(77, '{"jsonrpc":"2.0","id":77,"method":5}'), -32600, "Invalid Request", /method/],
        [client.ask(78, '{"jsonrpc":"1.0","id":78,"method":"ping"}'), -32600, "Invalid Request", /jsonrpc/],
        [client.ask(null as unknown as string, '{"jsonrpc":"2.0","id":1,'), -32700, "Parse error", /./],
    ];
    for (const [request, code, message, detail] of table) {
        const e = await refusal(request);
        assert.deepEqual([e.code, e.message], [code, message]);
        assert.match(e.data.detail, detail);
    }
    await client.request("ping");
});

test("a batch is answered as one array: requests only, errors in their places", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const batch = (requests: Json[]): void => client.line.send(JSON.stringify(requests));
    const arrays = (): Json[] => client.inbox.filter((m) => Array.isArray(m));
    const of = (id: Json, method: string, params?: Json): Json => ({ jsonrpc: "2.0", id, method, params });

    batch([
        of(1, "ping"),
        { jsonrpc: "2.0", method: "collab/heartbeat", params: { ts: 1 } },
        of("sub", "collab/subscribe", { roomId }),
        of(2, "no/such.method"),
        of(3, "collab/update", { roomId, seq: 1, payloadB64: b64(updateOf(5)) }),
        17,
        of(4, "collab/room.info", { roomId }),
    ]);
    await until(() => arrays().length === 1, "one array");
    const answers = new Map<Json, Json>(arrays()[0].map((a: Json) => [a.id, a]));
    assert.equal(arrays()[0].length, 6, "no answer to the notification");
    assert.deepEqual(answers.get(1).result, {});
    assert.equal(answers.get("sub").result.roomId, roomId);
    assert.equal(answers.get(2).error.code, -32601);
    assert.equal(answers.get(3).result.applied, true, "requests take effect in their order");
    assert.equal(answers.get(null).error.code, -32600);
    assert.equal(answers.get(4).result.version, 1);

    const before = client.inbox.length;
    batch([{ jsonrpc: "2.0", method: "ping" }, { jsonrpc: "2.0", method: "none" }]);
    await client.request("ping");
    assert.equal(client.inbox.length, before + 1, "only notifications: no answer at all");

    batch(Array.from({ length: 64 }, (_, i) => of(i, "ping")));
    await until(() => arrays().length === 2, "64 are allowed");
    assert.equal(arrays()[1].length, 64);

    assert.equal((await refusal(client.ask(null as unknown as string, "[]"))).code, -32600);
    const tooMany = JSON.stringify(Array.from({ length: 65 }, (_, i) => of(i, "ping")));
    assert.equal((await refusal(client.ask(null as unknown as string, tooMany))).code, -32600);
    assert.equal(arrays().length, 2);
});

test("requests are answered in the order in which they were sent, also across rooms and kinds", async (t) => {
    const server = await t.server("--workers", "4");
    const client = await t.connect(server);
    const rooms = Array.from({ length: 8 }, () => t.room());
    const all: Promise<Json>[] = [];
    for (let i = 0; i < 200; i++) {
        const roomId = rooms[i % rooms.length]!;
        all.push(
            i < 8
                ? client.request("collab/subscribe", { roomId })
                : i % 7 === 0
                  ? client.request("collab/heartbeat", { ts: i })
                  : client.request("collab/room.info", { roomId }),
        );
    }
    await Promise.all(all);
    assert.ok(client.inbox.filter((m) => m.result).length === 200);
    const perRoom = new Map<string, number>();
    for (const m of client.inbox.filter((x) => x.result?.rateLimit)) {
        const last = perRoom.get(m.result.roomId) ?? 0;
        assert.ok(m.id > last, "within a room in order");
        perRoom.set(m.result.roomId, m.id);
    }
}, { tsan: true });

/* ---- sizes ---- */

/** A client that lives on. */
async function alive(client: CollabClient): Promise<void> {
    assert.deepEqual(await client.request("ping"), {});
}

test("an update over 32 KiB gets 413 with limit and size; the connection lives, and sync takes the same update", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const ann = t.replica();
    const bob = t.replica();
    await client.join(roomId, ann);
    await (await t.connect(server)).join(roomId, bob);
    const big = updateOf(40 * KIB);
    const e = await refusal(client.sequenced("collab/update", { roomId, payloadB64: b64(big) }));
    assert.deepEqual([e.code, e.message, e.data.limit, e.data.size], [413, "PAYLOAD_TOO_LARGE", 32 * KIB, big.length]);
    await alive(client);
    assert.equal((await client.request("collab/room.info", { roomId })).version, 0, "nothing was applied");
    const result = await client.sequenced("collab/sync", { roomId, payloadB64: b64(big) });
    assert.equal(result.applied, true);
    await until(() => bob.text.length === 40 * KIB, "the large edit reaches the others");
    await client.sequenced("collab/sync", { roomId, stateVectorB64: b64(ann.stateVector) });
    await converged([ann, bob]);

    /* What an editor does by itself: paste, get 413, sync. */
    ann.append("y".repeat(50 * KIB));
    await client.quiet();
    await converged([ann, bob]);
});

test("an update that would make a document too large gets 413 with the reason, and nothing of it is applied", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join(roomId, ann);
    const hostile = new Y.Doc();
    hostile.transact(() => {
        for (let i = 0; i < 1001; i++) {
            hostile.getMap(`root ${i}`).set("k", null);
        }
    });
    const update = Y.encodeStateAsUpdate(hostile);
    for (const method of ["collab/update", "collab/sync"]) {
        const e = await refusal(client.sequenced(method, { roomId, payloadB64: b64(update) }));
        assert.deepEqual([e.code, e.message], [413, "PAYLOAD_TOO_LARGE"]);
        assert.match(e.data.detail, /too many root types/);
    }
    await alive(client);
    ann.append("and edits go on");
    await client.quiet();
    const late = t.replica();
    await (await t.connect(server)).join(roomId, late);
    assert.equal(late.text.toString(), "and edits go on");
});

test("presence over 8 KiB and sync over 4 MiB get 413 with limit and size", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    await client.join(roomId, t.replica());
    const presence = await refusal(client.sequenced("collab/awareness", { roomId, payloadB64: b64(randomBytes(8 * KIB + 1)) }));
    assert.deepEqual([presence.code, presence.data.limit, presence.data.size], [413, 8 * KIB, 8 * KIB + 1]);
    const sync = await refusal(client.sequenced("collab/sync", { roomId, payloadB64: b64(Buffer.alloc(4096 * KIB + 1)) }));
    assert.deepEqual([sync.code, sync.data.limit, sync.data.size], [413, 4096 * KIB, 4096 * KIB + 1]);
    await alive(client);
    const most = updateOf(4096 * KIB - 100);
    const { applied } = await client.sequenced("collab/sync", { roomId, payloadB64: b64(most) });
    assert.equal(applied, true, "what is just below passes");
    const late = t.replica();
    await (await t.connect(server)).join(roomId, late);
    await until(() => late.text.length === 4096 * KIB - 100, "and reaches a late joiner");
});

test("sizes in the other dialects: refused with the code 413, and the connection lives", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const big = updateOf(40 * KIB);
    const short = await ShortClient.connect(server);
    t.defer(() => short.line.ws.terminate());
    await short.join(roomId, t.replica());
    short.line.send(tagged(TAG.update, big));
    await until(() => short.inbox.some((m) => m.error?.code === 413), "short form: JSON error");
    const e = short.inbox.find((m) => m.error);
    assert.equal(e.id, null);
    assert.deepEqual([e.error.data.limit, e.error.data.size], [32 * KIB, big.length]);

    const mux = await MuxClient.connect(server);
    t.defer(() => mux.line.ws.terminate());
    const room = await mux.joinMux(roomId, t.replica());
    const answer = await mux.data(MUX.update, room.channel, big);
    assert.equal(answer.code, 413);
    assert.match(answer.message!, /PAYLOAD_TOO_LARGE/);

    const plain = await PlainClient.connect(server, roomId, t.replica());
    t.defer(() => plain.line.ws.terminate());
    await plain.synced();
    plain.sendUpdate(big);
    await until(() => plain.inbox.some((m) => m.type === "error"), "plain: an error message");
    const told = plain.inbox.find((m) => m.type === "error");
    assert.deepEqual([told.code, told.message], [413, "PAYLOAD_TOO_LARGE"]);
    assert.equal(typeof told.detail, "string");

    await alive(short);
    await alive(mux);
    assert.ok(plain.line.live);
});

test("a frame over 8 MiB closes the connection with 1009", async (t) => {
    const server = await t.server();
    const client = await t.connect(server);
    client.line.send(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"${"x".repeat(8 << 20)}"}}`);
    await until(() => client.line.closed !== undefined, "the close");
    assert.equal(client.line.closed!.code, 1009);
});

test("a long heartbeat frame and its short form repeat what they were given", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const mux = await MuxClient.connect(server);
    t.defer(() => mux.line.ws.terminate());
    const room = await mux.joinMux(roomId, t.replica());
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(987654321n);
    mux.line.send(mux.frame(0x90, room.channel, 4000, bytes));
    const find = (): Uint8Array | undefined => mux.frames.find((f) => f[0] === 0x90);
    await until(() => find() !== undefined, "the answer");
    assert.equal(Buffer.from(find()!).readBigUInt64LE(find()!.length - 16), 987654321n);
    const json = await t.connect(server);
    assert.equal((await json.request("collab/heartbeat", { ts: 5 })).ts, 5);
});

test("a client that negotiated mcp-binary but reads only JSON is sent only JSON", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server, { protocols: ["mcp-binary"] });
    const ann = t.replica();
    await client.join(roomId, ann);
    const bob = t.replica();
    await (await t.connect(server)).join(roomId, bob);
    bob.append("text");
    bob.show({ name: "Bob" });
    await until(() => ann.text.toString() === "text" && ann.sees(bob) !== undefined, "all of it");
    await client.quiet(); /* a binary frame would have been a surprise */
});

test("the subprotocol is the one that was asked for, mcp-json when none was", async (t) => {
    const server = await t.server();
    for (const [offer, chosen] of [
        [["mcp-json"], "mcp-json"],
        [["mcp-binary"], "mcp-binary"],
        [["mcp"], "mcp"],
        [["unknown", "mcp-binary"], "mcp-binary"],
    ] as const) {
        const client = await t.connect(server, { protocols: [...offer] });
        assert.equal(client.line.ws.protocol, chosen);
        await alive(client);
    }
    const none = await t.connect(server, { protocols: [] });
    assert.deepEqual(await none.request("ping"), {}, "without a subprotocol JSON is spoken");
});
