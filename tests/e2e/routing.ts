/* routing.ts: the proxies of deploy/ before several nodes: they keep the clients of a room together when
 * the URL names it, let anybody in when it does not, and find another node when one has gone.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { CollabClient } from "../support/client.ts";
import { type Node, agree, nodes, scribble, sum } from "../support/cluster.ts";
import { Redis, freePort } from "../support/redis.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const deploy = (name: string): string => join(root, "deploy", name);

/** A program of Debian, or what ./dev setup has unpacked of its package. */
function program(name: string): string {
    const found = [`/usr/sbin/${name}`, join(root, "build/proxies/usr/sbin", name)].find(existsSync);
    assert.ok(found, `no ${name}: ./dev setup fetches it`);
    return found;
}

/** HAProxy, as deploy/haproxy.cfg has it, before two nodes. A server to connect to, as far as clients know. */
async function haproxy(t: Context, all: Node[]): Promise<Server> {
    const port = await freePort();
    const [a, b] = all.map((n) => `127.0.0.1:${n.server.port}`);
    const env = { ...process.env, COLLAB_BIND: `127.0.0.1:${port}`, COLLAB_A: a, COLLAB_B: b };
    const child: ChildProcess = spawn(program("haproxy"), ["-db", "-f", deploy("haproxy.cfg")], { env, stdio: "ignore" });
    const ended = new Promise((done) => child.on("exit", done));
    t.defer(async () => {
        child.kill("SIGTERM");
        await ended;
    });
    const http = (path: string): string => `http://127.0.0.1:${port}${path}`;
    await poll(() => fetch(http("/readyz")).then((r) => r.ok).catch(() => false), "HAProxy serves");
    return { http, ws: (path: string) => `ws://127.0.0.1:${port}${path}` } as unknown as Server;
}

/** Somebody who names the room in the URL. */
async function enter(t: Context, door: Server, room: string, path = `/collab/ws?roomId=${encodeURIComponent(room)}`) {
    const client = await CollabClient.connect(door, { path });
    t.defer(() => client.line.ws.terminate());
    const replica = t.replica();
    return { client, replica, room: await client.join(room, replica) };
}

test(
    "behind HAProxy the clients of a room are on one node, and on another one when that is gone",
    async (t) => {
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 2, { mortal: true });
        const door = await haproxy(t, all);
        const rooms = Array.from({ length: 12 }, () => t.room());
        const pairs = await Promise.all(rooms.map(async (room) => [await enter(t, door, room), await enter(t, door, room)]));
        for (const pair of pairs) {
            await scribble(t, pair, 5);
            await agree(pair);
        }
        const open = await Promise.all(all.map((n) => n.server.metric("collab_rooms")));
        assert.equal(open[0]! + open[1]!, rooms.length, `each room is open on one node: ${open.join(" and ")}`);
        assert.ok(Math.min(...open) > 0, `both nodes have some: ${open.join(" and ")}`);
        const anywhere = await Promise.all([1, 2, 3, 4].map(() => enter(t, door, rooms[0]!, "/collab/ws")));
        await agree([...pairs[0]!, ...anywhere]);
        assert.ok((await sum(all, "collab_bus_published_total")) > 0, "who does not name the room may be elsewhere");

        all[0]!.server.kill();
        const everybody = pairs.flat();
        await until(() => everybody.some((one) => one.client.line.closed !== undefined), "those of the dead node are cut off");
        await poll(() => fetch(door.http("/readyz")).then((r) => r.ok).catch(() => false), "HAProxy has found the other");
        for (const room of rooms) {
            const again = await enter(t, door, room);
            again.replica.append("here again");
            await again.client.quiet();
        }
        assert.equal(await all[1]!.server.metric("collab_rooms"), rooms.length, "all rooms are on the node that is left");
    },
    { tsan: true, ms: 60_000 },
);

test("nginx takes deploy/nginx.conf, and compose.yaml has two nodes, Redis, PostgreSQL and HAProxy", (t) => {
    const dir = mkdtempSync(join(tmpdir(), "collabd-nginx-"));
    t.defer(() => rmSync(dir, { recursive: true, force: true }));
    const own = `pid ${dir}/pid; error_log ${dir}/log;`;
    const said = spawnSync(program("nginx"), ["-t", "-p", dir, "-e", join(dir, "log"), "-g", own, "-c", deploy("nginx.conf")], { encoding: "utf8" });
    assert.equal(said.status, 0, said.stderr);
    const compose = parse(readFileSync(deploy("compose.yaml"), "utf8"), { merge: true });
    assert.deepEqual(Object.keys(compose.services).sort(), ["haproxy", "node-a", "node-b", "postgres", "redis"]);
    for (const name of ["node-a", "node-b"]) {
        const node = compose.services[name];
        assert.match(node.environment.REDIS_URL, /^redis:\/\/redis:/);
        assert.match(node.environment.COLLAB_STORE, /@postgres\//);
        assert.ok(existsSync(join(root, node.build.dockerfile)));
        assert.equal(compose.services.haproxy.environment[name === "node-a" ? "COLLAB_A" : "COLLAB_B"], `${name}:${node.environment.COLLAB_PORT}`);
    }
    return Promise.resolve();
});
