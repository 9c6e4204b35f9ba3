/* pages.ts: what is served over plain HTTP to whoever has a token for it: the state of a room, and the
 * call that revokes. Tokens are asked for as at a WebSocket, and bad ones cost as much.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CollabClient, type Json } from "../support/client.ts";
import { Door, SECRET, folder, refusal } from "../support/door.ts";
import { Source } from "../support/source.ts";
import { type Context, test } from "../support/suite.ts";
import { seconds } from "../support/tokens.ts";
import { poll, until } from "../support/wait.ts";
import { type WebAnswer, web } from "../support/web.ts";

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const roomPath = (roomId: string): string => `/collab/room/${encodeURIComponent(roomId)}`;

test("the state of a room is for its admins: all others are refused with a status that says why, and learn nothing", async (t) => {
    const door = await Door.own(t, ["--workers", "3"]);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const bob = await door.join(roomId, "read");
    ann.replica.append("some words");
    await ann.client.quiet();
    const admin = door.person(roomId, "admin");
    const ask = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<WebAnswer> =>
        web(door.server, path, { method, headers, from: t.address() });
    for (const path of [roomPath(roomId), `/collab/room/${roomId}`]) {
        const { status, json } = await ask(path, bearer(admin.token));
        assert.equal(status, 200);
        assert.deepEqual([json.roomId, json.version], [roomId, 1]);
        assert.deepEqual(json.participants.map((p: Json) => [p.userId, p.role]).sort(), [[ann.user, "write"], [bob.user, "read"]].sort());
        assert.ok(json.docBytes > 0 && typeof json.backlog === "number");
        assert.ok(json.participants.every((p: Json) => typeof p.connectionId === "string" && typeof p.lastSeq === "number"));
    }
    for (const name of ["token", "auth"]) {
        assert.equal((await ask(`${roomPath(roomId)}?${name}=${admin.token}`)).status, 200, name);
    }
    const other = door.person(t.room(), "admin");
    const refused: [name: string, status: number, path: string, headers?: Record<string, string>, method?: string][] = [
        ["no token", 401, roomPath(roomId)],
        ["another scheme", 401, roomPath(roomId), { Authorization: `Basic ${admin.token}` }],
        ["an expired one", 401, roomPath(roomId), bearer(door.token({ rooms: { [roomId]: "admin" }, exp: seconds(-60) }))],
        ["a reader", 403, roomPath(roomId), bearer(bob.token)],
        ["a writer", 403, roomPath(roomId), bearer(ann.token)],
        ["an admin of another room", 403, roomPath(roomId), bearer(other.token)],
        ["another origin's page", 403, roomPath(roomId), { ...bearer(admin.token), Host: "evil.example" }],
        ["no room", 404, roomPath(`${roomId}-none`), bearer(door.person(`${roomId}-none`, "admin").token)],
        ["no room's name", 400, "/collab/room/a%20b", bearer(admin.token)],
        ["another method", 405, roomPath(roomId), bearer(admin.token), "DELETE"],
    ];
    for (const [name, status, path, headers, method] of refused) {
        const answer = await ask(path, headers, method);
        assert.equal(answer.status, status, `${name}: ${answer.text}`);
        assert.ok(!answer.text.includes(ann.user), name);
    }
});

test("bad tokens at pages count: 401 ten times, then 429, also for other pages of that address; and they are in the audit", async (t) => {
    const door = await Door.own(t, ["--audit-file", join(folder(t), "audit.jsonl")]);
    const from = t.address();
    const roomId = t.room();
    const status = async (path: string, method = "GET"): Promise<number> => (await web(door.server, path, { method, headers: bearer("bad.bad.bad"), from })).status;
    for (let i = 0; i < 10; i++) {
        assert.equal(await status(roomPath(roomId)), 401, `number ${i}`);
    }
    assert.equal(await status(roomPath(roomId)), 429);
    assert.equal(await status("/collab/revoke", "POST"), 429);
    assert.equal(await status(`/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, "POST"), 429);
    const nosy = door.person(roomId, "read");
    await web(door.server, roomPath(roomId), { headers: bearer(nosy.token), from: nosy.from });
    await poll(async () => door.audit().filter((l) => l.event === "refused" && l.peer.startsWith(`${from}:`)).length === 10, "ten lines");
    const line = door.audit().find((l) => l.userId === nosy.user);
    assert.deepEqual([line.event, line.roomId], ["refused", roomId]);
});

test("a wsToken serves one connection, whether it asks for a page or opens a WebSocket", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    await door.join(roomId, "write");
    const admin = door.person(roomId, "admin");
    const mint = async (): Promise<string> =>
        (await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, { method: "POST", headers: bearer(admin.token), from: admin.from })).json.token;
    const open = async (token: string): Promise<number | undefined> => {
        const client = await CollabClient.connect(door.server, { from: t.address(), path: `/collab/ws?token=${token}` });
        t.defer(() => client.line.ws.terminate());
        await client.request("collab/subscribe", { roomId }).catch(() => undefined);
        return client.line.closed?.code;
    };
    const page = async (token: string): Promise<number> => (await web(door.server, roomPath(roomId), { headers: bearer(token), from: t.address() })).status;
    const [first, second] = [await mint(), await mint()];
    assert.deepEqual([await page(first), await page(first), await open(first)], [200, 401, 1008]);
    assert.deepEqual([await open(second), await page(second)], [undefined, 401]);
});

test("pages keep to COLLAB_WORKSPACES, and JSON nested deeply is no way to stop the server", async (t) => {
    const door = await Door.own(t, ["--workspaces", "acme"]);
    const roomId = t.room();
    const post = (path: string, token: string, body?: string): Promise<number> =>
        web(door.server, path, { method: "POST", headers: bearer(token), from: t.address(), body }).then((a) => a.status);
    const mine = door.person(roomId, "admin", { workspaceId: "acme", rooms: { "*": "admin" } });
    const other = door.person(roomId, "admin", { workspaceId: "beta", rooms: { "*": "admin" } });
    const token = `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`;
    assert.deepEqual([await post(token, mine.token), await post(token, other.token)], [200, 403]);
    assert.deepEqual([await post("/collab/revoke", mine.token, '{"jti":"x"}'), await post("/collab/revoke", other.token, '{"jti":"x"}')], [200, 403]);
    for (const body of ["[".repeat(15_000), `{"roomId":${"[".repeat(7_000)}${"]".repeat(7_000)}}`, '{"a":'.repeat(3_000), `{"roomId":"${roomId}","roomId":"b"}`, '{"jti":"\\u0000"}']) {
        assert.equal(await post("/collab/ws-token", mine.token, body), 400);
        assert.equal(await post("/collab/revoke", mine.token, body), 400);
    }
    assert.equal(await post("/collab/ws-token", mine.token, JSON.stringify({ roomId })), 200);
});

/* ---- the call that revokes ---- */

