/* borders.ts: what comes before any token: whose pages may connect, under which name, in which bytes,
 * how large and how many.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Socket, connect } from "node:net";
import * as Y from "yjs";
import { MUX, TAG, tagged } from "../support/binary.ts";
import { CollabClient, type Json, b64 } from "../support/client.ts";
import { Door, certificate, folder } from "../support/door.ts";
import { OP, RawSocket, frame, upgradeRequest } from "../support/raw.ts";
import { converged } from "../support/replica.ts";
import { MARK, type Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { happened, pace, pause, poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";
import { type HostCase, type OriginCase, hosts, origins, smugglings } from "../wire/attacks.ts";

/* ---- request smuggling ---- */

test(`${smugglings.length} requests that two servers in a row might cut differently are refused, and what stands behind them is not read`, async (t) => {
    const door = await Door.own(t);
    const wrong: string[] = [];
    for (const s of smugglings) {
        const raw = await RawSocket.open(door.server, t.address());
        t.defer(() => raw.destroy());
        raw.write(Buffer.from(s.request, "latin1"));
        const head = await raw.head().catch(() => "");
        const status = Number(head.slice(9, 12));
        if (head !== "" && !s.status.includes(status)) {
            wrong.push(`${s.name}: ${status} instead of ${s.status.join(" or ")}`);
        }
        let all = "";
        try {
            await until(() => raw.ended, `the end of the connection after: ${s.name}`, 5_000);
        } catch (e) {
            wrong.push((e as Error).message);
        }
        all = raw.rest();
        if (/HTTP\/1\.1 \d/.test(all) || all.includes("collab_")) {
            wrong.push(`${s.name}: a second request was answered`);
        }
        raw.destroy();
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
    assert.equal((await web(door.server, "/healthz")).status, 200);
});

/* ---- origins and hosts ---- */

async function upgradeStatus(server: Server, headers: Record<string, string | null>, path = "/collab/ws"): Promise<number> {
    const raw = await RawSocket.open(server);
    raw.write(upgradeRequest(path, headers));
    const status = await raw.status();
    raw.destroy();
    return status;
}

const groups = <T extends { list: string | null }>(cases: T[]): Map<string | null, T[]> => {
    const map = new Map<string | null, T[]>();
    cases.forEach((c) => map.set(c.list, [...(map.get(c.list) ?? []), c]));
    return map;
};

test(`${origins.length} origins: only pages of the list may connect`, async (t) => {
    const wrong: string[] = [];
    for (const [list, cases] of groups<OriginCase>(origins)) {
        const door = await Door.own(t, list === null ? [] : ["--allowed-origins", list]);
        for (const { origin, allowed } of cases) {
            for (const path of ["/collab/ws", "/ws?roomId=a"]) {
                const status = await upgradeStatus(door.server, { Origin: origin }, path);
                if (status !== (allowed ? 101 : 403)) {
                    wrong.push(`${JSON.stringify(origin)} with ${list}, ${path}: ${status}`);
                }
            }
            if (origin !== null && list !== null) {
                const raw = await RawSocket.open(door.server);
                const person = door.person("a", "write");
                raw.write(`POST /collab/ws-token?roomId=a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${person.token}\r\nOrigin: ${origin}\r\nContent-Length: 0\r\n\r\n`);
                const status = await raw.status();
                raw.destroy();
                if (status !== (allowed ? 200 : 403)) {
                    wrong.push(`${JSON.stringify(origin)} with ${list}, POST: ${status}`);
                }
            }
        }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
});

test(`${hosts.length} hosts: only our own names are answered`, async (t) => {
    const wrong: string[] = [];
    for (const [list, cases] of groups<HostCase>(hosts)) {
        const door = await Door.own(t, list === null ? [] : ["--allowed-hosts", list]);
        for (const c of cases) {
            const host = c.host.replaceAll("PORT", String(door.server.port));
            const status = await upgradeStatus(door.server, { Host: host });
            const fits = c.allowed ? status === 101 : status === 403 || status === 400;
            if (!fits) {
                wrong.push(`${c.host} with ${list}: ${status}`);
            }
        }
    }
    assert.equal(wrong.length, 0, wrong.join("\n"));
});

/* ---- sizes ---- */

const KIB = 1024;

function updateOf(bytes: number): Uint8Array {
    const doc = new Y.Doc();
    doc.getText("text").insert(0, "x".repeat(bytes));
    return Y.encodeStateAsUpdate(doc);
}

interface Hoard {
    name: string;
    /** Each of this many strangers does it. */
    count: number;
    /** Nothing but the request's beginning is sent before. */
    bare?: true;
    bytes: () => Buffer;
}

/** What a stranger may do to be remembered for as much as possible; nobody reads what is answered. */
const hoards: Hoard[] = [
    { name: "half a request", count: 100, bare: true, bytes: () => Buffer.from(`GET /collab/ws HTTP/1.1\r\nHost: 127.0.0.1\r\n${"X: y\r\n".repeat(50)}X: ${"x".repeat(14_000)}`) },
    { name: "half of a body", count: 100, bare: true, bytes: () => Buffer.from(`POST /collab/ws-token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 16000\r\n\r\n${"x".repeat(15_999)}`) },
    { name: "the beginning of a message of 8 MiB", count: 100, bytes: () => frame({ opcode: OP.text, payload: "x".repeat(1 << 20), claim: 8 << 20 }) },
    { name: "half of the longest message", count: 100, bytes: () => frame({ opcode: OP.text, payload: "x".repeat(60_000), claim: 64 * KIB }) },
    { name: "a message in pieces without an end", count: 100, bytes: () => Buffer.concat([frame({ opcode: OP.text, fin: false, payload: "x".repeat(30_000) }), frame({ opcode: OP.more, fin: false, payload: "x".repeat(30_000) }), frame({ opcode: OP.more, payload: "x", claim: 3_000 })]) },
    { name: "16 MiB of pings", count: 6, bytes: () => Buffer.concat(Array(128_000).fill(frame({ opcode: OP.ping, payload: "x".repeat(125) }))) },
    { name: "16 MiB of questions", count: 6, bytes: () => Buffer.concat(Array(100_000).fill(frame({ opcode: OP.text, payload: `{"jsonrpc":"2.0","id":"${"x".repeat(100)}","method":"ping"}` }))) },
    { name: "batches with long ids", count: 6, bytes: () => Buffer.concat(Array(64).fill(frame({ opcode: OP.text, payload: `[${Array(60).fill(`{"jsonrpc":"2.0","id":"${"x".repeat(1000)}","method":"ping"}`).join(",")}]` }))) },
    { name: "16 MiB of noise", count: 6, bytes: () => Buffer.concat(Array(1_000_000).fill(frame({ opcode: OP.text, payload: "{[no JSON" }))) },
];

/** Until the server takes no more of it, or has taken all. */
async function taken(sockets: RawSocket[]): Promise<void> {
    const left = (): number => sockets.reduce((sum, raw) => sum + (raw.ended ? 0 : raw.tcp.writableLength), 0);
    for (let before = -1; left() > 0 && left() !== before; ) {
        before = left();
        await pause(150 * pace.slowness);
    }
}

test(`${hoards.length} ways of a stranger to make the server hold much end at 200 KiB each, and a normal client notices nothing`, async (t) => {
    const door = await Door.own(t);
    const roomId = t.room();
    const ann = await door.join(roomId, "write"); /* a normal client beside them */
    const wrong: string[] = [];
    for (const hoard of hoards) {
        const before = await memory(door.server);
        const bytes = hoard.bytes();
        const sockets = await Promise.all(
            Array.from({ length: hoard.count }, async () => {
                const raw = await (hoard.bare ? RawSocket.open(door.server, t.address()) : RawSocket.upgrade(door.server, "/collab/ws", {}, t.address()));
                t.defer(() => raw.destroy());
                raw.tcp.pause();
                raw.write(bytes);
                return raw;
            }),
        );
        await taken(sockets);
        ann.replica.append("undisturbed ");
        await ann.client.quiet();
        const grown = ((await memory(door.server)) - before) / KIB;
        /* allocators keep some, sanitizers all of the last that was freed */
        const most = hoard.count * 200 + (pace.slowness > 1 ? 300 * KIB : 4 * KIB);
        if (grown > most) {
            wrong.push(`${hoard.name}: ${(grown / hoard.count).toFixed(0)} KiB for each of ${hoard.count}`);
        }
        sockets.forEach((raw) => raw.destroy());
    }
    assert.deepEqual(wrong, []);
    const late = await door.join(roomId, "read");
    await converged([ann.replica, late.replica]);
}, { ms: 60_000 });

/** Resident bytes of the server. */
async function memory(server: Server): Promise<number> {
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

interface Oversize {
    name: string;
    send: (t: Context, door: Door, roomId: string) => Promise<string>;
    expect: RegExp;
}

const said = (request: Promise<Json>): Promise<string> =>
    request.then(
        () => "ok",
        (e) => `${e.code ?? e.message}`,
    );

const oversizes: Oversize[] = [
    { name: "a request line of 40 KB", expect: /^(414|431)$/, send: async (t, d) => `${await upgradeStatusFrom(t, d, `/collab/ws?token=${"x".repeat(40_000)}`)}` },
    { name: "a token of 15 KB in the header", expect: /^1008/, send: (t, d) => closeOf(t, d, { Authorization: `Bearer ${"x".repeat(15_000)}` }) },
    { name: "a header of 40 KB", expect: /^431$/, send: async (t, d) => `${await upgradeStatusFrom(t, d, "/collab/ws", { "X-A": "x".repeat(40_000) })}` },
    { name: "a token of 5 MB by subscribe", expect: /^(401|-32602|closed: 1009.*)$/, send: async (t, d, roomId) => said((await CollabClient.connect(d.server, { from: t.address() })).request("collab/subscribe", { roomId, token: "x".repeat(5 << 20) })) },
    { name: "a roomId of 1 MB", expect: /^-32602$/, send: async (_, d, roomId) => said((await d.connect(d.person(roomId, "write"))).request("collab/subscribe", { roomId: "x".repeat(1 << 20) })) },
    { name: "a sessionId of 1 MB", expect: /^-32602$/, send: async (_, d, roomId) => said((await d.connect(d.person(roomId, "write"))).request("collab/subscribe", { roomId, sessionId: "x".repeat(1 << 20) })) },
    { name: "a kick's reason of 1 MB", expect: /^(-32602|ok)$/, send: async (_, d, roomId) => said((await d.join(roomId, "admin")).client.request("collab/room.kick", { roomId, userId: "nobody", reason: "x".repeat(1 << 20) })) },
    { name: "a kick's userId of 1 MB", expect: /^(-32602|ok)$/, send: async (_, d, roomId) => said((await d.join(roomId, "admin")).client.request("collab/room.kick", { roomId, userId: "x".repeat(1 << 20) })) },
    { name: "banSec of 2^53", expect: /^(-32602|ok)$/, send: async (_, d, roomId) => said((await d.join(roomId, "admin")).client.request("collab/room.kick", { roomId, userId: "nobody", banSec: 2 ** 53 - 1 })) },
    { name: "an update of 40 KiB", expect: /^413$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.sequenced("collab/update", { roomId, payloadB64: b64(updateOf(40 * KIB)) })) },
    { name: "presence of 9 KiB", expect: /^413$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.sequenced("collab/awareness", { roomId, payloadB64: b64(updateOf(9 * KIB)) })) },
    { name: "a sync of 4 MiB and some", expect: /^413$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.sequenced("collab/sync", { roomId, payloadB64: b64(updateOf(4097 * KIB)) })) },
    { name: "a state vector of 4 MiB and some", expect: /^(413|-32602)$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.sequenced("collab/sync", { roomId, stateVectorB64: b64(Buffer.alloc(4097 * KIB)) })) },
    { name: "a batch of 65", expect: /^-32600$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.ask(null as unknown as string, `[${Array(65).fill('{"jsonrpc":"2.0","id":1,"method":"ping"}').join(",")}]`)) },
    { name: "JSON nested 100,000 deep", expect: /^-32[67]00$/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.ask(null as unknown as string, "[".repeat(100_000))) },
    { name: "a frame of 9 MiB", expect: /^closed: 1009/, send: async (_, d, roomId) => said((await d.join(roomId, "write")).client.request("ping", { x: "x".repeat(9 << 20) })) },
    {
        name: "a short binary update of 40 KiB",
        expect: /^413$/,
        send: async (_, d, roomId) => {
            const { client } = await d.joinShort(roomId, "write");
            client.line.send(tagged(TAG.update, updateOf(40 * KIB)));
            await until(() => client.inbox.some((m) => m.error), "the refusal");
            return `${client.inbox.find((m) => m.error).error.code}`;
        },
    },
    {
        name: "a long binary update of 40 KiB",
        expect: /^413$/,
        send: async (_, d, roomId) => {
            const { client, room } = await d.joinMux(roomId, "write");
            return `${(await client.data(MUX.update, room.channel, updateOf(40 * KIB))).code}`;
        },
    },
    {
        name: "long binary presence of 9 KiB",
        expect: /^413$/,
        send: async (_, d, roomId) => {
            const { client, room } = await d.joinMux(roomId, "write");
            return `${(await client.data(MUX.awareness, room.channel, updateOf(9 * KIB))).code}`;
        },
    },
    {
        name: "a plain update of 40 KiB",
        expect: /^413$/,
        send: async (_, d, roomId) => {
            const { client } = await d.joinPlain(roomId, "write");
            client.sendUpdate(updateOf(40 * KIB));
            await until(() => client.inbox.some((m) => m.type === "error"), "the refusal");
            return `${client.inbox.find((m) => m.type === "error").code}`;
        },
    },
    {
        name: "a message of 20 MB in frames of one byte less than allowed",
        expect: /^1009$/,
        send: async (t, d, roomId) => {
            const person = d.person(roomId, "write");
            const raw = await RawSocket.upgrade(d.server, "/collab/ws", { Authorization: `Bearer ${person.token}` }, t.address());
            t.defer(() => raw.destroy());
            for (let i = 0; i < 20 && raw.closeCode === undefined; i++) {
                raw.write(frame({ opcode: i === 0 ? OP.text : OP.more, fin: false, payload: "x".repeat((1 << 20) - 1) }));
                await pause(1);
            }
            await until(() => raw.closeCode !== undefined || raw.ended, "the close");
            return `${raw.closeCode}`;
        },
    },
    {
        name: "a frame that says 2^63 bytes",
        expect: /^(1009|1002)$/,
        send: async (t, d) => {
            const raw = await RawSocket.upgrade(d.server, "/collab/ws", {}, t.address());
            t.defer(() => raw.destroy());
            raw.write(frame({ opcode: OP.text, payload: "x", claim: (1n << 63n) - 1n, lengthBytes: 8 }));
            await until(() => raw.closeCode !== undefined || raw.ended, "the close");
            return `${raw.closeCode}`;
        },
    },
];

