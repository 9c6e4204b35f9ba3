/* rights.ts: what those who were let in may do: by their claims or by a service that decides, in every
 * dialect and form; what admins do to others; and whose presence is whose.
 */
import assert from "node:assert/strict";
import * as awarenessProtocol from "y-protocols/awareness";
import * as encoding from "lib0/encoding";
import * as Y from "yjs";
import { MUX, MuxClient, ShortClient, TAG, tagged } from "../support/binary.ts";
import { type Json, b64 } from "../support/client.ts";
import { Door, type Member, SECRET, refusal } from "../support/door.ts";
import { PlainClient } from "../support/plain.ts";
import { type Replica, converged } from "../support/replica.ts";
import { MARK } from "../support/server.ts";
import { type Answer, Source } from "../support/source.ts";
import { type Context, test } from "../support/suite.ts";
import { pause, until } from "../support/wait.ts";
import { type DataRight, ROLES, type RoleName, claimCases, dataRights, rights } from "../wire/attacks.ts";

/** An update that no document has yet. */
function newUpdate(t: Context, text = `${MARK} `): Uint8Array {
    const doc = new Y.Doc();
    doc.clientID = t.rng.next();
    doc.getText("text").insert(0, text);
    return Y.encodeStateAsUpdate(doc);
}

const presenceOf = (replica: Replica): Uint8Array => {
    if (replica.awareness.getLocalState() === null) {
        replica.awareness.setLocalState({});
    }
    return awarenessProtocol.encodeAwarenessUpdate(replica.awareness, [replica.doc.clientID]);
};

test(`${claimCases.length} kinds of claims give the role that the contract says, and no more`, async (t) => {
    const door = await Door.own(t);
    const wrong: string[] = [];
    for (const room of new Set(claimCases.map((c) => c.room))) {
        await door.join(room, "write").catch(() => undefined); /* "kn:" and the like need not exist */
    }
    for (const c of claimCases) {
        const { token, from } = { token: door.token({ sub: t.user(), ...c.claims }), from: t.address() };
        const client = await door.connect({ user: "", token, from });
        const said: Json = await client.request("collab/subscribe", { roomId: c.room }).then(
            (r) => r.role,
            (e) => (e.code === 403 ? "none" : `${e.code} ${e.message}`),
        );
        if (said !== c.role) {
            wrong.push(`${JSON.stringify(c.claims)} on ${c.room}: ${said} instead of ${c.role}`);
        }
        await client.close();
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
});

test("a room comes to exist by writers only: a reader of none gets 404, and who has no right learns nothing", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const reader = await door.connect(door.person(roomId, "read"));
    assert.equal((await refusal(reader.request("collab/subscribe", { roomId }))).code, 404);
    const none = await door.connect(door.person(roomId, "none"));
    const before = await refusal(none.request("collab/subscribe", { roomId }));
    await door.join(roomId, "write");
    const after = await refusal(none.request("collab/subscribe", { roomId }));
    assert.equal(before.code, 403);
    assert.deepEqual([after.code, after.data.detail], [before.code, before.data.detail], "whether it exists is not told");
    assert.equal((await reader.request("collab/subscribe", { roomId })).role, "read");
});

/* ---- the matrix ---- */

interface Stage {
    door: Door;
    roomId: string;
    ann: Member;
    /** Sees what reaches others. */
    bob: Member;
}

async function stage(t: Context, ...flags: string[]): Promise<Stage> {
    const door = await Door.own(t, flags);
    const roomId = t.room("rights");
    const ann = await door.join(roomId, "write");
    const bob = await door.join(roomId, "read");
    ann.replica.append(`${MARK} by Ann. `);
    await ann.client.quiet();
    await converged([ann.replica, bob.replica]);
    return { door, roomId, ann, bob };
}

/** Nothing but what Ann has is in the room, at Bob's or in what a late joiner gets. */
async function untouched(t: Context, s: Stage): Promise<void> {
    s.ann.replica.append(".");
    await s.ann.client.quiet();
    const late = await s.door.join(s.roomId, "read");
    await converged([s.ann.replica, s.bob.replica, late.replica]);
    assert.equal(late.replica.text.toString().split(MARK).length - 1, 1, "only Ann's words");
    await late.client.close();
    void t;
}

const forms = ["request", "batch", "notification"] as const;

