/* history.ts: versions of rooms, over HTTP and by JSON-RPC: saved on demand and by themselves, listed,
 * fetched, for those who may.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import * as Y from "yjs";
import type { CollabClient, Json } from "../support/client.ts";
import { Door, type Person, folder, refusal } from "../support/door.ts";
import { type Replica, converged } from "../support/replica.ts";
import { Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { pause, poll, until } from "../support/wait.ts";
import { type WebAnswer, web } from "../support/web.ts";

const path = (roomId: string, rest = ""): string => `/history/${encodeURIComponent(roomId)}${rest}`;

/** What a version says that the document was. */
function text(dataB64: string): string {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, Buffer.from(dataB64, "base64"));
    return doc.getText("text").toString();
}

/** Somebody who asks over HTTP. */
class Reader {
    constructor(
        readonly door: Door,
        readonly who: Person,
    ) {}

    ask(where: string, method = "GET", body?: Json): Promise<WebAnswer> {
        const headers = { Authorization: `Bearer ${this.who.token}` };
        const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
        return web(this.door.server, where, { method, headers, from: this.who.from, body: content });
    }

    async ok(where: string, method = "GET", body?: Json): Promise<Json> {
        const answer = await this.ask(where, method, body);
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers["content-type"], "application/json");
        return answer.json;
    }

    async save(roomId: string, label?: string): Promise<Json> {
        const answer = await this.ok(path(roomId), "POST", label === undefined ? undefined : { label });
        assert.equal(answer.ok, true);
        return answer.meta;
    }

    async text(roomId: string, version: number | string): Promise<string> {
        return text((await this.ok(path(roomId, `/${version}`))).dataB64);
    }
}

const reader = (door: Door, roomId: string, role: string): Reader => new Reader(door, door.person(roomId, role));