async function upgradeStatusFrom(t: Context, door: Door, path: string, headers: Record<string, string> = {}): Promise<number> {
    const raw = await RawSocket.open(door.server, t.address());
    raw.write(upgradeRequest(path, headers));
    const status = await raw.status();
    raw.destroy();
    return status;
}

async function closeOf(t: Context, door: Door, headers: Record<string, string>): Promise<string> {
    const raw = await RawSocket.upgrade(door.server, "/collab/ws", headers, t.address());
    await until(() => raw.closeCode !== undefined || raw.ended, "the close");
    raw.destroy();
    return `${raw.closeCode}`;
}

test(`${oversizes.length} things that are too large are refused at their layer, and a normal client notices nothing`, async (t) => {
    const door = await Door.own(t);
    const normal = t.room("normal");
    const ann = await door.join(normal, "write");
    const bob = await door.join(normal, "read");
    const wrong: string[] = [];
    for (const o of oversizes) {
        try {
            const got = await o.send(t, door, t.room());
            if (!o.expect.test(got)) {
                wrong.push(`${o.name}: ${got.slice(0, 200)}`);
            }
        } catch (e) {
            wrong.push(`${o.name}: ${(e as Error).message}`);
        }
        ann.replica.append(`${MARK} `);
        await ann.client.quiet();
    }
    await converged([ann.replica, bob.replica]);
    assert.equal(wrong.length, 0, wrong.join("\n"));
});