test(
    `${rights.length} requests by ${ROLES.length} roles as request, in a batch and as notification: each is allowed or refused with 403, and what is refused changes nothing`,
    async (t) => {
        const s = await stage(t);
        const wrong: string[] = [];
        for (const role of ROLES) {
            for (const right of rights) {
                for (const form of forms) {
                    const replica = t.replica();
                    const person = s.door.person(s.roomId, role);
                    const client = await s.door.connect(person);
                    if (role !== "none") {
                        await client.request("collab/subscribe", { roomId: s.roomId, capabilities: ["yjs.sync.v1"] });
                    }
                    const fill = (text: string): string =>
                        text
                            .replace("NEW", b64(newUpdate(t, "intruder")))
                            .replace("KNOWN", b64(s.ann.replica.state))
                            .replace("PRESENCE", b64(presenceOf(replica)))
                            .replace("VECTOR", b64(replica.stateVector));
                    const params: Json = { roomId: s.roomId, ...(right.seq ? { seq: 1 } : {}) };
                    for (const [name, value] of Object.entries(right.params)) {
                        params[name] = typeof value === "string" ? fill(value) : value;
                    }
                    const allowed = ROLES.indexOf(role) >= ROLES.indexOf(right.least);
                    const label = `${right.method} ${JSON.stringify(right.params)} by ${role} as ${form}`;
                    const message = { jsonrpc: "2.0", id: "m", method: right.method, params };
                    let answer: Json;
                    if (form === "request") {
                        answer = await client.ask("m", JSON.stringify(message)).then(
                            () => ({}),
                            (e) => ({ code: e.code, message: e.message }),
                        );
                    } else if (form === "batch") {
                        client.line.send(JSON.stringify([{ jsonrpc: "2.0", id: "p", method: "ping" }, message]));
                        await until(() => client.inbox.some((m) => Array.isArray(m)), `the batch's answer: ${label}`);
                        const one = client.inbox.find((m) => Array.isArray(m))!.find((m: Json) => m.id === "m");
                        answer = one.error ?? {};
                    } else {
                        const before = client.inbox.filter((m) => m.method === undefined).length;
                        client.notify(right.method, params);
                        await client.request("collab/room.info", { roomId: s.roomId }).catch(() => undefined);
                        const now = client.inbox.filter((m) => m.method === undefined).length;
                        if (now !== before + 1) {
                            wrong.push(`${label}: a notification was answered`);
                        }
                        await client.close();
                        continue;
                    }
                    const ok = answer.code === undefined;
                    if (ok !== allowed || (!ok && (answer.code !== 403 || answer.message !== "FORBIDDEN"))) {
                        wrong.push(`${label}: ${ok ? "allowed" : `${answer.code} ${answer.message}`}`);
                    }
                    await client.close();
                }
            }
            if (role === "read") {
                const text = s.ann.replica.text.toString();
                if (text.includes("intruder")) {
                    wrong.push("a reader's words have reached Ann");
                }
                const version = (await s.ann.client.request("collab/room.info", { roomId: s.roomId })).version;
                s.ann.replica.append("!");
                await s.ann.client.quiet();
                const next = (await s.ann.client.request("collab/room.info", { roomId: s.roomId })).version;
                assert.equal(next, version + 1, "only what was accepted is counted");
            }
        }
        assert.equal(wrong.length, 0, `${wrong.length} of them:\n${wrong.join("\n")}`);
        assert.ok(s.ann.replica.text.toString().includes("intruder"), "writers' words have arrived: the table is not empty");
        await s.ann.client.quiet();
        await converged([s.ann.replica, s.bob.replica]);
    },
    { ms: 120_000 },
);

/** Somebody in a dialect with frames of its own: sends, and knows what came of it. */
interface Speaker {
    send: (what: DataRight["what"], bytes: Uint8Array) => void;
    /** Code of the first refusal since the last send. */
    code: () => number | undefined;
    /** A vector has been answered. */
    answered: () => boolean;
    close: () => Promise<void>;
}

const tags = { update: TAG.update, vector: TAG.sync, awareness: TAG.awareness, sync: TAG.update };

async function speaker(t: Context, s: Stage, dialect: DataRight["dialect"], role: RoleName, channel: number): Promise<Speaker> {
    const person = s.door.person(s.roomId, role);
    const ask = { roomId: s.roomId, capabilities: ["binary.v1", "yjs.sync.v1"] };
    let seen = 0;
    if (dialect === "plain") {
        const path = `/ws?roomId=${encodeURIComponent(s.roomId)}&token=${person.token}`;
        const client = await PlainClient.connect(s.door.server, s.roomId, t.replica(), path, { from: person.from });
        t.defer(() => client.line.ws.terminate());
        const errors = (): Json[] => client.inbox.filter((m) => m.type === "error");
        await until(() => client.inbox.length > 0, "the room, or its refusal");
        return {
            send: (what, bytes) => {
                seen = errors().length;
                client.send(what === "awareness" ? { type: what, roomId: s.roomId, payload: [...bytes] } : { type: what, roomId: s.roomId, update: [...bytes] });
            },
            code: () => errors()[seen]?.code,
            answered: () => false,
            close: () => client.close(),
        };
    }
    const kind = dialect === "short" ? ShortClient : MuxClient;
    const client = await kind.connect(s.door.server, { from: person.from, path: `/collab/ws?token=${person.token}` });
    t.defer(() => client.line.ws.terminate());
    await client.request("collab/subscribe", ask).catch((e) => assert.equal(e.code, 403));
    if (client instanceof MuxClient) {
        const last = (): Json => [...client.answers.values()][seen];
        return {
            send: (what, bytes) => {
                seen = client.answers.size;
                void client.data(tags[what] | 0x80, channel, bytes);
            },
            code: () => last()?.code,
            answered: () => last()?.version !== undefined,
            close: () => client.close(),
        };
    }
    const errors = (): Json[] => client.inbox.filter((m) => m.error);
    /* what it is sent is of no interest here */
    client.room = { replica: t.replica() } as ShortClient["room"];
    return {
        send: (what, bytes) => {
            seen = errors().length;
            client.line.send(Buffer.from(tagged(tags[what], bytes)));
        },
        code: () => errors()[seen]?.error.code,
        answered: () => client.frames.some((f) => f[0] === TAG.sync),
        close: () => client.close(),
    };
}

