/* state.ts: who gets what, and when an update counts as applied. */
import assert from "node:assert/strict";
import * as Y from "yjs";
import { type Json, RpcError, b64, unb64 } from "../support/client.ts";
import { converged } from "../support/replica.ts";
import { test } from "../support/suite.ts";
import { until } from "../support/wait.ts";

/** The notifications of a client, of one method. */
const told = (inbox: Json[], method: string): Json[] => inbox.filter((m) => m.method === method);

/** Edits as a list of updates that depend on each other. */
function history(edits: string[], clientID = 4711): { updates: Uint8Array[]; doc: Y.Doc } {
    const doc = new Y.Doc();
    doc.clientID = clientID;
    const updates: Uint8Array[] = [];
    doc.on("update", (u: Uint8Array) => updates.push(u));
    const text = doc.getText("text");
    for (const e of edits) {
        text.insert(text.length, e);
    }
    return { updates, doc };
}

test("an empty room sends nothing; a late joiner gets the whole state straight after subscribe's result", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const first = await t.connect(server);
    const ann = t.replica();
    await first.join(roomId, ann);
    await first.request("collab/room.info", { roomId });
    assert.equal(told(first.inbox, "collab/update").length, 0, "no state of an empty room");
    assert.equal(told(first.inbox, "collab/awareness").length, 0, "no presence of an empty room");
    ann.append("hello");
    ann.show({ name: "Ann" });
    await first.quiet();

    const second = await t.connect(server);
    const bob = t.replica();
    await second.join(roomId, bob);
    await until(() => bob.text.toString() === "hello" && bob.sees(ann) !== undefined, "the state");
    assert.ok(second.inbox[0].result?.ok, "first the result");
    assert.equal(second.inbox[1].method, "collab/update", "then the state");
    assert.equal(second.inbox[2].method, "collab/awareness", "then everyone's presence");
    assert.equal(second.inbox[1].params.sid, second.inbox[0].result.sid);
    assert.equal(second.inbox[1].params.version, second.inbox[0].result.version);
});

test("by a state vector a joiner gets only the difference", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const writer = await t.connect(server);
    const ann = t.replica();
    await writer.join(roomId, ann);
    for (let i = 0; i < 40; i++) {
        ann.append(`sentence ${i}: ${"long before. ".repeat(20)}`);
    }
    await writer.quiet();
    const bob = t.replica();
    const visitor = await t.connect(server);
    await visitor.join(roomId, bob);
    await converged([ann, bob]);
    await visitor.close();

    ann.append("the tail");
    ann.text.delete(0, 5);
    await writer.quiet();
    const expected = Y.encodeStateAsUpdate(ann.doc, bob.stateVector);
    const full = ann.state.length;

    const again = await t.connect(server);
    const { joined } = again.enter(roomId, bob, { stateVectorB64: b64(bob.stateVector) });
    await joined;
    await converged([ann, bob]);
    const updates = told(again.inbox, "collab/update");
    assert.equal(updates.length, 1, "one message brings it");
    const payload = unb64(updates[0].params.payloadB64);
    assert.equal(payload.length, expected.length, "as many bytes as yjs would take");
    assert.ok(payload.length < 100 && full > 5000, `${payload.length} bytes instead of ${full}`);
    const { structs, ds } = Y.decodeUpdate(payload);
    const strings = structs.map((s) => JSON.stringify((s as unknown as { content: { str?: string } }).content?.str));
    assert.deepEqual(strings, ['"the tail"'], "the content is the tail alone");
    assert.equal([...ds.clients.values()].flat().reduce((n, d) => n + d.len, 0), 5, "and the deletion");
});

test("subscribe, sync and awareness sent back to back without waiting all work, in order", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const ann = t.replica();
    await (await t.connect(server)).join(roomId, ann);
    ann.append("from Ann. ");
    ann.show({ name: "Ann" });

    const bob = t.replica();
    bob.append("from Bob, offline. ");
    bob.show({ name: "Bob" });
    const client = await t.connect(server);
    const { room, joined } = client.enter(roomId, bob, { stateVectorB64: b64(bob.stateVector) });
    const synced = room.sync();
    room.sendAwareness(bob.ownPresence()!);
    bob.append("and online. ");
    const results = await Promise.all([joined, synced]);
    assert.equal(results[0].ok, true);
    assert.equal(results[1].applied, true);
    await client.quiet();
    await converged([ann, bob]);
    await until(() => ann.sees(bob) !== undefined && bob.sees(ann) !== undefined, "presence both ways");
    const ids = client.inbox.filter((m) => m.id !== undefined).map((m) => m.id);
    assert.deepEqual(ids, [...ids].sort((a, b) => a - b), "answers come in the order of the requests");
});