/* ---- connections ---- */

test("one address gets so many connections, another one is not affected, and what is closed may be used again", async (t) => {
    const door = await Door.own(t, ["--connections-per-address", "20"]);
    const roomId = t.room();
    const from = t.address();
    const open = async (): Promise<RawSocket | number> => {
        const raw = await RawSocket.open(door.server, from);
        t.defer(() => raw.destroy());
        raw.write(upgradeRequest("/collab/ws"));
        const status = await raw.status();
        if (status !== 101) {
            return status;
        }
        raw.speakFrames();
        return raw;
    };
    const sockets: RawSocket[] = [];
    for (let i = 0; i < 20; i++) {
        sockets.push((await open()) as RawSocket);
        assert.equal(typeof sockets.at(-1), "object", `connection ${i}`);
    }
    for (let i = 0; i < 5; i++) {
        const one = await open();
        if (typeof one !== "number") {
            await until(() => one.closeCode !== undefined || one.ended, "the refusal of one too many");
            assert.ok([1008, 1013, undefined].includes(one.closeCode), `${one.closeCode}`);
        } else {
            assert.ok([429, 503].includes(one), `${one}`);
        }
    }
    const ann = await door.join(roomId, "write");
    ann.replica.append("another address");
    await ann.client.quiet();
    sockets.forEach((s) => s.destroy());
    await poll(async () => {
        const one = await open();
        if (typeof one === "number") {
            return false;
        }
        one.text('{"jsonrpc":"2.0","id":1,"method":"ping"}');
        await until(() => one.texts.length > 0 || one.ended || one.closeCode !== undefined, "an answer");
        return one.texts.length > 0;
    }, "room for it again");
}, { tsan: true });