test(`${dataRights.length} kinds of frames by ${ROLES.length} roles in the dialects that have them: each arrives, or is refused with 403 and reaches nobody`, async (t) => {
    const s = await stage(t);
    const { channel } = s.bob.room.subscribed;
    const wrong: string[] = [];
    const words: [string, boolean][] = [];
    for (const right of dataRights) {
        for (const role of ROLES) {
            const label = `${right.what} by ${role} in ${right.dialect}`;
            const allowed = ROLES.indexOf(role) >= ROLES.indexOf(right.least);
            const who = await speaker(t, s, right.dialect, role, channel);
            const replica = t.replica();
            const word = `word-${words.length}-`;
            replica.awareness.setLocalState({ word }); /* peers ignore a clock of 0 */
            const presence = presenceOf(replica);
            const arrived = (): boolean =>
                right.what === "vector" ? who.answered() : right.what === "awareness" ? s.bob.replica.sees(replica) !== undefined : s.bob.replica.text.toString().includes(word);
            who.send(right.what, right.what === "vector" ? new Uint8Array([0]) : right.what === "awareness" ? presence : newUpdate(t, word));
            await until(() => arrived() || who.code() !== undefined, label);
            if (allowed ? who.code() !== undefined : who.code() !== 403) {
                wrong.push(`${label}: ${who.code() ?? "allowed"}`);
            }
            if (right.what === "update" || right.what === "sync") {
                words.push([word, allowed]);
            }
            await who.close();
        }
    }
    assert.deepEqual(wrong, []);
    s.ann.replica.append(".");
    await s.ann.client.quiet();
    const late = await s.door.join(s.roomId, "read");
    await converged([s.ann.replica, s.bob.replica, late.replica]);
    for (const [word, allowed] of words) {
        assert.equal(late.replica.text.toString().includes(word), allowed, `${word} is in the room`);
    }
});

test("a reader's edits are refused with 403 in every dialect and form, and reach nobody", async (t) => {
    const s = await stage(t);
    const update = (): Uint8Array => newUpdate(t, "smuggled");

    const json = await s.door.join(s.roomId, "read");
    json.replica.link = undefined;
    json.replica.append("smuggled");
    for (const request of [
        json.client.sequenced("collab/update", { roomId: s.roomId, payloadB64: b64(update()) }),
        json.client.sequenced("collab/update", { roomId: s.roomId, payload: `base64:${b64(update())}` }),
        json.client.sequenced("collab/sync", { roomId: s.roomId, payloadB64: b64(json.replica.state) }),
        json.client.sequenced("collab/sync", { roomId: s.roomId, payloadB64: b64(json.replica.state), stateVectorB64: b64(new Uint8Array([0])) }),
    ]) {
        assert.equal((await refusal(request)).code, 403);
    }
    json.client.line.send(Buffer.from(tagged(TAG.update, update())));
    await until(() => json.client.inbox.some((m) => m.error), "a binary frame on a JSON connection is refused somehow");

    const short = await s.door.joinShort(s.roomId, "read");
    const before = (): number => short.client.inbox.filter((m) => m.error?.code === 403).length;
    for (const tag of [TAG.update, TAG.update]) {
        const had = before();
        short.client.line.send(tagged(tag, update()));
        await until(() => before() > had, "the short form's refusal");
    }
    short.client.line.send(tagged(TAG.sync, update())); /* a state vector it is not */

    const mux = await s.door.joinMux(s.roomId, "read");
    const refused = await mux.client.data(MUX.update, mux.room.channel, update());
    assert.equal(refused.code, 403);
    assert.match(refused.message!, /FORBIDDEN/);
    await mux.client.data(MUX.sync, mux.room.channel, update());

    const plain = await s.door.joinPlain(s.roomId, "read");
    const errors = (): Json[] => plain.client.inbox.filter((m) => m.type === "error");
    for (const type of ["update", "sync"]) {
        const had = errors().length;
        plain.client.send({ type, roomId: s.roomId, update: [...update()] });
        await until(() => errors().length > had, `plain ${type}`);
        assert.deepEqual([errors().at(-1).code, errors().at(-1).message], [403, "FORBIDDEN"]);
    }

    /* Deletions of what others wrote, and half of what is known with something new, are edits too. */
    const eraser = await s.door.join(s.roomId, "read");
    await converged([s.ann.replica, eraser.replica]);
    eraser.replica.link = undefined;
    eraser.replica.text.delete(0, 5);
    assert.equal((await refusal(eraser.room.sync())).code, 403, "a deletion by sync");
    const deletion = Y.encodeStateAsUpdate(eraser.replica.doc, s.ann.replica.stateVector);
    assert.equal((await refusal(eraser.client.sequenced("collab/update", { roomId: s.roomId, payloadB64: b64(deletion) }))).code, 403);
    mux.room.sendUpdate(deletion);
    short.client.line.send(tagged(TAG.update, deletion));
    plain.client.sendUpdate(deletion);

    /* What depends on something that nobody has would lie in wait until a writer brings that. */
    const doc = new Y.Doc();
    doc.getText("text").insert(0, "a");
    const had = Y.encodeStateVector(doc);
    doc.getText("text").insert(1, "smuggled");
    const pending = Y.encodeStateAsUpdate(doc, had);
    for (const method of ["collab/update", "collab/sync"]) {
        const e = await refusal(eraser.client.sequenced(method, { roomId: s.roomId, payloadB64: b64(pending) }));
        assert.equal(e.code, 403, `${method} of what depends on something unknown`);
    }
    await mux.client.settled();
    await untouched(t, s);
    assert.ok(!s.ann.replica.text.toString().includes("smuggled"));
}, { tsan: true });