test("a version is what the document was when it was saved: listed, fetched by number and as latest, over HTTP and by JSON-RPC alike", async (t) => {
    const door = await Door.own(t, ["--workers", "3"]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const http = new Reader(door, ann);
    const began = Date.now();
    ann.replica.append("first");
    await ann.client.quiet();
    const one = await http.save(roomId, "ein Entwurf – 木");
    ann.replica.append(" second");
    await ann.client.quiet();
    const two = (await ann.client.request("collab/history.save", { roomId })).meta;
    ann.replica.append(" third");
    await ann.client.quiet();
    assert.deepEqual([one.label, one.version, one.automatic], ["ein Entwurf – 木", 1, false]);
    assert.ok(one.createdAt >= began - 1000 && one.createdAt <= Date.now() + 1000 && one.size > 0);
    assert.ok(two.id > one.id && two.version === 2 && !("label" in two));
    const list = await http.ok(path(roomId));
    assert.deepEqual(list, [two, one]);
    assert.deepEqual(await ann.client.request("collab/history.list", { roomId }), list);
    assert.deepEqual(await http.ok(path(roomId, "?limit=1")), [two]);
    assert.deepEqual(await http.ok(path(roomId, `?before=${two.id}`)), [one]);
    assert.deepEqual(await ann.client.request("collab/history.list", { roomId, limit: 5, before: two.id }), [one]);
    for (const [version, meta, words] of [[one.id, one, "first"], [two.id, two, "first second"], ["latest", two, "first second"]]) {
        const got = await http.ok(path(roomId, `/${version}`));
        assert.deepEqual([got.ok, got.meta], [true, meta]);
        assert.equal(text(got.dataB64), words);
        const params = version === "latest" ? { roomId } : { roomId, versionId: version };
        assert.deepEqual(await ann.client.request("collab/history.get", params), got);
    }
    assert.deepEqual(await http.ok(`/history/${roomId}?limit=20`), list, "the form with slashes");
    assert.equal(await http.text(roomId, "latest"), text((await http.ok(`/history/${roomId}/latest`)).dataB64));
    assert.equal(ann.replica.text.toString(), "first second third");
});

test("versions outlive the server and the connections; nobody needs to be in the room, or has it open, to ask", async (t) => {
    const data = folder(t);
    const roomId = t.room();
    let saved: Json;
    {
        const door = await Door.own(t, ["--data", data]);
        const ann = await door.join(roomId, "write");
        ann.replica.append("kept");
        await ann.client.quiet();
        saved = await new Reader(door, ann).save(roomId, "kept");
        ann.replica.append(" and lost");
        await ann.client.quiet();
        await ann.client.close();
        await door.server.stop();
    }
    const door = await Door.own(t, ["--data", data]);
    const bob = reader(door, roomId, "read");
    assert.deepEqual(await bob.ok(path(roomId)), [saved]);
    assert.equal(await bob.text(roomId, saved.id), "kept");
    const again = await reader(door, roomId, "write").save(roomId);
    assert.equal(await bob.text(roomId, again.id), "kept and lost", "also of what was only in the journal");
});

test("who may read a room reads its versions, who may write it saves them, and nobody else learns anything; all refusals are JSON", async (t) => {
    const door = await Door.own(t, ["--audit-file", join(folder(t), "audit.jsonl")]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    ann.replica.append("secret");
    await ann.client.quiet();
    const { id } = await new Reader(door, ann).save(roomId, "mine");
    const reads = [path(roomId), path(roomId, "/latest"), path(roomId, `/${id}`)];
    const rows: [role: string, claims: Json, reads: number, saves: number][] = [
        ["none", {}, 403, 403],
        ["read", {}, 200, 403],
        ["write", {}, 200, 200],
        ["admin", {}, 200, 200],
        ["write", { exp: Math.floor(Date.now() / 1000) - 60 }, 401, 401],
    ];
    const refused = (answer: WebAnswer, status: number): void => {
        assert.equal(answer.status, status, answer.text);
        if (status !== 200) {
            assert.equal(answer.headers["content-type"], "application/json");
            assert.deepEqual([answer.json.ok, typeof answer.json.error.code, typeof answer.json.error.data.detail], [false, "number", "string"]);
            assert.ok(!answer.text.includes("mine"));
        }
    };
    for (const [role, claims, readable, writable] of rows) {
        const one = new Reader(door, door.person(roomId, role, claims));
        for (const where of reads) {
            refused(await one.ask(where), readable);
        }
        refused(await one.ask(path(roomId), "POST", {}), writable);
    }
    for (const where of reads) {
        refused(await web(door.server, where, { from: t.address() }), 401);
    }
    refused(await web(door.server, path(roomId), { method: "POST", from: t.address() }), 401);
    const bob = await door.join(roomId, "read");
    assert.equal((await bob.client.request("collab/history.list", { roomId })).length, 3);
    assert.equal((await refusal(bob.client.request("collab/history.save", { roomId }))).code, 403);
    const eve = await door.connect(door.person(t.room(), "admin"));
    assert.equal((await refusal(eve.request("collab/history.list", { roomId }))).code, 403);
    const stranger = await door.connect({ ...door.person(roomId, "admin"), token: "" }, { headers: {} });
    assert.equal((await refusal(stranger.request("collab/history.list", { roomId }))).code, 401);
    const lines = door.audit();
    const saved = lines.filter((l) => l.event === "saved");
    assert.deepEqual([saved.length, saved[0].userId, saved[0].roomId, saved[0].reason], [3, ann.user, roomId, `version ${id}`]);
    assert.ok(lines.some((l) => l.event === "refused" && l.roomId === roomId));
});

test("a muted user saves nothing, a banned one reads nothing, as long as that holds", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const admin = await door.join(roomId, "admin");
    const http = new Reader(door, ann);
    ann.replica.append("x");
    await ann.client.quiet();
    await http.save(roomId);
    await admin.client.request("collab/room.mute", { roomId, userId: ann.user, muted: true });
    assert.equal((await http.ask(path(roomId), "POST")).status, 403);
    assert.equal((await refusal(ann.client.request("collab/history.save", { roomId }))).code, 403);
    assert.equal((await http.ask(path(roomId))).status, 200);
    await admin.client.request("collab/room.mute", { roomId, userId: ann.user, muted: false });
    await http.save(roomId);
    await admin.client.request("collab/room.kick", { roomId, userId: ann.user, banSec: 60 });
    assert.equal((await http.ask(path(roomId))).status, 403);
});

test("what makes no sense is refused with a status and a sentence, and changes nothing", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const http = new Reader(door, door.person("*", "write"));
    ann.replica.append("x");
    await ann.client.quiet();
    const { id } = await http.save(roomId);
    const long = "x".repeat(201);
    const wrong: [status: number, where: string, method?: string, body?: Json][] = [
        [404, path(t.room())],
        [404, path(t.room(), "/latest")],
        [404, path(t.room()), "POST"],
        [404, path(roomId, `/${id + 1}`)],
        [404, path(roomId, "/0")],
        [404, path(roomId, "/-1")],
        [404, path(roomId, "/1e3")],
        [404, path(roomId, `/${2 ** 53}`)],
        [404, path(roomId, "/99999999999999999999")],
        [404, path(roomId, "/")],
        [404, path(roomId, `/${id}/`)],
        [404, path(roomId, `/${id}/nothing`)],
        [404, path(roomId, `/${id}/a/b/c`)],
        [404, `/history/${roomId}/x/y`],
        [400, "/history/a%20b"],
        [400, "/history/%zz"],
        [400, "/history//latest"],
        [400, path(long)],
        [400, path(roomId, "?limit=0")],
        [400, path(roomId, "?limit=101")],
        [400, path(roomId, "?limit=x")],
        [400, path(roomId, "?limit=")],
        [400, path(roomId, "?before=-1")],
        [405, path(roomId), "DELETE"],
        [405, path(roomId), "PUT"],
        [405, path(roomId, `/${id}`), "POST"],
        [400, path(roomId), "POST", "x"],
        [400, path(roomId), "POST", "[]"],
        [400, path(roomId), "POST", '"label"'],
        [400, path(roomId), "POST", { label: 7 }],
        [400, path(roomId), "POST", { label: null }],
        [400, path(roomId), "POST", { lable: "x" }],
        [400, path(roomId), "POST", { label: "x", more: 1 }],
        [400, path(roomId), "POST", { label: long }],
        [400, path(roomId), "POST", { label: "a\nb" }],
        [400, path(roomId), "POST", { label: "\u007f" }],
        [400, path(roomId), "POST", '{"label":"\\u0000"}'],
        [400, path(roomId), "POST", "[".repeat(15_000)],
        [413, path(roomId), "POST", JSON.stringify({ label: "x".repeat(20_000) })],
    ];
    for (const [status, where, method, body] of wrong) {
        const answer = await http.ask(where, method, body);
        assert.equal(answer.status, status, `${method ?? "GET"} ${where.slice(0, 100)} ${JSON.stringify(body)?.slice(0, 60)}: ${answer.text}`);
    }
    const params: [code: number, method: string, params: Json][] = [
        [404, "get", { versionId: id + 1 }],
        [-32602, "get", { versionId: -1 }],
        [-32602, "get", { versionId: "1" }],
        [-32602, "get", { versionId: 1.5 }],
        [-32602, "list", { limit: 0 }],
        [-32602, "list", { limit: 101 }],
        [-32602, "list", { before: {} }],
        [-32602, "save", { label: 7 }],
        [-32602, "save", { label: long }],
        [-32602, "save", { label: "a\tb" }],
    ];
    for (const [code, method, more] of params) {
        assert.equal((await refusal(ann.client.request(`collab/history.${method}`, { roomId, ...more }))).code, code, `${method} ${JSON.stringify(more)}`);
    }
    assert.equal((await http.ok(path(roomId))).length, 1);
});