/** TCP connections that say nothing, or half a header, and stay. */
async function halfOpen(t: Context, server: Server, count: number, froms: string[]): Promise<{ sockets: Socket[]; alive: () => number }> {
    const sockets: Socket[] = [];
    let connected = 0;
    let gone = 0;
    t.defer(() => sockets.forEach((s) => s.destroy()));
    for (let i = 0; i < count; i++) {
        const tcp = connect({ port: server.port, host: "127.0.0.1", localAddress: froms[i % froms.length] });
        tcp.on("connect", () => {
            connected++;
            const part = ["", "GET /collab/ws HTT", "GET /collab/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", "\x16\x03\x01\x02"][i % 4]!;
            if (part) {
                tcp.write(part);
            }
            happened();
        });
        tcp.on("error", () => undefined);
        tcp.on("close", () => {
            gone++;
            happened();
        });
        tcp.resume();
        sockets.push(tcp);
        if (i % 200 === 199) {
            await until(() => connected + gone >= i - 400, "the kernel takes the connections");
        }
    }
    await until(() => connected + gone >= count, "all are connected, or refused", 30_000);
    return { sockets, alive: () => count - gone };
}

test(
    "10,000 half-open handshakes: two who are at work type on undisturbed, a third one comes in, and the half-open ones are gone when their time is over",
    async (t) => {
        const limit = Number(/Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))![1]);
        const count = Math.min(10_000, limit - 2_000);
        if (count < 10_000) {
            console.log(`     ${count} only: this machine allows ${limit} open files`);
        }
        const door = await Door.own(t, ["--max-connections", "15000", "--header-timeout-ms", "6000"]);
        const roomId = t.room("crowd");
        const ann = await door.join(roomId, "write");
        const bob = await door.join(roomId, "write");
        const type = async (): Promise<number> => {
            const start = performance.now();
            const had = bob.replica.updates.length;
            ann.replica.append("x");
            await until(() => bob.replica.updates.length > had, "the edit");
            return performance.now() - start;
        };
        const froms = Array.from({ length: 40 }, () => t.address());
        let done = false;
        const latencies: number[] = [];
        const typing = (async () => {
            while (!done) {
                latencies.push(await type());
                await pause(50);
            }
        })();
        const start = performance.now();
        const crowd = await halfOpen(t, door.server, count, froms);
        const third = await door.join(roomId, "read");
        await converged([bob.replica, third.replica]);
        const most = crowd.alive();
        await until(() => crowd.alive() === 0, "the end of all half-open ones", 40_000);
        const took = performance.now() - start;
        done = true;
        await typing;
        latencies.sort((a, b) => a - b);
        const p95 = latencies[Math.floor(latencies.length * 0.95)]!;
        assert.ok(most > count * 0.5 || took < 8_000, `${most} of ${count} were held at once`);
        assert.ok(p95 < 300 * pace.slowness, `p95 of ${latencies.length} edits: ${p95.toFixed(0)} ms`);
        assert.equal(ann.client.line.closed, undefined);
        await ann.client.quiet();
        await converged([ann.replica, bob.replica, third.replica]);
    },
    { ms: 120_000 },
);