test("a reader may sync what the room has, and is sent what he lacks also when his sync is refused", async (t) => {
    const s = await stage(t);
    const reader = await s.door.join(s.roomId, "read");
    await converged([s.ann.replica, reader.replica]);
    const fine = await reader.room.sync();
    assert.equal(typeof fine.version, "number");
    reader.replica.show({ cursor: 3 });
    await until(() => s.ann.replica.sees(reader.replica) !== undefined, "a reader's presence is seen");
    reader.room.replica.link = undefined;
    await reader.client.close();

    s.ann.replica.append("while he was away. ");
    await s.ann.client.quiet();
    reader.replica.append("his own words");
    const client = await s.door.connect(reader);
    const { room } = client.enter(s.roomId, reader.replica, { capabilities: ["yjs.sync.v1"] });
    reader.replica.link = undefined;
    assert.equal((await refusal(room.sync())).code, 403);
    await until(() => reader.replica.text.toString().includes("while he was away"), "what he lacks");
    assert.ok(!s.ann.replica.text.toString().includes("his own"));
});

test("rooms of others: nothing that names a room in which one is not has an effect there", async (t) => {
    const s = await stage(t);
    const own = t.room();
    const mallory = await s.door.join(own, "admin");
    for (const [method, params] of [
        ["collab/update", { seq: 900, payloadB64: b64(newUpdate(t, "x")) }],
        ["collab/sync", { seq: 901, payloadB64: b64(newUpdate(t, "x")) }],
        ["collab/sync", { seq: 902 }],
        ["collab/awareness", { seq: 903, payloadB64: b64(presenceOf(mallory.replica)) }],
        ["collab/room.info", {}],
        ["collab/room.kick", { userId: s.ann.user }],
        ["collab/room.mute", { userId: s.ann.user, muted: true }],
        ["collab/subscribe", {}],
    ] as [string, Json][]) {
        assert.equal((await refusal(mallory.client.request(method, { roomId: s.roomId, ...params }))).code, 403, method);
    }
    const mux = await s.door.joinMux(own, "write");
    for (let channel = 0; channel < 12; channel++) {
        if (channel !== mux.room.channel) {
            const e = encoding.createEncoder();
            encoding.writeUint8(e, MUX.update);
            encoding.writeVarUint(e, channel);
            encoding.writeVarUint(e, 5000 + channel);
            encoding.writeUint8Array(e, newUpdate(t, "x"));
            mux.client.line.send(encoding.toUint8Array(e));
        }
    }
    await until(() => [...mux.client.answers.values()].filter((a) => a.code !== undefined).length >= 11, "refusals of foreign channels");
    const plain = await PlainClient.connect(s.door.server, own, t.replica(), `/ws?roomId=${encodeURIComponent(own)}&token=${s.door.person(own, "write").token}`, { from: t.address() });
    t.defer(() => plain.line.ws.terminate());
    await plain.synced();
    plain.send({ type: "update", roomId: s.roomId, update: [...newUpdate(t, "x")] });
    await until(() => plain.inbox.some((m) => m.type === "error"), "plain: another room");
    await untouched(t, s);
    assert.equal((await s.ann.client.request("collab/room.info", { roomId: s.roomId })).version > 0, true);
});

/* ---- kick, ban, mute ---- */

