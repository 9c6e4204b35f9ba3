/* tokens.ts: who is let in. Tokens forged in every way we know, brought by every way there is; key
 * sets that are down, slow, changing or lying; tokens that expire or are revoked while their owner
 * is connected; wsTokens.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CollabClient, type Json } from "../support/client.ts";
import { Door, SECRET, folder, refusal } from "../support/door.ts";
import { PlainClient } from "../support/plain.ts";
import { Line } from "../support/socket.ts";
import { Source } from "../support/source.ts";
import { type Context, test } from "../support/suite.ts";
import { Issuer, type Key, b64url, jwk, jwks, makeKey, parts, seconds, secretKey, signed } from "../support/tokens.ts";
import { happened, pace, pause, poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";
import { type Kit, tokenAttacks } from "../wire/attacks.ts";

const ISSUER = "https://issuer.example.org";
const AUDIENCE = "collab";

function makeKit(room: string): Kit & { set: Key[] } {
    const set = [makeKey("RS256", "rs-1"), makeKey("PS256", "ps-1", true), makeKey("ES256", "es-1"), makeKey("EdDSA", "ed-1")];
    const base = { iss: ISSUER, aud: AUDIENCE, sub: "mallory", rooms: { [room]: "write" } };
    const [rs, ps, es, ed] = set.map((key) => new Issuer(key, base)) as [Issuer, Issuer, Issuer, Issuer];
    return {
        hs: new Issuer(secretKey(SECRET), base),
        rs,
        ps,
        es,
        ed,
        set,
        own: makeKey("ES256", "mine"),
        ownRsa: makeKey("RS256", "mine-too", true),
        claims: (more: Json = {}) => ({ ...base, ...more }),
        issuer: ISSUER,
        audience: AUDIENCE,
    };
}

/** The four places, each tried as a client would: what came of it, "in" or how it was refused. */
const places: Record<string, (t: Context, door: Door, token: string, roomId: string) => Promise<string>> = {
    header: (t, door, token, roomId) => atUpgrade(t, door, roomId, "/collab/ws", { Authorization: `Bearer ${token}` }),
    "?token=": (t, door, token, roomId) => atUpgrade(t, door, roomId, `/collab/ws?token=${encodeURIComponent(token)}`),
    "?auth=": (t, door, token, roomId) => atUpgrade(t, door, roomId, `/collab/ws?x=1&auth=${encodeURIComponent(token)}`),
    "plain ?token=": (t, door, token, roomId) =>
        atUpgrade(t, door, roomId, `/ws?roomId=${encodeURIComponent(roomId)}&token=${encodeURIComponent(token)}`, {}, []),
    subscribe: async (t, door, token, roomId) => {
        const client = await CollabClient.connect(door.server, { from: t.address() });
        t.defer(() => client.line.ws.terminate());
        const said = await client.request("collab/subscribe", { roomId, token }).then(
            () => "in",
            (e) => (client.line.closed ? `${client.line.closed.code} closed` : `${e.code} ${e.message}`),
        );
        if (said !== "in" && client.line.live) {
            const { code } = await refusal(client.request("collab/room.info", { roomId }));
            assert.ok([401, 403].includes(code), "and is in no room");
        }
        await client.close();
        return said;
    },
    "POST /collab/ws-token": async (t, door, token, roomId) => {
        const answer = await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, {
            method: "POST",
            headers: { Authorization: `Bearer ${token}` },
            from: t.address(),
        });
        return answer.status === 200 ? "in" : `${answer.status} HTTP`;
    },
};

async function atUpgrade(
    t: Context,
    door: Door,
    roomId: string,
    path: string,
    headers: Record<string, string> = {},
    protocols = ["mcp-json"],
): Promise<string> {
    const line = new Line(door.server, path, protocols, { from: t.address(), headers });
    t.defer(() => line.ws.terminate());
    let got = 0;
    let refused = "";
    line.ws.on("message", (data: Buffer) => {
        const message = JSON.parse(data.toString());
        got += message.result || message.type === "sync" ? 1 : 0;
        const error = message.error ?? (message.type === "error" && message.code !== -32600 ? message : undefined);
        refused ||= error ? `${error.code} ${error.message}` : "";
        happened();
    });
    await until(() => line.opened || line.closed !== undefined, "the upgrade");
    line.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "collab/subscribe", params: { roomId } }));
    await until(() => got > 0 || refused !== "" || line.closed !== undefined, "the door's answer");
    if (line.closed) {
        const { code, reason } = line.closed;
        assert.equal(got, 0, "nothing before the close");
        return `${code} ${reason}`;
    }
    await line.close();
    return got > 0 ? "in" : refused;
}