test("one address that holds connections half-open does not take the places of others", async (t) => {
    const door = await Door.own(t, ["--max-connections", "300", "--connections-per-address", "100"]);
    const roomId = t.room();
    await halfOpen(t, door.server, 400, [t.address()]);
    const ann = await door.join(roomId, "write");
    ann.replica.append("here");
    await ann.client.quiet();
});

test("a request that comes byte by byte, and a TLS handshake that is never finished, end in time; what is open has no such end", async (t) => {
    const dir = folder(t);
    const pair = certificate(dir, "slow");
    const flags = ["--header-timeout-ms", "1000"];
    const door = await Door.own(t, flags);
    const sealed = await Door.own(t, [...flags, "--tls-cert", pair.cert, "--tls-key", pair.key]);
    const text = upgradeRequest("/collab/ws", { "X-Slow": "x".repeat(200) });
    const hello = Buffer.from(`160301020001000${"1fc0303"}`, "hex"); /* says that 512 bytes follow */
    const body = "POST /collab/ws-token?roomId=a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200\r\n\r\n";
    const lines: [name: string, door: Door, head: string | Buffer, drips: string][] = [
        ["a header", door, "", text],
        ["a body", door, body, "x".repeat(200)],
        ["a TLS hello", sealed, hello, "\0".repeat(200)],
        ["TLS and silence", sealed, "", ""],
        ["silence", door, "", ""],
    ];
    const took = await Promise.all(
        lines.map(async ([name, where, head, drips]) => {
            const raw = await RawSocket.open(where.server, t.address());
            t.defer(() => raw.destroy());
            raw.write(head);
            const start = performance.now();
            for (let i = 0; !raw.ended && i < 100; i++) {
                raw.write(drips.slice(i, i + 1));
                await pause(100);
            }
            return [name, raw.ended ? performance.now() - start : Infinity] as const;
        }),
    );
    assert.deepEqual(took.filter(([, ms]) => ms < 900 || ms > 5_000 * pace.slowness), [], "bytes do not buy time");
    const open = await RawSocket.upgrade(door.server, "/collab/ws", {}, t.address());
    t.defer(() => open.destroy());
    await pause(2_300);
    open.text('{"jsonrpc":"2.0","id":1,"method":"ping"}');
    await until(() => open.texts.length > 0, "what is open is not ended by it");
});