const root = (door: Door, claims: Json = {}): string => door.token({ sub: "root", rooms: { "*": "admin" }, ...claims });

async function revoke(t: Context, door: Door, token: string, body: Json): Promise<number> {
    const answer = await web(door.server, "/collab/revoke", { method: "POST", headers: bearer(token), body: typeof body === "string" ? body : JSON.stringify(body), from: t.address() });
    return answer.status;
}

test("a call revokes a token, a user or a session: open connections end, the door is closed, and nobody else is disturbed", async (t) => {
    const door = await Door.own(t, ["--workers", "3", "--audit-file", join(folder(t), "audit.jsonl")]);
    const roomId = t.room();
    const jti = await door.join(roomId, "write", { jti: "token-1" });
    const sub = await door.join(roomId, "write");
    const sid = await door.joinMux(roomId, "write", { sessionId: "session-7" });
    const plain = await door.joinPlain(roomId, "write", { jti: "token-2" });
    const other = await door.join(roomId, "write", { jti: "token-11", sessionId: "session-77" });
    const minted = (await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, { method: "POST", headers: bearer(jti.token), from: t.address() })).json.token;
    for (const body of [{ jti: "token-1" }, { sub: sub.user }, { sid: "session-7" }, { jti: "token-2" }]) {
        assert.equal(await revoke(t, door, root(door), body), 200);
    }
    const lines = [jti.client.line, sub.client.line, sid.client.line, plain.client.line];
    await until(() => lines.every((l) => l.closed !== undefined), "the end of all four", 5_000);
    assert.deepEqual(lines.map((l) => l.closed!.code), [1008, 1008, 1008, 1008]);
    assert.match(lines[0]!.closed!.reason, /revoked/i);
    for (const token of [jti.token, sub.token, minted]) {
        const client = await CollabClient.connect(door.server, { from: t.address() });
        t.defer(() => client.line.ws.terminate());
        assert.equal((await refusal(client.request("collab/subscribe", { roomId, token }))).code, 401);
    }
    other.replica.append("alive");
    await other.client.quiet();
    const called = door.audit().filter((l) => l.event === "revoked" && l.by === "root");
    assert.deepEqual(called.map((l) => l.reason), ["jti:token-1", `sub:${sub.user}`, "sid:session-7", "jti:token-2"]);
    assert.equal(called[1].userId, sub.user);
});

test("nobody but an admin of all rooms revokes, and only what has one of the three names", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write");
    const body = { sub: ann.user };
    const callers: [name: string, token: string, status: number][] = [
        ["a writer of all rooms", root(door, { rooms: { "*": "write" } }), 403],
        ["an admin of one room", door.person(roomId, "admin").token, 403],
        ["an admin of very many", root(door, { rooms: { "ws:*": "admin", "kn:*": "admin" } }), 403],
        ["an admin of a workspace", root(door, { rooms: {}, roles: ["admin"], workspaceId: "e2e" }), 403],
        ["a wsToken", root(door, { aud: "collab-ws", nonce: "n-1", room: roomId, exp: seconds(60) }), 403],
        ["an expired token", root(door, { exp: seconds(-60) }), 401],
        ["nobody", "x.y.z", 401],
    ];
    for (const [name, token, status] of callers) {
        assert.equal(await revoke(t, door, token, body), status, name);
    }
    for (const wrong of ["", "{}", "[]", '{"sub":""}', '{"sub":7}', '{"iss":"x"}', JSON.stringify({ ...body, jti: "x" }), `{"sub":"${"x".repeat(201)}"}`]) {
        assert.equal(await revoke(t, door, root(door), wrong), 400, wrong.slice(0, 40));
    }
    assert.equal((await web(door.server, "/collab/revoke", { headers: bearer(root(door)), from: t.address() })).status, 405);
    ann.replica.append("still here");
    await ann.client.quiet();
});

test("with AUTHZ_URL claims give no right, so none to revoke either", async (t) => {
    const source = await Source.start(() => ({ body: '{"role":"admin"}' }));
    t.defer(() => source.down());
    const door = await Door.own(t, ["--authz-url", source.url], { JWT_SECRET: SECRET });
    assert.equal(await revoke(t, door, root(door), { jti: "x" }), 403);
});