/** The versions of a room, oldest first, once there are so many. */
async function versions(http: Reader, roomId: string, count: number): Promise<Json[]> {
    let list: Json[] = [];
    await poll(async () => {
        list = (await http.ask(path(roomId))).json;
        return Array.isArray(list) && list.length >= count;
    }, `${count} versions`);
    return list.reverse();
}

test("a room that is edited gets versions by itself, one that is not gets none, and when all have left what they edited is one", async (t) => {
    const door = await Door.own(t, ["--version-every", "1", "--room-ttl", "0"]);
    const [roomId, quiet] = [t.room(), t.room()];
    const ann = await door.join(roomId, "write");
    await door.join(quiet, "write");
    const http = new Reader(door, door.person("*", "read"));
    const type = async (client: CollabClient, words: string): Promise<void> => {
        ann.replica.append(words);
        await client.quiet();
    };
    await type(ann.client, "one");
    const [first] = await versions(http, roomId, 1);
    assert.deepEqual([first.automatic, first.label], [true, undefined]);
    assert.equal(await http.text(roomId, first.id), "one");
    await type(ann.client, " two");
    const [, second] = await versions(http, roomId, 2);
    assert.equal(await http.text(roomId, second.id), "one two");
    await type(ann.client, " three");
    await ann.client.close();
    const [, , third] = await versions(http, roomId, 3);
    assert.equal(await http.text(roomId, third.id), "one two three");
    assert.deepEqual(await http.ok(path(roomId, "?limit=100")), [third, second, first], "and no more since then");
    assert.equal((await http.ask(path(quiet))).json.length ?? 0, 0);
});

