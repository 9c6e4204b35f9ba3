/* debug.ts: looking into a running server: its busiest rooms, what it tells when it is asked by a
 * signal, and the places where a tracer may look in.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { Json } from "../support/client.ts";
import { Door } from "../support/door.ts";
import { type Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";

const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
const health = async (server: Server): Promise<Json> => (await fetch(server.http("/collab/health"))).json();

test("/collab/health names the ten busiest rooms, the busiest first", async (t) => {
    const server = await t.server("--workers", "3");
    const rooms = Array.from({ length: 12 }, (_, i) => t.room(`busy${i}`));
    const client = await t.connect(server);
    const replicas = rooms.map(() => t.replica());
    for (const [i, room] of rooms.entries()) {
        await client.join(room, replicas[i]);
    }
    /* One room is far ahead: each worker counts over two seconds of its own. */
    let told: Json[] = [];
    await poll(async () => {
        for (const [i, replica] of replicas.entries()) {
            for (let n = 0; n < (i === 11 ? 30 : 2); n++) {
                replica.append("x");
            }
        }
        await client.quiet();
        told = (await health(server)).busiest;
        return told.length === 10 && told[0]!.roomId === rooms[11] && told.every((r, i) => i === 0 || r.messagesPerSecond <= told[i - 1]!.messagesPerSecond);
    }, "the busiest rooms");
    assert.ok(told.every((r) => rooms.includes(r.roomId) && r.participants === 1 && r.messagesPerSecond > 0 && r.shard < 3));
    assert.equal(new Set(told.map((r) => r.roomId)).size, 10);
});

test("names of rooms are for operators: an admin of all rooms, and the address of --metrics-addr", async (t) => {
    const door = await Door.own(t, ["--metrics-addr", "127.0.0.1:0"]);
    const roomId = t.room("secret");
    const ann = await door.join(roomId, "write");
    const busiest = async (token?: string): Promise<Json[]> =>
        (await web(door.server, "/collab/health", { headers: token ? bearer(token) : {}, from: t.address() })).json.busiest;
    const root = door.token({ sub: "root", rooms: { "*": "admin" } });
    await poll(async () => {
        ann.replica.append("x");
        await ann.client.quiet();
        return (await busiest(root))[0]?.roomId === roomId;
    }, "the room, for an admin of all");
    for (const token of [undefined, ann.token, door.person(roomId, "admin").token]) {
        const seen = JSON.stringify(await busiest(token));
        assert.ok(!seen.includes("roomId") && !seen.includes(roomId), seen);
    }
    const own = await (await fetch(`http://127.0.0.1:${await door.server.metricsPort()}/collab/health`)).json();
    assert.ok(Array.isArray(own.busiest));
    assert.equal((await web(door.server, "/collab/health", { headers: bearer("x.y.z"), from: t.address() })).status, 401);
    assert.equal((await web(door.server, "/collab/health", { method: "POST", from: t.address() })).status, 405);
});

test(
    "SIGUSR1 has the log tell of workers, rooms, queues and the slowest requests, whatever the log level, and nobody is disturbed",
    async (t) => {
        const server = await t.server("--workers", "2", "--log-level", "error");
        const roomId = t.room("dumped");
        const client = await t.connect(server);
        const ann = t.replica();
        await client.join(roomId, ann);
        for (let i = 0; i < 40; i++) {
            ann.append("x");
        }
        await client.quiet();
        const lines = (event: string): Json[] => server.log.map((l) => JSON.parse(l)).filter((l) => l.event === event);
        for (let round = 1; round <= 3; round++) {
            server.signal("SIGUSR1");
            await until(() => lines("DUMP-WORKER").length === 2 * round && lines("DUMP-SLOW").length === 16 * round, "what it tells");
            ann.append("y");
            await client.quiet();
        }
        const [room] = lines("DUMP-ROOM");
        assert.deepEqual([room.roomId, room.participants, room.uncommitted, room.loading], [roomId, 1, 0, false]);
        assert.ok(room.version > 0 && room.docBytes > 0);
        assert.equal(lines("DUMP-WORKER").slice(0, 2).reduce((n, w) => n + w.connections, 0), 1);
        assert.equal(lines("DUMP")[0].workers, 2);
        const slow = lines("DUMP-SLOW").slice(0, 16);
        assert.ok(slow.every((s, i) => s.roomId === roomId && s.method === "collab/update" && s.result === "ok" && (i === 0 || s.latency_ms <= slow[i - 1]!.latency_ms)));
    },
    { tsan: true },
);

test("tracers find their probes at the steps of an update's way", (t) => {
    const notes = spawnSync("readelf", ["--notes", t.settings.program], { encoding: "utf8", maxBuffer: 64 << 20 });
    assert.equal(notes.status, 0, notes.stderr);
    const found = new Map([...notes.stdout.matchAll(/Provider: collabd\s+Name: (\w+)\s+Location: [^\n]+\n\s+Arguments: ([^\n]+)/g)].map((m) => [m[1], m[2]!.trim().split(/ (?=-?\d@)/).length]));
    assert.deepEqual([...found].sort(), [["accept", 1], ["apply", 4], ["commit", 3], ["flush", 3], ["parse", 4], ["publish", 4]]);
    return Promise.resolve();
});