test("a client with the capability yjs.sync.v1 gets no unasked state, and all of it by sync", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const ann = t.replica();
    const anns = await t.connect(server);
    await anns.join(roomId, ann);
    ann.append("state");
    await anns.quiet();
    for (const capabilities of [["yjs.sync.v1"], { "yjs.sync.v1": true }]) {
        const bob = t.replica();
        const client = await t.connect(server);
        const { joined } = client.enter(roomId, bob, { capabilities });
        await joined;
        await client.request("collab/room.info", { roomId });
        assert.equal(told(client.inbox, "collab/update").length, 0, "nothing unasked");
        const result = await client.sequenced("collab/sync", { roomId, stateVectorB64: b64(bob.stateVector) });
        assert.equal(typeof result.version, "number");
        await until(() => bob.text.length > 0 && bob.text.length === ann.text.length, "the state after sync");
        ann.append("!");
        await converged([ann, bob]);
    }
});

test("sync brings in the client's state, answers with the server's vector, and sends what is missing", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const ann = t.replica();
    const anns = await t.connect(server);
    await anns.join(roomId, ann);
    ann.append("shared. ");
    await anns.quiet();

    const bob = t.replica();
    bob.append("Bob's own. ");
    const bobs = bob.text.length;
    const client = await t.connect(server);
    const { joined } = client.enter(roomId, bob, { capabilities: ["yjs.sync.v1"] });
    await joined;
    bob.link = undefined;
    /* No stateVectorB64: what the client lacks follows from the payload's own vector. */
    const result = await client.sequenced("collab/sync", { roomId, payloadB64: b64(bob.state) });
    assert.equal(result.applied, true);
    const vector = Y.decodeStateVector(unb64(result.stateVectorB64));
    assert.equal(vector.get(bob.doc.clientID), bobs, "the server has Bob's edits");
    assert.equal(vector.get(ann.doc.clientID), "shared. ".length, "and Ann's");
    await converged([ann, bob]);
    const payload = unb64(told(client.inbox, "collab/update")[0].params.payloadB64);
    assert.equal(Y.decodeUpdate(payload).structs.length, 1, "he was sent Ann's edit, not his own");
    const again = await client.sequenced("collab/sync", { roomId, payloadB64: b64(bob.state) });
    assert.equal(again.version, result.version, "what is known already changes nothing");
});

test("a lone update travels on as received, reaches everybody but its sender, and repeating it reaches nobody", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const sender = await t.connect(server);
    const reader = await t.connect(server);
    const bob = t.replica();
    await sender.join(roomId, t.replica());
    await reader.join(roomId, bob);
    const { updates } = history(["hello"]);
    const first = await sender.sequenced("collab/update", { roomId, payloadB64: b64(updates[0]!) });
    assert.equal(first.applied, true);
    await until(() => bob.updates.length === 1, "the update");
    assert.deepEqual(Buffer.from(bob.updates[0]!), Buffer.from(updates[0]!));
    const repeated = await sender.sequenced("collab/update", { roomId, payloadB64: b64(updates[0]!) });
    assert.equal(repeated.version, first.version, "known content is no change");
    await sender.request("collab/room.info", { roomId });
    await reader.request("collab/room.info", { roomId });
    assert.equal(bob.updates.length, 1);
    assert.equal(told(sender.inbox, "collab/update").length, 0, "the sender gets no copy");
});

test("an update whose dependencies are missing waits: applied:false with the server's vector, then it applies by itself", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const sender = await t.connect(server);
    const reader = await t.connect(server);
    const bob = t.replica();
    await sender.join(roomId, t.replica());
    await reader.join(roomId, bob);
    const { updates, doc } = history(["one ", "two ", "three"]);
    const send = (n: number): Promise<Json> =>
        sender.sequenced("collab/update", { roomId, payloadB64: b64(updates[n]!) });

    await send(0);
    const early = await send(2);
    assert.equal(early.applied, false);
    const vector = Y.decodeStateVector(unb64(early.stateVectorB64));
    assert.equal(vector.get(doc.clientID), 4, "the server says how far it has come");
    await until(() => bob.text.toString() === "one ", "what is whole is delivered");
    await reader.request("collab/room.info", { roomId });
    assert.equal(bob.text.toString(), "one ", "what waits reaches nobody");
    const missing = await send(1);
    assert.equal(missing.applied, true);
    assert.ok(missing.version > early.version);
    await until(() => bob.text.toString() === "one two three", "both arrive");
    assert.equal(bob.doc.store.pendingStructs, null);
});

