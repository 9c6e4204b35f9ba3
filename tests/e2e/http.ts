/* http.ts: pages for operators, and upgrades that are none. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { OP, RawSocket, UPGRADE_KEY, frame, upgradeRequest } from "../support/raw.ts";
import { test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

test("/healthz and /readyz answer 200, an unknown path 404, another method 405", async (t) => {
    const server = await t.server();
    for (const path of ["/healthz", "/readyz"]) {
        const response = await fetch(server.http(path));
        assert.equal(response.status, 200, path);
        await response.text();
    }
    for (const path of ["/", "/nothing", "/collab", "/collab/", "/healthz/x", "/%2e%2e/etc/passwd", "/collab/wsx"]) {
        const response = await fetch(server.http(path));
        assert.equal(response.status, 404, path);
        await response.text();
    }
    const posted = await fetch(server.http("/healthz"), { method: "POST" });
    assert.equal(posted.status, 405);
});

test("/collab/health tells of each shard in JSON", async (t) => {
    const server = await t.server();
    const client = await t.connect(server);
    await client.join(t.room(), t.replica());
    const response = await fetch(server.http("/collab/health"));
    assert.match(response.headers.get("content-type")!, /application\/json/);
    const health = await response.json();
    assert.equal(health.status, "ok");
    assert.equal(health.shards.length, 2);
    const sum = (field: string): number =>
        health.shards.reduce((n: number, s: Record<string, number>) => n + s[field]!, 0);
    assert.ok(sum("rooms") >= 1);
    assert.ok(sum("participants") >= 1);
    assert.equal(typeof health.store, "string");
    assert.equal(typeof health.cluster, "string");
});

test("/metrics counts what happened, in the format of Prometheus", async (t) => {
    const server = await t.server("--workers", "2");
    const roomId = t.room();
    const ann = t.replica();
    const bob = t.replica();
    const anns = await t.connect(server);
    await anns.join(roomId, ann);
    const bobs = await t.connect(server);
    await bobs.join(roomId, bob);
    for (let i = 0; i < 10; i++) {
        ann.append(`${i}`);
        await anns.quiet();
    }
    await until(() => bob.text.toString() === "0123456789", "the edits");
    await assert.rejects(anns.request("no/such.method"));

    const response = await fetch(server.http("/metrics"));
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4|^application\/openmetrics-text/);
    const page = await response.text();
    for (const name of [
        "collab_msg_in_total",
        "collab_msg_out_total",
        "collab_bytes_in_total",
        "collab_bytes_out_total",
        "collab_apply_duration_ms",
        "collab_participants",
        "collab_rooms",
        "collab_connections",
    ]) {
        assert.match(page, new RegExp(`^# HELP ${name} .+$`, "m"));
        assert.match(page, new RegExp(`^# TYPE ${name} (counter|gauge|histogram|summary)$`, "m"));
    }
    assert.equal(await server.metric("collab_connections"), 2);
    assert.equal(await server.metric("collab_rooms"), 1);
    assert.equal(await server.metric("collab_participants"), 2);
    assert.ok((await server.metric("collab_msg_in_total", "update")) >= 10);
    assert.ok((await server.metric("collab_apply_duration_ms_count")) >= 10);
    assert.ok((await server.metric("collab_errors_total")) >= 1);
    const checker = spawnSync("promtool", ["check", "metrics"], { input: page });
    if (!checker.error) {
        /* durations in ms are names that were promised; the rest is to the checker's taste */
        const said = `${checker.stderr}${checker.stdout}`.split("\n");
        assert.deepEqual(said.filter((l) => l && !/^collab_\w+_ms .*abbreviated/.test(l)), []);
    }
    await bobs.vanish();
    await poll(async () => (await server.metric("collab_participants")) === 1, "Bob is no longer counted");
});