test("kick: every connection of that user, in every dialect, is told and is out of the room; a ban keeps him out", async (t) => {
    const s = await stage(t);
    const admin = await s.door.join(s.roomId, "admin");
    const user = t.user("troll");
    const claims = { sub: user };
    const json = await s.door.join(s.roomId, "write", claims);
    const short = await s.door.joinShort(s.roomId, "write", claims);
    const mux = await s.door.joinMux(s.roomId, "write", claims);
    const plain = await s.door.joinPlain(s.roomId, "write", claims);
    json.replica.show({ name: "troll" });
    await until(() => s.ann.replica.sees(json.replica) !== undefined, "he is there");
    const result = await admin.client.request("collab/room.kick", { roomId: s.roomId, userId: user, reason: "spam", banSec: 3 });
    assert.deepEqual([result.ok, result.kicked], [true, 4]);
    const start = performance.now();
    for (const who of [json, short, mux]) {
        await until(() => who.client.inbox.some((m) => m.method === "collab/room.closed"), "room.closed");
        const { params }: Json = who.client.inbox.find((m) => m.method === "collab/room.closed");
        assert.deepEqual([params.roomId, params.code], [s.roomId, 403]);
        assert.equal(typeof params.message, "string");
        const e = await refusal(who.client.request("collab/subscribe", { roomId: s.roomId }));
        assert.equal(e.code, 403, "banned");
        assert.equal((await refusal(who.client.request("collab/update", { roomId: s.roomId, seq: 77_000, payloadB64: b64(newUpdate(t, "x")) }))).code, 403);
    }
    await until(() => plain.client.inbox.some((m) => m.type === "closed" || m.type === "error") || plain.client.line.closed !== undefined, "plain learns of it");
    plain.client.sendUpdate(newUpdate(t, "x"));
    short.client.line.send(tagged(TAG.update, newUpdate(t, "x")));
    mux.client.line.send(mux.client.frame(MUX.update, mux.room.channel, 88_000, newUpdate(t, "x")));
    await until(() => s.ann.replica.sees(json.replica) === undefined, "his presence is gone");
    const fresh = await s.door.connect(s.door.person(s.roomId, "admin", claims));
    assert.equal((await refusal(fresh.request("collab/subscribe", { roomId: s.roomId }))).code, 403, "a new connection and a better token do not help");
    await untouched(t, s);

    let back: Json;
    while (back === undefined) {
        back = await fresh.request("collab/subscribe", { roomId: s.roomId }).catch((e) => {
            assert.ok(e.code === 403 || e.code === 429, `${e.code}`);
            return undefined;
        });
        await pause(250);
    }
    assert.ok(performance.now() - start > 2_500, "not before the ban is over");
    assert.equal((await admin.client.request("collab/room.kick", { roomId: s.roomId, userId: t.user() })).kicked, 0, "nobody by that name");
}, { tsan: true });

test("a muted user's edits get 403 in every dialect until it is over; his presence flows, and others are not muted", async (t) => {
    const s = await stage(t);
    const admin = await s.door.join(s.roomId, "admin");
    const claims = { sub: t.user("loud") };
    const json = await s.door.join(s.roomId, "write", claims);
    const short = await s.door.joinShort(s.roomId, "write", claims);
    const mux = await s.door.joinMux(s.roomId, "write", claims);
    const plain = await s.door.joinPlain(s.roomId, "write", claims);
    const mute = (muted: boolean, more: Json = {}): Promise<Json> =>
        admin.client.request("collab/room.mute", { roomId: s.roomId, userId: claims.sub, muted, ...more });
    assert.equal((await mute(true)).ok, true);
    assert.equal((await refusal(json.client.sequenced("collab/update", { roomId: s.roomId, payloadB64: b64(newUpdate(t, "x")) }))).code, 403);
    assert.equal((await refusal(json.client.sequenced("collab/sync", { roomId: s.roomId, payloadB64: b64(newUpdate(t, "x")) }))).code, 403);
    short.client.line.send(tagged(TAG.update, newUpdate(t, "x")));
    await until(() => short.client.inbox.some((m) => m.error?.code === 403), "short");
    assert.equal((await mux.client.data(MUX.update, mux.room.channel, newUpdate(t, "x"))).code, 403);
    plain.client.sendUpdate(newUpdate(t, "x"));
    await until(() => plain.client.inbox.some((m) => m.type === "error" && m.code === 403), "plain");
    json.replica.show({ cursor: 7 });
    await until(() => s.ann.replica.sees(json.replica)?.["cursor"] === 7, "presence flows");
    const late = await s.door.connect(s.door.person(s.roomId, "write", claims));
    await late.request("collab/subscribe", { roomId: s.roomId });
    assert.equal((await refusal(late.request("collab/update", { roomId: s.roomId, seq: 1, payloadB64: b64(newUpdate(t, "x")) }))).code, 403, "a new connection does not help");
    await untouched(t, s);

    await mute(false);
    json.replica.append("sorry");
    await json.client.quiet();
    await until(() => s.ann.replica.text.toString().includes("sorry"), "and he is heard again");
    await mute(true, { durationSec: 1 });
    const start = performance.now();
    let refused = 0;
    for (let ok = false; !ok; ) {
        ok = await json.client.sequenced("collab/update", { roomId: s.roomId, payloadB64: b64(newUpdate(t, "again")) }).then(
            () => true,
            (e) => {
                assert.equal(e.code, 403);
                refused++;
                return false;
            },
        );
        await pause(50);
    }
    assert.ok(refused > 0 && performance.now() - start > 900, "it ends by itself, in time");
});

test("an admin sees who is there; others do not", async (t) => {
    const s = await stage(t);
    const admin = await s.door.join(s.roomId, "admin");
    const info = await admin.client.request("collab/room.info", { roomId: s.roomId });
    const text = JSON.stringify(info.users);
    for (const who of [s.ann.user, s.bob.user, admin.user]) {
        assert.ok(text.includes(who), `${who} in ${text}`);
    }
    assert.ok(!text.includes("eyJ"), "no tokens");
    assert.deepEqual(info.roles, { ...info.roles, read: 1, write: 1, admin: 1 });
    assert.equal((await s.ann.client.request("collab/room.info", { roomId: s.roomId })).users, undefined);
});

/* ---- rights that shrink ---- */

