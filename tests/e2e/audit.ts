/* audit.ts: who did what and from where is written down, and what must not be is not: no token, no
 * document text. (That no log line tells any is checked for every server of every test, in
 * support/server.ts.)
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MUX, TAG, tagged } from "../support/binary.ts";
import { CollabClient, type Json, b64 } from "../support/client.ts";
import { Door, SECRET, folder, refusal } from "../support/door.ts";
import { MARK } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { seconds } from "../support/tokens.ts";
import { poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";

async function audited(t: Context, ...flags: string[]): Promise<Door> {
    return Door.own(t, ["--audit-file", join(folder(t), "audit.jsonl"), "--log-level", "debug", ...flags]);
}

/** Waits for a line of this kind about this user. */
async function line(door: Door, event: string, userId: string | undefined, more: (l: Json) => boolean = () => true): Promise<Json> {
    let found: Json;
    await poll(async () => {
        found = door.audit().find((l) => l.event === event && (userId === undefined || l.userId === userId) && more(l));
        return found !== undefined;
    }, `a line "${event}" about ${userId}`, 5_000);
    return found;
}

test("each event leaves a line that says who, when, from where, in which room, by whom and why", async (t) => {
    const dir = folder(t);
    const revoked = join(dir, "revoked");
    writeFileSync(revoked, "");
    const door = await audited(t, "--revocation-file", revoked, "--auth-timeout-ms", "500");
    const roomId = t.room();
    const start = Date.now();

    const ann = await door.join(roomId, "write", { sessionId: "session-a" });
    const subscribed = await line(door, "subscribed", ann.user);
    assert.equal(subscribed.roomId, roomId);
    assert.equal(subscribed.role, "write");
    assert.equal(subscribed.sessionId, "session-a");
    assert.ok(subscribed.peer.startsWith(`${ann.from}:`), subscribed.peer);
    assert.ok(Date.parse(subscribed.ts) >= start - 1000 && Date.parse(subscribed.ts) <= Date.now() + 1000);

    const none = door.person(roomId, "none");
    const outsider = await door.connect(none);
    await refusal(outsider.request("collab/subscribe", { roomId }));
    const refused = await line(door, "refused", none.user);
    assert.equal(refused.roomId, roomId);
    assert.equal(typeof refused.reason, "string");
    assert.ok(refused.peer.startsWith(`${none.from}:`));

    const from = t.address();
    const forger = await CollabClient.connect(door.server, { from, headers: { Authorization: "Bearer a.b.c" } });
    await until(() => forger.line.closed !== undefined, "the refusal");
    await line(door, "refused", undefined, (l) => l.peer?.startsWith(`${from}:`));

    const admin = await door.join(roomId, "admin");
    await admin.client.request("collab/room.mute", { roomId, userId: ann.user, muted: true });
    const muted = await line(door, "muted", ann.user);
    assert.deepEqual([muted.by, muted.roomId], [admin.user, roomId]);
    await admin.client.request("collab/room.kick", { roomId, userId: ann.user, reason: "spam, again", banSec: 60 });
    const kicked = await line(door, "kicked", ann.user);
    assert.deepEqual([kicked.by, kicked.roomId], [admin.user, roomId]);
    assert.match(kicked.reason ?? "", /spam, again/);
    assert.match(kicked.reason, /60/, "and for how long");

    const minter = door.person(roomId, "write");
    const answer = await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${minter.token}` },
        from: minter.from,
    });
    assert.equal(answer.status, 200);
    const minted = await line(door, "minted", minter.user);
    assert.equal(minted.roomId, roomId);
    assert.ok(minted.peer?.startsWith(`${minter.from}:`), `from where: ${minted.peer}`);

    const victim = await door.join(roomId, "read");
    writeFileSync(revoked, `sub:${victim.user}\n`);
    door.server.signal("SIGHUP");
    await until(() => victim.client.line.closed !== undefined, "the revocation", 12_000);
    await line(door, "revoked", victim.user);

    const silent = await CollabClient.connect(door.server, { from: t.address() });
    await until(() => silent.line.closed !== undefined, "the auth timeout");
    const closed = await line(door, "closed", undefined, (l) => /timeout/i.test(l.reason));
    assert.equal(typeof closed.peer, "string");

    for (const l of door.audit()) {
        assert.ok(["subscribed", "refused", "kicked", "muted", "minted", "revoked", "closed"].includes(l.event), l.event);
        assert.match(l.ts, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        const known = ["ts", "event", "userId", "sessionId", "peer", "roomId", "role", "by", "reason", "connectionId"];
        assert.deepEqual(Object.keys(l).filter((k) => !known.includes(k)), []);
    }
});

test("the session's id is carried in from header, query or subscribe", async (t) => {
    const door = await audited(t);
    const roomId = t.room();
    for (const [options, params, expected] of [
        [{ headers: { "mcp-session-id": "by-header" } }, {}, "by-header"],
        [{ path: "/collab/ws?sid=by-query" }, {}, "by-query"],
        [{}, { sessionId: "by-subscribe" }, "by-subscribe"],
    ] as [Json, Json, string][]) {
        const person = door.person(roomId, "write");
        const client = await CollabClient.connect(door.server, { from: person.from, ...options });
        t.defer(() => client.line.ws.terminate());
        await client.request("collab/subscribe", { roomId, token: person.token, ...params });
        assert.equal((await line(door, "subscribed", person.user)).sessionId, expected);
    }
});

test("who asks again and again without a token leaves one line per connection, so that strangers cannot fill the disk", async (t) => {
    const door = await audited(t);
    const roomId = t.room();
    const from = t.address();
    const lines = (): Json[] => door.audit().filter((l) => l.event === "refused" && l.peer.startsWith(`${from}:`));
    for (let connection = 1; connection <= 2; connection++) {
        const stranger = await CollabClient.connect(door.server, { from });
        for (let i = 0; i < 20; i++) {
            assert.equal((await refusal(stranger.request("collab/subscribe", { roomId }))).code, 401);
        }
        assert.equal(lines().length, connection);
        stranger.line.ws.terminate();
    }
});

test("nobody can write lines of his own into the audit or the log", async (t) => {
    const door = await audited(t);
    const roomId = t.room();
    const admin = await door.join(roomId, "admin");
    const evil = [
        'x"}\n{"ts":"2000-01-01T00:00:00.000Z","event":"kicked","userId":"forged"}',
        "x\r\nforged",
        "\u2028forged\u2029",
        "\u0000\u0001\u001b[31mforged",
        "\\u000aforged",
        "💥".repeat(50),
    ];
    for (const text of evil) {
        await admin.client.request("collab/room.kick", { roomId, userId: text.slice(0, 90), reason: text }).catch((e) => assert.equal(e.code, -32602));
        await admin.client.request("collab/room.kick", { roomId, userId: t.user(), reason: text.slice(0, 60) }).catch(() => undefined);
        const user = t.user();
        const client = await door.connect({ user, from: t.address(), token: door.token({ sub: `${user}${text.slice(0, 100)}`, rooms: { [roomId]: "read" } }) });
        await client.request("collab/subscribe", { roomId, sessionId: text.slice(0, 40) }).catch(() => undefined);
        const path = `/collab/ws?sid=${encodeURIComponent(Buffer.from(text).toString())}&token=bad`;
        const guest = await CollabClient.connect(door.server, { from: t.address(), path });
        await until(() => guest.line.closed !== undefined, "the refusal");
    }
    const lines = door.audit(); /* every line is JSON */
    assert.ok(!lines.some((l) => l.userId === "forged"));
    for (const l of door.server.log) {
        assert.equal(typeof JSON.parse(l).event, "string");
        assert.ok(!/[\u0000-\u001f\u007f]/.test(l), "no control characters");
    }
});

test("neither a token nor document text is in the audit or the log, whatever went wrong", async (t) => {
    const door = await audited(t);
    const roomId = t.room();
    const tokens: string[] = [];
    const keep = (token: string): string => (tokens.push(token), token);
    const ann = await door.join(roomId, "write");
    const short = await door.joinShort(roomId, "write");
    const mux = await door.joinMux(roomId, "write");
    const plain = await door.joinPlain(roomId, "write");
    [ann, short, mux, plain].forEach((who) => keep(who.token));
    ann.replica.append(`${MARK} `);
    ann.replica.show({ note: MARK });
    await ann.client.quiet();
    const text = new TextEncoder().encode(`${MARK}${MARK}`);
    await refusal(ann.client.sequenced("collab/update", { roomId, payloadB64: b64(text) }));
    await refusal(ann.client.sequenced("collab/awareness", { roomId, payloadB64: b64(text) }));
    await refusal(ann.client.request("collab/update", { roomId: `${MARK} ${MARK}`, seq: 5, payloadB64: MARK })).catch(() => undefined);
    ann.client.line.send(`{"jsonrpc":"2.0","id":1,"method":"${MARK}`);
    short.client.line.send(tagged(TAG.update, text));
    await mux.client.data(MUX.update, mux.room.channel, text);
    plain.client.send({ type: "update", roomId, update: [...text] });
    plain.client.line.send(MARK);
    /* tokens where they do not belong, and bad ones where they do */
    const expired = keep(door.token({ exp: seconds(-3600) }));
    for (const path of [`/collab/ws?token=${expired}`, `/collab/ws?auth=${expired}`, `/ws?roomId=${encodeURIComponent(roomId)}&token=${expired}`]) {
        const client = await CollabClient.connect(door.server, { path, from: t.address(), protocols: [] });
        await until(() => client.line.closed !== undefined, "the refusal");
        assert.ok(!client.line.closed!.reason.includes("eyJ"));
    }
    for (const path of [`/nothing/${expired}?token=${expired}`, `/healthz?token=${expired}`, `/collab/ws?token=${expired}`]) {
        const answer = await web(door.server, path, { from: t.address(), headers: { Authorization: `Bearer ${expired}`, Cookie: `token=${expired}` } });
        assert.ok(!answer.text.includes("eyJ"), "nor does a page repeat it");
    }
    const e = await refusal(ann.client.request("collab/subscribe", { roomId, token: expired }));
    assert.ok(!JSON.stringify(e.data).includes("eyJ"));
    const page = (await web(door.server, "/metrics")).text + (await web(door.server, "/collab/health")).text;
    await ann.client.request("ping");

    const all = `${readFileSync(door.auditFile!, "utf8")}\n${door.server.log.join("\n")}\n${page}`;
    assert.ok(all.length > 1000);
    const secrets = [MARK, SECRET, ...tokens.flatMap((token) => [token.split(".")[1]!.slice(0, 24), token.split(".")[2]!.slice(0, 24)])];
    for (const shift of [0, 1, 2]) {
        secrets.push(Buffer.from(" ".repeat(shift) + MARK).toString("base64").slice(shift ? 4 : 0, -4));
    }
    assert.deepEqual(secrets.filter((s) => all.includes(s)), []);
});

test("SIGHUP opens the file anew for whoever has moved it away; nobody else may read it", async (t) => {
    const door = await audited(t);
    const roomId = t.room();
    const first = await door.join(roomId, "write");
    await line(door, "subscribed", first.user);
    assert.equal(statSync(door.auditFile!).mode & 0o007, 0, "not for everybody's eyes");
    const old = `${door.auditFile}.1`;
    renameSync(door.auditFile!, old);
    const second = await door.join(roomId, "read");
    await poll(async () => readFileSync(old, "utf8").includes(second.user), "the old file is used until then");
    door.server.signal("SIGHUP");
    await poll(async () => existsSync(door.auditFile!), "the new file");
    const third = await door.join(roomId, "read");
    await line(door, "subscribed", third.user);
    assert.ok(!readFileSync(old, "utf8").includes(third.user));
});

test("the server does not start when the audit cannot be written", async (t) => {
    const dir = folder(t);
    chmodSync(dir, 0o700);
    await assert.rejects(
        t.start(["--audit-file", join(dir, "no", "such", "folder")], { guarded: true, env: { JWT_SECRET: SECRET } }),
        /COLLAB_AUDIT_FILE/,
    );
});

test("many who come and go at once, over several workers: each has his line, whole", async (t) => {
    const door = await audited(t, "--workers", "4");
    const rooms = Array.from({ length: 6 }, () => t.room());
    const users = await Promise.all(
        Array.from({ length: 60 }, async (_, i) => {
            const who = door.person(rooms[i % 6]!, "write");
            const client = await door.connect(who);
            await client.request("collab/subscribe", { roomId: rooms[i % 6] });
            await client.close();
            return who.user;
        }),
    );
    for (const user of users) {
        await line(door, "subscribed", user);
    }
    assert.equal(door.audit().filter((l) => l.event === "subscribed").length, 60);
}, { tsan: true });