const REFUSED: Record<string, RegExp> = {
    header: /^1008 .{5}|^1006 HTTP 431/,
    "?token=": /^1008 .{5}|^1006 HTTP 414/,
    "?auth=": /^1008 .{5}|^1006 HTTP 414/,
    "plain ?token=": /^1008 .{5}|^1006 HTTP 414/,
    subscribe: /^401 UNAUTH$|^-32602|^1009/ /* what is no token by its size or characters */,
    "POST /collab/ws-token": /^401 HTTP|^431 HTTP/,
};

test(
    `${tokenAttacks.length} forged, stale and foreign tokens are refused in each of the ${Object.keys(places).length} places where a token may come, and good ones of five algorithms are not`,
    async (t) => {
        const roomId = t.room("tokens");
        const kit = makeKit(roomId);
        const file = join(folder(t), "keys.json");
        writeFileSync(file, jwks(kit.set));
        const door = await Door.own(t, ["--jwks-file", file, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE]);
        const wrong: string[] = [];
        const attempt = async (name: string, place: string, token: string, good: boolean): Promise<void> => {
            try {
                const said = await places[place]!(t, door, token, roomId);
                if (good ? said !== "in" : !REFUSED[place]!.test(said)) {
                    wrong.push(`${name}, by ${place}: ${said}`);
                }
                if (token.length > 20 && said.includes(token.slice(-12))) {
                    wrong.push(`${name}, by ${place}: the answer repeats the token`);
                }
            } catch (e) {
                wrong.push(`${name}, by ${place}: ${(e as Error).message}`);
            }
        };
        const good = async (): Promise<void> => {
            for (const [name, issuer] of Object.entries({ hs: kit.hs, rs: kit.rs, ps: kit.ps, es: kit.es, ed: kit.ed })) {
                for (const place of Object.keys(places)) {
                    /* users differ, since joins of one are counted */
                    await attempt(`a good token (${name})`, place, issuer.token({ sub: t.user("good") }), true);
                }
            }
        };
        await good();
        for (const attack of tokenAttacks) {
            const token = attack.token(kit);
            const all = attack.only ? [attack.only] : Object.keys(places);
            /* what no client could put into a header is left out there */
            await Promise.all(
                all
                    .filter((place) => !["header", "POST /collab/ws-token"].includes(place) || (/^[\x21-\x7e]+$/.test(token) && token.length < 15_000))
                    .map((place) => attempt(attack.name, place, token, false)),
            );
        }
        await good();
        assert.equal(wrong.length, 0, `${wrong.length} of them:\n${wrong.join("\n")}`);
    },
    { ms: 120_000 },
);

const fine: [name: string, claims: () => Json, header?: Json][] = [
    ["expired within the leeway", () => ({ exp: seconds(-10) })],
    ["nbf within the leeway", () => ({ nbf: seconds(10) })],
    ["nbf in the past", () => ({ nbf: 0 })],
    ["exp with a fraction", () => ({ exp: seconds(600) + 0.5 })],
    ["one of several audiences", () => ({ aud: ["mail", AUDIENCE] })],
    ["no type", () => ({}), { typ: undefined }],
    ["the type of RFC 9068", () => ({}), { typ: "at+jwt" }],
    ["claims that nobody knows", () => ({ foo: { bar: [1, 2, 3] }, name: "Jürgen 🌲" })],
    ["a sub of 200 bytes", () => ({ sub: "x".repeat(200) })],
    ["a token of 5 KiB", () => ({ x: "x".repeat(3700) })],
];