test("a renewed token with fewer rights counts at once on the open connection; one with none ends the membership", async (t) => {
    const s = await stage(t);
    const claims = { sub: t.user() };
    const who = await s.door.join(s.roomId, "write", claims);
    who.replica.append("before. ");
    await who.client.quiet();
    const reading = s.door.person(s.roomId, "read", claims).token;
    assert.equal((await who.client.request("collab/subscribe", { roomId: s.roomId, token: reading })).role, "read");
    assert.equal((await refusal(who.client.sequenced("collab/update", { roomId: s.roomId, payloadB64: b64(newUpdate(t, "after")) }))).code, 403);
    const none = s.door.person(s.roomId, "none", claims).token;
    assert.equal((await refusal(who.client.request("collab/subscribe", { roomId: s.roomId, token: none }))).code, 403);
    const had = who.replica.updates.length;
    s.ann.replica.append("not for him");
    await s.ann.client.quiet();
    await converged([s.ann.replica, s.bob.replica]);
    await who.client.request("ping");
    assert.equal(who.replica.updates.length, had, "he hears nothing more");
    assert.equal((await refusal(who.client.request("collab/room.info", { roomId: s.roomId }))).code, 403);
});

/* ---- AUTHZ_URL ---- */

async function asking(t: Context, says: (roles: Map<string, string>, asked: Json) => Answer, ...flags: string[]): Promise<{ door: Door; source: Source; roles: Map<string, string> }> {
    const roles = new Map<string, string>();
    const source = await Source.start((asked) => says(roles, JSON.parse(asked.body)));
    t.defer(() => source.down());
    const door = await Door.own(t, ["--authz-url", source.url, ...flags], { JWT_SECRET: SECRET });
    return { door, source, roles };
}

const byRoles = (roles: Map<string, string>, asked: Json): Answer => ({
    body: JSON.stringify({ role: roles.get(asked.userId) ?? "none" }),
});

test("with AUTHZ_URL the service decides, whatever the claims say; it is asked once for many questions, and told no token", async (t) => {
    const { door, source, roles } = await asking(t, byRoles);
    const roomId = t.room();
    const [ann, bob, eve] = [t.user("ann"), t.user("bob"), t.user("eve")] as const;
    roles.set(ann, "write").set(bob, "read");
    const a = await door.join(roomId, "none", { sub: ann, sessionId: "s-1", name: "Ann" });
    assert.equal(a.room.subscribed.role, "write");
    const { userId, sessionId, roomId: asked, claims } = source.bodies[0];
    assert.deepEqual([userId, sessionId, asked], [ann, "s-1", roomId]);
    assert.equal(claims.name, "Ann");
    assert.ok(!source.asked.some((q) => q.body.includes(a.token.split(".")[2]!) || JSON.stringify(q.headers).includes("eyJ")));
    const b = await door.join(roomId, "admin", { sub: bob });
    assert.equal(b.room.subscribed.role, "read", "claims do not count");
    const e = await door.connect(door.person(roomId, "admin", { sub: eve }));
    assert.equal((await refusal(e.request("collab/subscribe", { roomId }))).code, 403);
    const before = source.asked.length;
    for (let i = 0; i < 10; i++) {
        a.replica.append("x");
        await a.client.quiet();
        await a.client.request("collab/subscribe", { roomId });
    }
    assert.equal(source.asked.length, before, "what it said is remembered for a while");
    await converged([a.replica, b.replica]);
}, { tsan: true });

test("a service that is down, slow, lying or silent lets nobody in, and disturbs nobody who is", async (t) => {
    const { door, source, roles } = await asking(t, byRoles);
    const roomId = t.room();
    const ann = t.user("ann");
    roles.set(ann, "write");
    const a = await door.join(roomId, "write", { sub: ann });
    const says = source.says;
    const answers: [string, Answer][] = [
        ["an error", { status: 500, body: '{"role":"admin"}' }],
        ["not found", { status: 404, body: '{"role":"admin"}' }],
        ["a redirect", { status: 302, headers: { Location: "/else" }, body: '{"role":"admin"}' }],
        ["nothing", { body: "" }],
        ["no JSON", { body: "admin" }],
        ["text for JSON", { body: '"admin"' }],
        ["an unknown role", { body: '{"role":"owner"}' }],
        ["a role in capitals", { body: '{"role":"ADMIN"}' }],
        ["no role", { body: '{"ok":true}' }],
        ["a list", { body: '[{"role":"admin"}]' }],
        ["a role that is true", { body: '{"role":true}' }],
        ["two roles", { body: '{"role":"none","role":"admin"}' }],
        ["a megabyte", { body: `{"role":"admin","x":"${"x".repeat(1 << 20)}"}` }],
        ["a cut connection", { cut: true }],
        ["nothing for ever", { after: Infinity }],
    ];
    const wrong: string[] = [];
    await Promise.all(
        answers.map(async ([name, answer], i) => {
            const user = `lied-${i}`;
            const person = door.person(roomId, "admin", { sub: user });
            source.says = (asked) => {
                const who = JSON.parse(asked.body).userId as string;
                const n = /^lied-(\d+)$/.exec(who);
                return n ? answers[Number(n[1])]![1] : says(asked);
            };
            const client = await door.connect(person);
            const said = await client.request("collab/subscribe", { roomId }).then(
                (r) => `in as ${r.role}`,
                (e) => e.code ?? String(e),
            );
            if (![403, 429, 500, 503].includes(said)) {
                wrong.push(`${name}: ${said} (${answer.status ?? 200})`);
            }
        }),
    );
    assert.deepEqual(wrong, []);
    await source.down();
    const client = await door.connect(door.person(roomId, "admin"));
    const e = await refusal(client.request("collab/subscribe", { roomId }));
    assert.ok([403, 429, 500, 503].includes(e.code), `down: ${e.code}`);
    a.replica.append("undisturbed");
    await a.client.quiet();
    await source.up();
    const bob = t.user("bob");
    roles.set(bob, "read");
    source.says = says;
    assert.equal((await door.join(roomId, "none", { sub: bob })).room.subscribed.role, "read", "up again");
}, { ms: 90_000 });