test("with --version-every 0 only what is asked for is saved; thinning leaves the last hour alone, whatever it would do later", async (t) => {
    const door = await Door.own(t, ["--version-every", "0", "--room-ttl", "0", "--versions-named", "2", "--version-days", "1"]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const http = new Reader(door, ann);
    ann.replica.append("x");
    await ann.client.quiet();
    const ids: number[] = [];
    for (let i = 0; i < 4; i++) {
        ids.push((await http.save(roomId, `number ${i}`)).id);
    }
    await ann.client.close();
    assert.deepEqual((await http.ok(path(roomId))).map((v: Json) => v.id), ids.reverse(), "those of the last hour are all kept");
});

test("a room's versions take no more of the disk than --version-bytes: of more the oldest go, and the newest always stays", async (t) => {
    const door = await Door.own(t, ["--version-bytes", String(1 << 20), "--max-update-bytes", String(2 << 20)]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const http = new Reader(door, ann);
    const ids: number[] = [];
    const left = async (): Promise<number[]> => (await http.ok(path(roomId))).map((v: Json) => v.id);
    for (let i = 0; i < 4; i++) {
        ann.replica.append(randomBytes(225_000).toString("base64")); /* packs to little more than the bytes */
        await ann.client.quiet();
        ids.unshift((await http.save(roomId, `number ${i}`)).id);
    }
    assert.deepEqual(await left(), ids.slice(0, 1), "900,000 bytes, and 675,000 before");
    ann.replica.append(randomBytes(450_000).toString("base64"));
    await ann.client.quiet();
    const { id } = await http.save(roomId);
    assert.deepEqual(await left(), [id], "more than there may be, alone");
    assert.equal(await http.text(roomId, id), ann.replica.text.toString());
});

/* ---- going back ---- */

test("going back is an edit that everybody gets, in every dialect, while all of them type; what they type meanwhile stays; and it can be undone", async (t) => {
    const door = await Door.own(t, ["--workers", "3", "--audit-file", join(folder(t), "audit.jsonl")]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const bob = await door.joinPlain(roomId, "write");
    const eve = await door.joinMux(roomId, "write");
    const http = new Reader(door, ann);
    const all = [ann.replica, bob.replica, eve.replica];
    const everywhere = async (words: string): Promise<void> => {
        await until(() => all.every((r) => r.text.toString() === words), `${words} everywhere`);
        await converged(all);
    };
    ann.replica.doc.transact(() => {
        ann.replica.append("The past.");
        ann.replica.text.format(4, 4, { bold: true });
        ann.replica.doc.getMap("map").set("k", 1);
        const p = new Y.XmlElement("p");
        p.insert(0, [new Y.XmlText("old paragraph")]);
        ann.replica.doc.getXmlFragment("xml").insert(0, [p]);
    });
    await ann.client.quiet();
    await converged(all);
    const past = [ann.replica.text.toDelta(), ann.replica.doc.getMap("map").toJSON(), ann.replica.doc.getXmlFragment("xml").toString()];
    const { id } = await http.save(roomId, "good");
    bob.replica.text.delete(0, 9);
    bob.replica.append("vandalism");
    bob.replica.doc.getMap("map").set("k", 2);
    bob.replica.doc.getXmlFragment("xml").delete(0, 1);
    await converged(all);
    const before = bob.replica.text.toString();

    const restored = await http.ok(path(roomId, `/${id}/restore`), "POST");
    assert.deepEqual([restored.ok, restored.restored, restored.before.automatic], [true, id, true]);
    const shows = (): unknown[] => [ann.replica.text.toDelta(), ann.replica.doc.getMap("map").toJSON(), ann.replica.doc.getXmlFragment("xml").toString()];
    await everywhere("The past.");
    assert.deepEqual(shows(), past);
    assert.ok(restored.version > restored.before.version);

    /* again by a method, and this time all of them type */
    bob.replica.append(" more");
    await converged(all);
    let typing = true;
    const typed: string[] = [];
    const type = async (replica: Replica, name: string): Promise<void> => {
        for (let i = 0, after = 3; typing || after-- > 0; i++) {
            replica.doc.getMap<number>("said").set(`${name}${i}`, i);
            typed.push(`${name}${i}`);
            await pause(5);
        }
    };
    const all_type = [type(ann.replica, "a"), type(bob.replica, "b"), type(eve.replica, "e")];
    const undone = await ann.client.request("collab/history.restore", { roomId, versionId: restored.before.id });
    typing = false;
    const since = typed.length;
    await Promise.all(all_type);
    await ann.client.quiet();
    await everywhere(before);
    assert.deepEqual(ann.replica.doc.getMap("map").toJSON(), { k: 2 });
    const said = ann.replica.doc.getMap("said");
    const later = typed.slice(since);
    assert.ok(later.length >= 6 && later.every((key) => said.has(key)), "what was typed since it was done is there");
    await http.ok(path(roomId, `/${undone.before.id}/restore`), "POST");
    await everywhere("The past. more");
    const fresh = await door.join(roomId, "read");
    await converged([...all, fresh.replica]);
    const lines = door.audit().filter((l) => l.event === "restored");
    assert.deepEqual(lines.map((l) => l.userId), [ann.user, ann.user, ann.user]);
    assert.equal(lines[0].reason, `version ${id}; what was before is version ${restored.before.id}`);
});

test("going back works in a room that nobody is in; who may only read cannot; what was then is what is now leaves all as it is", async (t) => {
    const door = await Door.own(t, ["--room-ttl", "0"]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const http = new Reader(door, ann);
    ann.replica.append("one");
    await ann.client.quiet();
    const { id } = await http.save(roomId);
    ann.replica.append(" two");
    await ann.client.quiet();
    await ann.client.close();
    for (const where of [path(roomId, `/${id}/restore`), path(roomId, "/latest/restore")]) {
        assert.equal((await reader(door, roomId, "read").ask(where, "POST")).status, 403);
        assert.equal((await reader(door, roomId, "none").ask(where, "POST")).status, 403);
        assert.equal((await web(door.server, where, { method: "POST", from: t.address() })).status, 401);
    }
    const bob = await door.join(roomId, "read");
    assert.equal(bob.replica.text.toString(), "one two");
    assert.equal((await refusal(bob.client.request("collab/history.restore", { roomId, versionId: id }))).code, 403);
    await bob.client.close();
    const first = await http.ok(path(roomId, `/${id}/restore`), "POST");
    const second = await http.ok(path(roomId, `/${id}/restore`), "POST");
    assert.equal(second.version, first.version, "nothing happened the second time");
    const eve = await door.join(roomId, "read");
    assert.equal(eve.replica.text.toString(), "one");
    assert.equal((await http.ask(path(roomId, `/${id + 100}/restore`), "POST")).status, 404);
    assert.equal((await http.ask(path(roomId, `/${id}/restore`))).status, 405);
    assert.equal((await http.ask(path(t.room(), "/1/restore"), "POST")).status, 403, "no right there");
});

test("kill -9 right after it was answered that the room is back: it is, and what was before is a version", async (t) => {
    const data = folder(t);
    const roomId = t.room();
    const flags = ["--data", data, "--workers", "2"];
    const first = await Server.start(t.settings.program, flags, {});
    t.defer(() => first.kill());
    const ann = await t.connect(first);
    const replica = t.replica();
    await ann.join(roomId, replica);
    const ids: number[] = [];
    for (const word of ["one", " two", " three"]) {
        replica.append(word);
        await ann.quiet();
        ids.push((await ann.request("collab/history.save", { roomId })).meta.id);
    }
    const { before } = await ann.request("collab/history.restore", { roomId, versionId: ids[0] });
    first.kill();
    await until(() => first.exit !== undefined, "its end");
    const second = await t.start(flags);
    const bob = await t.connect(second);
    const copy = t.replica();
    await bob.join(roomId, copy);
    await until(() => copy.text.toString() === "one", "the room as it was restored");
    await bob.request("collab/history.restore", { roomId, versionId: before.id });
    await until(() => copy.text.toString() === "one two three", "and as it was before");
    assert.equal((await bob.request("collab/history.list", { roomId })).length, 5);
});

test("a comparison says how much came and went in each root type, and by which client ids and users", async (t) => {
    const door = await Door.own(t, ["--workers", "2"]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const bob = await door.joinMux(roomId, "write");
    const http = new Reader(door, ann);
    ann.replica.append("0123456789");
    ann.replica.doc.getArray("list").insert(0, [1, 2, 3]);
    await ann.client.quiet();
    await converged([ann.replica, bob.replica]);
    const one = await http.save(roomId);
    bob.replica.text.insert(5, "äöü🌲");
    bob.replica.text.delete(0, 2);
    bob.replica.text.format(0, 3, { bold: true });
    bob.replica.doc.getArray("list").delete(0, 2);
    bob.replica.doc.getMap("map").set("key", "value");
    const p = new Y.XmlElement("p");
    p.insert(0, [new Y.XmlText("paragraph")]);
    bob.replica.doc.getXmlFragment("xml").insert(0, [p]);
    await converged([ann.replica, bob.replica]);
    const two = (await ann.client.request("collab/history.save", { roomId })).meta;
    ann.replica.append("!");
    await ann.client.quiet();
    const root = (name: string, more: Json): Json => ({ name, charactersInserted: 0, charactersDeleted: 0, charactersFormatted: 0, itemsAdded: 0, itemsRemoved: 0, ...more });
    const bobs = { clientId: bob.replica.doc.clientID, userId: bob.user, characters: 5 + 9, items: 3 };
    const between = await http.ok(path(roomId, `/${one.id}/compare?to=${two.id}`));
    const roots = [...between.roots].sort((a: Json, b: Json) => (a.name < b.name ? -1 : 1));
    assert.deepEqual([between.ok, between.from, between.to, between.clients, between.moreClients], [true, one, two, [bobs], 0]);
    assert.deepEqual(roots, [
        root("list", { itemsRemoved: 2 }),
        root("map", { itemsAdded: 1 }),
        root("text", { charactersInserted: 5, charactersDeleted: 2, charactersFormatted: 3 }),
        root("xml", { charactersInserted: 9, itemsAdded: 2 }),
    ]);
    const now = await http.ok(path(roomId, `/${two.id}/compare`));
    assert.deepEqual([now.roots, now.clients, "to" in now], [[root("text", { charactersInserted: 1 })], [{ clientId: ann.replica.doc.clientID, userId: ann.user, characters: 1, items: 0 }], false]);
    assert.deepEqual(await ann.client.request("collab/history.compare", { roomId, versionId: two.id }), now);
    assert.deepEqual(await ann.client.request("collab/history.compare", { roomId, versionId: one.id, toId: two.id }), between);
    assert.deepEqual(await http.ok(path(roomId, "/latest/compare?to=now")), now);
    bob.replica.doc.getXmlFragment("xml").delete(0, 1);
    await converged([ann.replica, bob.replica]);
    const gone = await http.ok(path(roomId, `/${two.id}/compare`));
    assert.deepEqual(gone.roots.find((r: Json) => r.name === "xml"), root("xml", { charactersDeleted: 9, itemsRemoved: 2 }));
    for (const [status, where] of [[400, `/${two.id}/compare?to=${one.id}`], [400, `/${two.id}/compare?to=x`], [404, `/${two.id}/compare?to=${two.id + 100}`], [404, `/${two.id + 100}/compare`]] as const) {
        assert.equal((await http.ask(path(roomId, where))).status, status, where);
    }
    assert.equal((await reader(door, roomId, "read").ask(path(roomId, `/${one.id}/compare`))).status, 200);
    assert.equal((await reader(door, roomId, "none").ask(path(roomId, `/${one.id}/compare`))).status, 403);
});