test(`${fine.length} tokens that are unusual but good are let in`, async (t) => {
    const roomId = t.room();
    const door = await Door.own(t, ["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE]);
    const issuer = new Issuer(secretKey(SECRET), { iss: ISSUER, aud: AUDIENCE, rooms: { [roomId]: "write" } });
    for (const [name, claims, header] of fine) {
        for (const place of Object.keys(places)) {
            const token = issuer.token({ sub: t.user(), ...claims() }, header);
            if (name === "expired within the leeway" && place === "POST /collab/ws-token") {
                continue; /* what is minted does not outlive it */
            }
            assert.equal(await places[place]!(t, door, token, roomId), "in", `${name}, by ${place}`);
        }
    }
});

test("the server does not start with a secret that is too short, a file that is no key set, or nobody to trust", async (t) => {
    const dir = folder(t);
    writeFileSync(join(dir, "bad.json"), "{}");
    writeFileSync(join(dir, "private.json"), JSON.stringify({ keys: [{ kty: "oct", k: "AAAA" }] }));
    const cases: [flags: string[], env: Record<string, string>, says: RegExp][] = [
        [[], { JWT_SECRET: "x".repeat(31) }, /JWT_SECRET/],
        [["--jwks-file", join(dir, "bad.json")], {}, /JWKS_FILE|jwks-file/],
        [["--jwks-file", join(dir, "none.json")], {}, /JWKS_FILE|jwks-file/],
        [["--jwks-url", "http://keys.example.org/"], {}, /JWKS_URL|jwks-url/],
        [["--jwks-url", "file:///etc/passwd"], {}, /JWKS_URL|jwks-url/],
        [["--authz-url", "gopher://127.0.0.1/"], { JWT_SECRET: SECRET }, /AUTHZ_URL|authz-url/],
        [["--revocation-file", join(dir, "none.txt")], { JWT_SECRET: SECRET }, /REVOCATION/i],
        [[], {}, /JWT_SECRET/],
        [["--dev", "--host", "0.0.0.0"], {}, /loopback/],
    ];
    const wrong: string[] = [];
    for (const [flags, env, says] of cases) {
        try {
            const server = await t.start(flags, { guarded: true, env });
            wrong.push(`${flags.join(" ")}: it started`);
            await server.stop();
        } catch (e) {
            if (!says.test((e as Error).message)) {
                wrong.push(`${flags.join(" ")}: ${(e as Error).message}`);
            }
        }
    }
    assert.deepEqual(wrong, []);
});

test("when a token comes in several places, a bad one is not made good by another, and the user is one", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t);
    const ann = door.person(roomId, "write");
    const bad = door.token({ exp: seconds(-3600) });
    const both = (header: string, query: string): Promise<string> =>
        atUpgrade(t, door, roomId, `/collab/ws?token=${query}`, { Authorization: `Bearer ${header}` });
    assert.match(await both(bad, ann.token), /^1008/, "the header counts");
    const client = await door.connect(ann);
    assert.equal((await refusal(client.request("collab/subscribe", { roomId, token: bad }))).code, 401);
    const other = door.person(roomId, "admin");
    const e = await refusal(client.request("collab/subscribe", { roomId, token: other.token }));
    assert.deepEqual([e.code, e.message], [403, "FORBIDDEN"], "another user's token on this connection");
    const { role } = await client.request("collab/subscribe", { roomId });
    assert.equal(role, "write", "Ann is still Ann");
    const again = await client.request("collab/subscribe", { roomId, token: door.token({ sub: ann.user, rooms: { [roomId]: "admin" } }) });
    assert.equal(again.role, "admin", "a token of her own may change what she may do");
});

test("the scheme's name may be written in any case; other schemes are no tokens", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t, ["--auth-timeout-ms", "300"]);
    const { token } = door.person(roomId, "read");
    await door.join(roomId, "write");
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
        assert.equal(await atUpgrade(t, door, roomId, "/collab/ws", { Authorization: `${scheme} ${token}` }), "in", scheme);
    }
    for (const value of [`Basic ${token}`, `Bearer${token}`, token, `Token ${token}`]) {
        const client = await CollabClient.connect(door.server, { from: t.address(), headers: { Authorization: value } });
        t.defer(() => client.line.ws.terminate());
        const said = await client.request("collab/subscribe", { roomId }).then(
            () => "in",
            () => "refused",
        );
        assert.equal(said, "refused", value.slice(0, 8));
    }
});