test("--metrics-addr serves metrics and health on an address of their own, and nothing else there", async (t) => {
    const server = await t.server("--metrics-addr", "127.0.0.1:0");
    assert.equal((await fetch(server.http("/healthz"))).status, 200);
    const port = await server.metricsPort();
    const status = async (path: string): Promise<number> => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
    assert.match(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(), /^collab_connections 0$/m);
    for (const path of ["/healthz", "/readyz", "/collab/health"]) {
        assert.equal(await status(path), 200, path);
    }
    /* Scrapers come by the number of a pod, which no list of hosts has. */
    const asked = async (at: number, host: string): Promise<string> => {
        const said = await RawSocket.open({ port: at });
        t.defer(() => said.destroy());
        said.write(`GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        return (await said.head()).split(" ")[1]!;
    };
    for (const host of ["10.1.2.3:9305", "10.1.2.3", "[2001:db8::1]:9305"]) {
        assert.deepEqual([await asked(port, host), await asked(server.port, host)], ["200", "403"], host);
    }
    for (const host of ["evil.example", "10.1.2.3.evil.example:80", "[evil]", "10.1.2", "[", "[]:1", "[2001:db8::1"]) {
        assert.equal(await asked(port, host), "403", host);
    }
    for (const path of ["/", "/collab/ws", "/collab/room/x", "/collab/ws-token", "/collab/revoke"]) {
        assert.equal(await status(path), 404, path);
    }
});

test("log lines are JSON with event, and name what a request was about", async (t) => {
    const server = await t.server("--workers", "2", "--log-level", "debug");
    const roomId = t.room();
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join(roomId, ann);
    ann.append("x");
    await client.quiet();
    await assert.rejects(client.request("collab/update", { roomId, seq: 500, payloadB64: "AQID" }));
    const lines = (): Record<string, unknown>[] => server.log.map((l) => JSON.parse(l));
    await until(() => lines().some((l) => l["roomId"] === roomId && l["seq"] === 500), "the refusal's line");
    for (const line of lines()) {
        assert.equal(typeof line["event"], "string", JSON.stringify(line));
    }
    const refused = lines().find((l) => l["seq"] === 500)!;
    for (const field of ["roomId", "seq", "userId", "connectionId", "latency_ms", "result", "errCode"]) {
        assert.ok(field in refused, `${field} in ${JSON.stringify(refused)}`);
    }
    assert.ok(!server.log.some((l) => l.includes('"x"')), "no document text in the log");
});

/* ---- upgrades ---- */

test("a right upgrade gets 101 and the accept key of RFC 6455", async (t) => {
    const server = await t.server();
    const raw = await RawSocket.open(server);
    t.defer(() => raw.destroy());
    raw.write(upgradeRequest("/collab/ws", { Connection: "keep-alive, Upgrade", Upgrade: "WebSocket" }));
    const head = await raw.head();
    assert.match(head, /^HTTP\/1\.1 101 /);
    assert.match(head, /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im);
    assert.doesNotMatch(head, /sec-websocket-extensions/i);
    assert.doesNotMatch(head, /sec-websocket-protocol/i);
});

const refused: [name: string, request: string, status: number[]][] = [
    ["a plain GET of a socket's path", "GET /collab/ws HTTP/1.1\r\nHost: x\r\n\r\n", [400, 426]],
    ["no key", upgradeRequest("/collab/ws", { "Sec-WebSocket-Key": null }), [400]],
    ["a key of the wrong length", upgradeRequest("/collab/ws", { "Sec-WebSocket-Key": "dGVzdA==" }), [400]],
    ["a key that is no base64", upgradeRequest("/collab/ws", { "Sec-WebSocket-Key": "@".repeat(24) }), [400]],
    ["no version", upgradeRequest("/collab/ws", { "Sec-WebSocket-Version": null }), [400, 426]],
    ["version 8", upgradeRequest("/collab/ws", { "Sec-WebSocket-Version": "8" }), [426]],
    ["no Upgrade field", upgradeRequest("/collab/ws", { Upgrade: null }), [400, 426]],
    ["another protocol", upgradeRequest("/collab/ws", { Upgrade: "h2c" }), [400, 426]],
    ["no Connection field", upgradeRequest("/collab/ws", { Connection: null }), [400, 426]],
    ["POST", upgradeRequest("/collab/ws").replace("GET", "POST"), [400, 405, 426]],
    ["HTTP/1.0", upgradeRequest("/collab/ws").replace("HTTP/1.1", "HTTP/1.0"), [400, 426, 505]],
    ["no Host", upgradeRequest("/collab/ws", { Host: null }), [400]],
    ["an upgrade of another path", upgradeRequest("/elsewhere"), [404]],
    ["a field of 40,000 bytes", upgradeRequest("/collab/ws", { "X-Long": "x".repeat(40_000) }), [431, 400, 413]],
    ["a path of 40,000 bytes", upgradeRequest(`/collab/ws?${"x".repeat(40_000)}`), [414, 431, 400, 413]],
    ["1,000 fields", upgradeRequest("/collab/ws", Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`X-${i}`, "1"]))), [431, 400]],
    ["garbage", "\x00\x01\x02\x03\r\n\r\n", [400]],
    ["a folded line", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", [400]],
    ["two lengths of a body", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", [400, 413]],
    ["a room's name that is none", upgradeRequest("/ws?roomId=a%20b"), [400, 101]],
    ["a broken percent-encoding", upgradeRequest("/ws?roomId=%zz"), [400, 101]],
];

test(`${refused.length} kinds of upgrades that are none are refused with a status that says why`, async (t) => {
    const server = await t.server();
    const wrong: string[] = [];
    for (const [name, request, statuses] of refused) {
        const raw = await RawSocket.open(server);
        t.defer(() => raw.destroy());
        raw.write(request);
        const status = await raw.status();
        if (!statuses.includes(status)) {
            wrong.push(`${name}: ${status} instead of ${statuses.join(" or ")}`);
        }
        if (status === 426) {
            continue; /* checked below */
        }
        raw.destroy();
    }
    assert.deepEqual(wrong, []);
    const raw = await RawSocket.open(server);
    t.defer(() => raw.destroy());
    raw.write(upgradeRequest("/collab/ws", { "Sec-WebSocket-Version": "8" }));
    assert.match(await raw.head(), /^sec-websocket-version: 13\r$/im, "426 names the version that is spoken");
    await (await t.connect(server)).request("ping");
});

test("frames sent along with the upgrade, without waiting for its answer, are read", async (t) => {
    const server = await t.server();
    const raw = await RawSocket.open(server);
    t.defer(() => raw.destroy());
    const hello = frame({ opcode: OP.text, payload: '{"jsonrpc":"2.0","id":1,"method":"ping"}' });
    raw.write(Buffer.concat([Buffer.from(upgradeRequest("/collab/ws")), hello]));
    const head = await raw.head();
    assert.match(head, /^HTTP\/1\.1 101 /);
    raw.speakFrames();
    await until(() => raw.texts.length > 0, "the answer");
    assert.match(raw.texts[0]!, /"result":\{\}/);
});

test("an upgrade that arrives byte by byte works; garbage behind a page's request does not", async (t) => {
    const server = await t.server();
    const raw = await RawSocket.open(server);
    t.defer(() => raw.destroy());
    for (const byte of Buffer.from(upgradeRequest("/collab/ws", { "Sec-WebSocket-Key": UPGRADE_KEY }))) {
        raw.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await raw.status(), 101);

    const piped = await RawSocket.open(server);
    t.defer(() => piped.destroy());
    piped.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n");
    assert.equal(await piped.status(), 200, "the first request is answered");
    await until(() => piped.ended, "the rest ends the connection");
});