test("what waited and is set free by another's update reaches that other too", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const early = await t.connect(server);
    const missing = await t.connect(server);
    const reader = await t.connect(server);
    const [ann, bob, carl] = [t.replica(), t.replica(), t.replica()];
    await early.join(roomId, ann);
    await missing.join(roomId, bob);
    await reader.join(roomId, carl);
    const { updates } = history(["one ", "two"]);
    const late = await early.sequenced("collab/update", { roomId, payloadB64: b64(updates[1]!) });
    assert.equal(late.applied, false);
    Y.applyUpdate(bob.doc, updates[0]!); /* an edit of Bob's as far as his client knows */
    await missing.quiet();
    await until(() => carl.text.toString() === "one two", "the reader has both");
    await until(() => bob.text.toString() === "one two", "Bob has what his update set free");
    await early.request("collab/sync", { roomId, seq: early.nextSeq(), stateVectorB64: b64(ann.stateVector) });
    await converged([ann, bob, carl]);
});

test("a seq that was acknowledged is answered again with duplicate:true and not applied twice", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    await client.join(roomId, t.replica());
    const reader = await t.connect(server);
    const bob = t.replica();
    await reader.join(roomId, bob);
    const { updates } = history(["first", "second"]);
    const send = (seq: number, payload: Uint8Array): Promise<Json> =>
        client.request("collab/update", { roomId, seq, payloadB64: b64(payload) });

    const original = await send(1001, updates[0]!);
    assert.equal(original.duplicate ?? false, false);
    const duplicate = await send(1001, updates[1]!); /* other content under the same seq: not looked at */
    assert.equal(duplicate.duplicate, true);
    assert.equal(duplicate.applied, true);
    assert.equal(duplicate.version, original.version, "version unchanged");
    assert.equal((await client.request("collab/room.info", { roomId })).version, original.version);
    /* gaps are allowed, and a lower seq that was never used is not a duplicate */
    assert.equal((await send(9000, updates[1]!)).duplicate ?? false, false);
    await until(() => bob.text.toString() === "firstsecond", "both edits");
    await assert.rejects(
        client.request("collab/update", { roomId, seq: 9001, payloadB64: b64(Uint8Array.of(1, 2, 3)) }),
        (e: RpcError) => e.code === -32602,
    );
    const { updates: more } = history(["third"], 99);
    assert.equal((await send(9001, more[0]!)).applied, true, "a refused seq may be used again");
});

test("versions count accepted changes and never go back", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const { room, joined } = client.enter(roomId);
    t.defer(() => room.replica.dispose());
    const start = (await joined).version;
    room.replica.link = undefined;
    const { updates } = history(Array.from({ length: 30 }, (_, i) => `${i},`));
    let last = start;
    for (const u of updates) {
        const { version } = await client.sequenced("collab/update", { roomId, payloadB64: b64(u) });
        assert.ok(version > last, `version ${version} after ${last}`);
        last = version;
    }
    assert.equal(last, start + 30);
});

test("a malformed update gets -32602, changes nothing and reaches nobody", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const client = await t.connect(server);
    const reader = await t.connect(server);
    const ann = t.replica();
    const bob = t.replica();
    await client.join(roomId, ann);
    await reader.join(roomId, bob);
    ann.append("sound");
    await client.quiet();
    await until(() => bob.text.toString() === "sound", "the sound edit");
    const before = await client.request("collab/room.info", { roomId });
    const { updates } = history(["something longer to cut into pieces"]);
    const whole = updates[0]!;
    for (let n = 0; n < whole.length; n++) {
        const cut = b64(whole.subarray(0, n));
        await assert.rejects(
            client.sequenced("collab/update", { roomId, payloadB64: cut }),
            (e: RpcError) => e.code === -32602 && typeof e.data.detail === "string",
            `cut after ${n} bytes`,
        );
    }
    const after = await reader.request("collab/room.info", { roomId });
    assert.equal(after.version, before.version);
    assert.equal(bob.updates.length, 1);
    assert.equal(bob.text.toString(), "sound");
});