test("without a token nothing is served, and after the time for it the connection is closed with 1008", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t, ["--auth-timeout-ms", "700"]);
    const client = await CollabClient.connect(door.server, { from: t.address() });
    t.defer(() => client.line.ws.terminate());
    const start = performance.now();
    assert.equal((await refusal(client.request("collab/subscribe", { roomId }))).code, 401);
    for (const method of ["collab/update", "collab/sync", "collab/awareness"]) {
        const e = await refusal(client.request(method, { roomId, seq: 1, payloadB64: "AAA=" }));
        assert.ok([401, 403].includes(e.code), `${method}: ${e.code}`);
    }
    const late = await CollabClient.connect(door.server, { from: t.address() });
    t.defer(() => late.line.ws.terminate());
    await late.request("collab/subscribe", { roomId, token: door.person(roomId, "write").token });
    const plain = await PlainClient.connect(door.server, roomId, t.replica(), undefined, { from: t.address() });
    t.defer(() => plain.line.ws.terminate());
    await until(() => client.line.closed !== undefined && plain.line.closed !== undefined, "the time-out");
    assert.ok(performance.now() - start > 600);
    assert.deepEqual(client.line.closed, { code: 1008, reason: "Auth timeout" });
    assert.equal(plain.line.closed!.code, 1008);
    assert.equal(plain.inbox.some((m) => m.type === "sync"), false, "the plain dialect serves no state either");
    await late.request("collab/room.info", { roomId });
});

/* ---- expiry and revocation of those who are connected ---- */

test("a token that expires while connected: work goes on through the grace, a fresh one renews it, without one it ends with 1008", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t, ["--token-grace-ms", "1500"]);
    const short = { exp: seconds(1) }; /* the leeway is for letting in, not for staying */
    const renewing = await door.join(roomId, "write", short);
    const letting = await door.join(roomId, "write", short);
    const gone = await door.joinPlain(roomId, "read", short);
    const end = short.exp * 1000;
    const fresh = door.token({ sub: renewing.user, rooms: { [roomId]: "write" } });
    assert.equal((await renewing.client.request("collab/subscribe", { roomId, token: fresh })).role, "write");
    for (let i = 0; Date.now() < end + 700; i++) {
        letting.replica.append(`${i} `);
        await letting.client.quiet();
        await pause(40);
    }
    await until(() => letting.client.line.closed !== undefined && gone.client.line.closed !== undefined, "the end of the others");
    assert.ok(Date.now() >= end + 1000, "not before the grace is over");
    assert.deepEqual(letting.client.line.closed, { code: 1008, reason: "Token expired" });
    assert.equal(gone.client.line.closed!.code, 1008);
    renewing.replica.append("still here");
    await renewing.client.quiet();
    assert.equal(renewing.client.line.closed, undefined);
});

test("a fresh token within the grace renews, one of another user does not", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t, ["--token-grace-ms", "4000"]);
    const exp = seconds(1);
    const ann = await door.join(roomId, "write", { exp });
    while (Date.now() < exp * 1000 + 300) {
        await ann.client.request("ping");
    }
    const foreign = door.person(roomId, "admin").token;
    assert.equal((await refusal(ann.client.request("collab/subscribe", { roomId, token: foreign }))).code, 403);
    const mine = door.token({ sub: ann.user, rooms: { [roomId]: "read" } });
    assert.equal((await ann.client.request("collab/subscribe", { roomId, token: mine })).role, "read");
    ann.replica.link = undefined;
    ann.replica.append("x");
    const e = await refusal(ann.room.sync());
    assert.equal(e.code, 403, "the renewed token's rights count");
    while (Date.now() < exp * 1000 + 5500) {
        await ann.client.request("ping");
    }
    assert.equal(ann.client.line.closed, undefined);
});