test("a service that is slow holds up only who waits for it", async (t) => {
    const { door, source, roles } = await asking(t, byRoles);
    const roomId = t.room();
    const [ann, bob] = [t.user("ann"), t.user("bob")] as const;
    roles.set(ann, "write").set(bob, "write");
    const a = await door.join(roomId, "write", { sub: ann });
    const says = source.says;
    source.says = (asked) => ({ ...says(asked), after: 800 });
    let joined = false;
    /* subscribe, sync and presence back to back, as providers send them */
    const b = door.join(roomId, "write", { sub: bob }, t.replica()).finally(() => (joined = true));
    let edits = 0;
    while (!joined) {
        a.replica.append("x");
        await a.client.quiet();
        edits++;
        await pause(40);
    }
    assert.ok(edits > 5, `${edits} edits while the other one waited`);
    const { replica, client } = await b;
    replica.append("hello");
    await client.quiet();
    await converged([a.replica, replica]);
});

test(
    "rights that the service takes back end on the open connection",
    async (t) => {
        const { door, roles } = await asking(t, byRoles, "--authz-cache-ms", "500");
        const roomId = t.room();
        const [ann, bob, eve] = [t.user("ann"), t.user("bob"), t.user("eve")] as const;
        roles.set(ann, "write").set(bob, "write").set(eve, "read");
        const a = await door.join(roomId, "write", { sub: ann });
        const b = await door.join(roomId, "write", { sub: bob });
        const e = await door.join(roomId, "write", { sub: eve });
        roles.set(bob, "read").set(eve, "none");
        await until(() => e.client.inbox.some((m) => m.method === "collab/room.closed"), "Eve is out");
        let code = 0;
        for (let i = 0; code !== 403 && i < 100; i++) {
            code = await b.client.sequenced("collab/update", { roomId, payloadB64: b64(newUpdate(t, "x")) }).then(
                () => 0,
                (error) => error.code,
            );
            await pause(50);
        }
        assert.equal(code, 403, "Bob reads only");
        a.replica.append("still");
        await a.client.quiet();
        assert.equal((await refusal(e.client.request("collab/room.info", { roomId }))).code, 403);
    },
    { tsan: true },
);

/* ---- COLLAB_WORKSPACES ---- */

test("only tokens of the listed workspaces are let in", async (t) => {
    const door = await Door.own(t, ["--workspaces", "acme,beta"]);
    const roomId = t.room();
    for (const [workspaceId, allowed] of [
        ["acme", true],
        ["beta", true],
        ["ACME", false],
        ["acm", false],
        ["acme,beta", false],
        ["acmebeta", false],
        ["", false],
        [undefined, false],
        ["gamma", false],
    ] as const) {
        const token = door.token({ sub: t.user(), rooms: { [roomId]: "write" }, workspaceId });
        const client = await door.connect({ user: "", token, from: t.address() });
        const said = await client.request("collab/subscribe", { roomId }).then(
            () => true,
            (e) => e.code,
        );
        assert.equal(said, allowed || 403, `${workspaceId}`);
        await client.close();
    }
});

/* ---- presence ---- */

const entry = (client: number, clock: number, state: Json): Uint8Array => {
    const e = encoding.createEncoder();
    encoding.writeVarUint(e, 1);
    encoding.writeVarUint(e, client);
    encoding.writeVarUint(e, clock);
    encoding.writeVarString(e, typeof state === "string" ? state : JSON.stringify(state));
    return encoding.toUint8Array(e);
};