test("what is written into the revocation list ends open connections and closes the door, and nobody else's", async (t) => {
    const roomId = t.room();
    const file = join(folder(t), "revoked");
    writeFileSync(file, "# nobody yet\n");
    const door = await Door.own(t, ["--revocation-file", file, "--workers", "2"]);
    const jti = await door.join(roomId, "write", { jti: "token-1" });
    const sub = await door.join(roomId, "write");
    const sid = await door.joinMux(roomId, "write", { sessionId: "session-7" });
    const plain = await door.joinPlain(roomId, "write", { jti: "token-2" });
    const other = await door.join(roomId, "write", { jti: "token-11", sessionId: "session-77" });
    writeFileSync(file, `jti:token-1\nsub:${sub.user}\n# a comment\nsid:session-7\njti:token-2\n`);
    door.server.signal("SIGHUP");
    const lines = [jti.client.line, sub.client.line, sid.client.line, plain.client.line];
    await until(() => lines.every((l) => l.closed !== undefined), "the end of all four", 12_000);
    assert.deepEqual(lines.map((l) => l.closed!.code), [1008, 1008, 1008, 1008]);
    assert.match(lines[0]!.closed!.reason, /revoked/i);
    for (const who of [jti, sub]) {
        assert.match(await places["header"]!(t, door, who.token, roomId), /^1008/);
        assert.equal(await places["subscribe"]!(t, door, who.token, roomId), "401 UNAUTH");
        assert.equal(await places["POST /collab/ws-token"]!(t, door, who.token, roomId), "401 HTTP");
    }
    other.replica.append("alive");
    await other.client.quiet();

    /* A list that has become wrong leaves what was read before. */
    writeFileSync(file, "everybody\n");
    door.server.signal("SIGHUP");
    await until(() => door.server.log.some((l) => /revocation/i.test(l) && /line 1/.test(l)), "the log says so");
    assert.match(await places["header"]!(t, door, jti.token, roomId), /^1008/);
    other.replica.append("still");
    await other.client.quiet();
}, { tsan: true });

/* ---- key sets that come over the network ---- */

const inRoom = (roomId: string): Json => ({ rooms: { [roomId]: "write" } });

test("keys are fetched once for many tokens, and a new key when a token names it", async (t) => {
    const roomId = t.room();
    const [old, fresh] = [makeKey("ES256", "old"), makeKey("EdDSA", "new")];
    const source = await Source.start(() => ({ body: jwks([old]) }));
    t.defer(() => source.down());
    const door = await Door.own(t, ["--jwks-url", source.url], {});
    const by = (key: Key): string => new Issuer(key, inRoom(roomId)).token({ sub: t.user() });
    for (let i = 0; i < 20; i++) {
        assert.equal(await places["header"]!(t, door, by(old), roomId), "in");
    }
    assert.ok(source.asked.length <= 2, `asked ${source.asked.length} times for 20 tokens`);
    source.says = () => ({ body: jwks([old, fresh]) });
    const found = async (): Promise<boolean> => (await places["subscribe"]!(t, door, by(fresh), roomId)) === "in";
    await poll(found, "the new key, fetched because a token names it", 15_000);
    assert.equal(await places["header"]!(t, door, by(old), roomId), "in", "the old one is still in the set");

    /* Who invents kids does not make the server ask and ask. */
    const before = source.asked.length;
    const refused = await Promise.all(
        Array.from({ length: 60 }, (_, i) => {
            const token = signed({ alg: "ES256", kid: `invented-${i}` }, { ...inRoom(roomId), sub: "m", exp: seconds(60) }, makeKey("ES256", "x"));
            return places["subscribe"]!(t, door, token, roomId);
        }),
    );
    assert.ok(refused.every((r) => r !== "in"));
    assert.ok(source.asked.length - before <= 3, `asked ${source.asked.length - before} times for 60 invented kids`);
});

test("a source that is down keeps the keys that were known; one that lies changes nothing", async (t) => {
    const roomId = t.room();
    const key = makeKey("RS256", "one");
    const unknown = makeKey("ES256", "two");
    const source = await Source.start(() => ({ body: jwks([key]), headers: { "Cache-Control": "max-age=1" } }));
    t.defer(() => source.down());
    const door = await Door.own(t, ["--jwks-url", source.url], {});
    const by = (k: Key): string => new Issuer(k, inRoom(roomId)).token({ sub: t.user() });
    assert.equal(await places["header"]!(t, door, by(key), roomId), "in");
    const lies: [string, ReturnType<Source["says"]>][] = [
        ["an error page", { status: 500, body: "oops" }],
        ["HTML with 200", { status: 200, body: "<html>" }],
        ["an empty set", { body: '{"keys":[]}' }],
        ["a private key", { body: JSON.stringify({ keys: [unknown.private!.export({ format: "jwk" })] }) }],
        ["10 MB", { body: `{"keys":[${'{"kty":"EC"},'.repeat(800_000)}{}]}` }],
        ["a redirect", { status: 302, headers: { Location: "http://127.0.0.1:1/" } }],
        ["a cut connection", { cut: true }],
        ["a secret for HS256", { body: JSON.stringify({ keys: [{ kty: "oct", kid: "two", k: b64url("x".repeat(32)), alg: "HS256" }] }) }],
    ];
    for (const [name, lie] of lies) {
        source.says = () => lie;
        const forged = signed({ alg: "HS256", kid: "two" }, { ...inRoom(roomId), sub: "m", exp: seconds(60) }, secretKey("x".repeat(32)));
        assert.notEqual(await places["subscribe"]!(t, door, by(unknown), roomId), "in", name);
        assert.notEqual(await places["subscribe"]!(t, door, forged, roomId), "in", name);
        assert.equal(await places["header"]!(t, door, by(key), roomId), "in", `known keys are kept: ${name}`);
    }
    await source.down();
    assert.equal(await places["header"]!(t, door, by(key), roomId), "in", "known keys are kept while it is down");
    assert.notEqual(await places["subscribe"]!(t, door, by(unknown), roomId), "in");
});

test("a source that is slow holds up only those whose keys it has; one that is down at the start is asked again", async (t) => {
    const roomId = t.room();
    const key = makeKey("ES256", "slow");
    const source = await Source.start(() => ({ body: jwks([key]), after: 1200 }));
    t.defer(() => source.down());
    const door = await Door.own(t, ["--jwks-url", source.url], { JWT_SECRET: SECRET });
    const ann = await door.join(roomId, "write"); /* by the secret */
    const token = new Issuer(key, inRoom(roomId)).token({ sub: t.user() });
    const waiting = places["header"]!(t, door, token, roomId);
    let longest = 0;
    let settled = false;
    void waiting.then(() => (settled = true));
    while (!settled) {
        const start = performance.now();
        ann.replica.append("x");
        await ann.client.quiet();
        longest = Math.max(longest, performance.now() - start);
        await pause(40);
    }
    assert.equal(await waiting, "in", "who waited is let in");
    assert.ok(longest < 500 * pace.slowness, `an edit took ${longest.toFixed(0)} ms meanwhile`);

    const late = await Source.start(() => ({ body: jwks([key]) }));
    await late.down();
    const second = await Door.own(t, ["--jwks-url", late.url], {});
    const said = await places["subscribe"]!(t, second, token, roomId);
    assert.notEqual(said, "in", "nobody is let in without keys");
    await late.up();
    t.defer(() => late.down());
    await poll(async () => (await places["subscribe"]!(t, second, token, roomId)) === "in", "let in once the keys are there", 15_000);
}, { ms: 90_000 });

test("a key file is read again on SIGHUP; one that has become wrong leaves the old keys in force", async (t) => {
    const roomId = t.room();
    const [old, fresh] = [makeKey("ES256", "old"), makeKey("EdDSA", "new")];
    const file = join(folder(t), "keys.json");
    writeFileSync(file, jwks([old]));
    const door = await Door.own(t, ["--jwks-file", file], {});
    const by = (key: Key): Promise<string> => places["subscribe"]!(t, door, new Issuer(key, inRoom(roomId)).token({ sub: t.user() }), roomId);
    assert.equal(await by(old), "in");
    assert.notEqual(await by(fresh), "in");
    writeFileSync(file, jwks([fresh]));
    door.server.signal("SIGHUP");
    await poll(async () => (await by(fresh)) === "in", "the new key counts");
    assert.notEqual(await by(old), "in", "the old one does not any more");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, 40));
    const before = door.server.log.length;
    door.server.signal("SIGHUP");
    await until(() => door.server.log.slice(before).some((l) => /JWKS_FILE|jwks/i.test(l)), "the log says that it is wrong");
    assert.equal(await by(fresh), "in");
});

/* ---- wsTokens ---- */

interface Minted {
    url: string;
    token: string;
    expiresAt: number | string;
    roomId: string;
}