test("presence shows who somebody is by his token, whatever he says of himself, in every dialect", async (t) => {
    const s = await stage(t);
    const profile = { name: "Mallory", email: "m@example.org", color: "#123456" };
    const lie = { user: { id: s.ann.user, name: "Ann", color: "#ffffff", hat: "blue" }, cursor: { at: 4 } };
    const json = await s.door.join(s.roomId, "read", profile);
    const short = await s.door.joinShort(s.roomId, "read", profile);
    const mux = await s.door.joinMux(s.roomId, "read", profile);
    const plain = await s.door.joinPlain(s.roomId, "read", profile);
    for (const who of [json, short, mux, plain]) {
        who.replica.show(lie);
        await until(() => s.bob.replica.sees(who.replica) !== undefined, "he is seen");
        const seen = s.bob.replica.sees(who.replica) as Json;
        assert.deepEqual([seen.user.id, seen.user.name, seen.user.color, seen.user.email], [who.user, "Mallory", "#123456", "m@example.org"]);
        assert.deepEqual(seen.cursor, { at: 4 }, "the rest is his");
    }
    /* Shapes that a merge might trip over. */
    let clock = 100;
    for (const state of [
        "{}",
        '{"user":"Ann"}',
        '{"user":["Ann"]}',
        '{"user":null}',
        '{"user":{"id":"a","id":"b"}}',
        '{"user":{"name":"Ann"},"user":{"name":"Ann"}}',
        '{"__proto__":{"user":{"name":"Ann"}},"user":{"__proto__":{"name":"Ann"}}}',
        '"Ann"',
        "[1]",
        "7",
        '{"user":{"name":"Ann","x":1e5}}',
        "true",
    ]) {
        await json.client
            .sequenced("collab/awareness", { roomId: s.roomId, payloadB64: b64(entry(json.replica.doc.clientID, ++clock, state)) })
            .catch((e) => assert.equal(e.code, -32602, state));
        await json.client.request("collab/room.info", { roomId: s.roomId });
        const late = await s.door.join(s.roomId, "read");
        await until(() => late.replica.sees(json.replica) !== undefined, `seen as ${state}`);
        const seen = late.replica.sees(json.replica) as Json;
        assert.deepEqual([seen.user.id, seen.user.name], [json.user, "Mallory"], `${state} is shown as ${JSON.stringify(seen)}`);
        await late.client.close();
    }
    /* Nesting, and states as large as a message may be, are no way to stop the server. */
    for (const state of [`${"[".repeat(3500)}${"]".repeat(3500)}`, `{"user":${'{"a":'.repeat(1200)}1${"}".repeat(1200)}}`, "{", '{"a":"\\ud800"}', '{"a":1e999}', `{"a":"${"é".repeat(3900)}"}`]) {
        await json.client
            .sequenced("collab/awareness", { roomId: s.roomId, payloadB64: b64(entry(json.replica.doc.clientID, ++clock, state)) })
            .catch((e) => assert.ok([-32602, 413].includes(e.code), `${e.code}`));
    }
    await untouched(t, s);
});

test("an entry belongs to the connection that first used it: others neither change nor remove it, and are not punished for repeating it", async (t) => {
    const s = await stage(t);
    s.ann.replica.show({ cursor: 1 });
    await until(() => s.bob.replica.sees(s.ann.replica) !== undefined, "Ann is seen");
    const id = s.ann.replica.doc.clientID;
    const json = await s.door.join(s.roomId, "write");
    const short = await s.door.joinShort(s.roomId, "read");
    const mux = await s.door.joinMux(s.roomId, "admin");
    const plain = await s.door.joinPlain(s.roomId, "write");
    let clock = 50;
    const ways: ((update: Uint8Array) => unknown)[] = [
        (u) => json.client.sequenced("collab/awareness", { roomId: s.roomId, payloadB64: b64(u) }),
        (u) => short.client.line.send(tagged(TAG.awareness, u)),
        (u) => mux.client.data(MUX.awareness, mux.room.channel, u),
        (u) => plain.client.sendAwareness(u),
    ];
    for (const send of ways) {
        await send(entry(id, ++clock, { cursor: 666, user: { name: "forged" } }));
        await send(entry(id, ++clock, "null"));
        await send(entry(id, clock + 1_000_000, "null"));
        await send(entry(id, 2 ** 53 - 1, { cursor: 666 }));
        for (let i = 0; i < 20; i++) {
            await send(awarenessProtocol.encodeAwarenessUpdate(s.bob.replica.awareness, [id])); /* an honest echo */
        }
    }
    for (const who of [json, short, mux]) {
        await who.client.request("collab/room.info", { roomId: s.roomId });
        assert.equal(who.client.line.closed, undefined);
    }
    s.ann.replica.show({ cursor: 2 });
    await until(() => (s.bob.replica.sees(s.ann.replica) as Json)?.cursor === 2, "Ann's own changes go on");
    const late = await s.door.join(s.roomId, "read");
    await until(() => (late.replica.sees(s.ann.replica) as Json)?.cursor === 2, "and are what a late joiner gets");
    for (const who of [s.bob, late]) {
        assert.ok(!who.replica.presence.some((u) => Buffer.from(u).toString("latin1").includes("666")), "nobody was told the forgery");
    }
    assert.equal(plain.client.line.closed, undefined);
    await json.client.close();
    await mux.client.close();
    await s.ann.client.request("ping");
    assert.ok(s.bob.replica.sees(s.ann.replica), "their leaving does not take Ann along");
}, { tsan: true });

test("with --presence-identity trust presence is what clients say", async (t) => {
    const s = await stage(t, "--presence-identity", "trust");
    s.ann.replica.show({ user: { name: "Anyone" } });
    await until(() => s.bob.replica.sees(s.ann.replica) !== undefined, "she is seen");
    assert.deepEqual(s.bob.replica.sees(s.ann.replica), { user: { name: "Anyone" } });
});