async function mint(t: Context, door: Door, token: string, roomId: string): Promise<Minted> {
    const answer = await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}` },
        from: t.address(),
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
}

test("a wsToken opens one connection to one room, with the rights of who asked for it, for a short time", async (t) => {
    const roomId = t.room();
    const other = t.room();
    const door = await Door.own(t);
    const user = t.user();
    const access = door.token({ sub: user, rooms: { [roomId]: "write", [other]: "write" }, sessionId: "s-9", workspaceId: "e2e" });
    const minted = await mint(t, door, access, roomId);
    assert.equal(minted.roomId, roomId);
    assert.match(minted.url, /^wss?:\/\/.*\/collab\/ws/);
    const { payload, header } = parts(minted.token);
    assert.equal(header.alg, "HS256");
    assert.equal(payload.aud, "collab-ws");
    assert.equal(payload.sub, user);
    assert.equal(payload.sessionId, "s-9");
    assert.ok(payload.exp - seconds() <= 300 && payload.exp - seconds() > 200);
    assert.equal(typeof payload.nonce, "string");

    const first = await CollabClient.connect(door.server, { from: t.address(), path: `/collab/ws?token=${minted.token}` });
    t.defer(() => first.line.ws.terminate());
    assert.equal((await first.request("collab/subscribe", { roomId })).role, "write");
    assert.equal((await refusal(first.request("collab/subscribe", { roomId: other }))).code, 403, "another room");
    assert.equal((await first.request("collab/subscribe", { roomId, token: minted.token })).role, "write", "the same connection may repeat it");

    for (const place of ["header", "?token=", "?auth="]) {
        assert.match(await places[place]!(t, door, minted.token, roomId), /^1008/, `replay by ${place}`);
    }
    assert.equal(await places["subscribe"]!(t, door, minted.token, roomId), "401 UNAUTH", "replay by subscribe");
    assert.notEqual(await places["POST /collab/ws-token"]!(t, door, minted.token, roomId), "in", "it mints no other");
    await first.close();
    assert.match(await places["header"]!(t, door, minted.token, roomId), /^1008/, "also when the first is gone");

    /* Many at once: exactly one gets in. */
    const raced = await mint(t, door, access, roomId);
    const said = await Promise.all(Array.from({ length: 12 }, () => places["header"]!(t, door, raced.token, roomId)));
    assert.equal(said.filter((s) => s === "in").length, 1, said.join(", "));
}, { tsan: true });

test("a wsToken is only for who may read the room, and is refused after its end", async (t) => {
    const roomId = t.room();
    const door = await Door.own(t);
    await door.join(roomId, "write");
    const reader = door.person(roomId, "read");
    const minted = await mint(t, door, reader.token, roomId);
    const client = await CollabClient.connect(door.server, { from: t.address(), path: `/collab/ws?token=${minted.token}` });
    t.defer(() => client.line.ws.terminate());
    assert.equal((await client.request("collab/subscribe", { roomId })).role, "read", "no more than the access token gives");

    const ask = (path: string, headers: Record<string, string>, method = "POST"): Promise<number> =>
        web(door.server, path, { method, headers, from: t.address() }).then((a) => a.status);
    const path = `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`;
    const none = door.person(roomId, "none");
    assert.equal(await ask(path, { Authorization: `Bearer ${none.token}` }), 403);
    assert.equal(await ask(path, {}), 401);
    assert.equal(await ask(path, { Authorization: `Bearer ${reader.token}` }, "GET"), 405);
    assert.equal(await ask("/collab/ws-token", { Authorization: `Bearer ${reader.token}` }), 400);
    assert.equal(await ask("/collab/ws-token?roomId=a%20b", { Authorization: `Bearer ${reader.token}` }), 400);

    /* Made by the issuer as the server would make it, but over. */
    const over = door.token({ aud: "collab-ws", nonce: "n-over", room: roomId, rooms: { [roomId]: "write" }, exp: seconds(-31) });
    assert.match(await places["header"]!(t, door, over, roomId), /^1008/);
    const short = door.token({ sub: t.user(), rooms: { [roomId]: "write" }, exp: seconds(20) });
    const brief = await mint(t, door, short, roomId);
    assert.ok(parts(brief.token).payload.exp <= parts(short).payload.exp, "it does not outlive what it was made from");
});

test("with keys but no secret there is nobody to sign wsTokens, and the answer says so", async (t) => {
    const roomId = t.room();
    const key = makeKey("ES256", "k");
    const file = join(folder(t), "keys.json");
    writeFileSync(file, JSON.stringify({ keys: [jwk(key)] }));
    const door = await Door.own(t, ["--jwks-file", file], {});
    const token = new Issuer(key, inRoom(roomId)).token();
    const answer = await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}` },
    });
    assert.ok([500, 501, 503].includes(answer.status), `${answer.status}`);
    assert.match(answer.text, /JWT_SECRET/);
});
