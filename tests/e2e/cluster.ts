/* cluster.ts: several nodes, one room. Whoever is on whichever node edits the same document and sees
 * the same people; Redis may be away, slow, empty or lying, and everybody comes to agree again.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type Node, type Person, agree, health, node, nodes, people, person, scribble, serving, sleeper, sum } from "../support/cluster.ts";
import { certificate, folder } from "../support/door.ts";
import { Redis, type Wire, freePort } from "../support/redis.ts";
import { converged, equal } from "../support/replica.ts";
import { MARK } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pause, poll, until } from "../support/wait.ts";

/** Nodes that compare and find nothing: differences are asked for no more. */
async function stillness(all: Node[]): Promise<void> {
    let repairs = await sum(all, "collab_bus_repairs_total");
    await poll(async () => {
        const heard = await sum(all, "collab_bus_received_total");
        await poll(async () => (await sum(all, "collab_bus_received_total")) > heard + 10, "comparisons");
        const before = repairs;
        repairs = await sum(all, "collab_bus_repairs_total");
        return repairs === before;
    }, "comparisons that find nothing");
}

test(
    "people on three nodes type at random, and all copies become equal",
    async (t) => {
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 3, { compareMs: 100 });
        const room = t.room();
        const typists = await people(t, [...all, ...all], room);
        await scribble(t, typists, 300);
        await agree(typists);
        const late = await person(t, all[1]!.server, room);
        await agree([...typists, late]);
        await stillness(all);
        for (const n of all) {
            assert.equal(await n.server.metric("collab_bus_gaps_total"), 0, "nothing was missed");
            assert.equal(await n.server.metric("collab_bus_refused_total"), 0, "nothing was refused");
        }
    },
    { tsan: true },
);

/** Waits until somebody who comes anew on each node sees what everybody else sees. */
async function everywhere(t: Context, all: Node[], room: string, others: Person[]): Promise<void> {
    const witnesses = await people(t, all, room);
    await agree([...others, ...witnesses]);
    await Promise.all(witnesses.map((w) => w.client.close()));
}

test("a room that nobody has open any more is complete for whoever comes, on any node", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const room = t.room();
    const ann = await person(t, all[0]!.server, room);
    ann.replica.append("written on the first node");
    await ann.client.quiet();
    await ann.client.close();
    const bob = await person(t, all[1]!.server, room);
    await converged([ann.replica, bob.replica]);
    bob.replica.append(", and on the second");
    await bob.client.quiet();
    await bob.client.close();
    const eve = await person(t, all[0]!.server, room);
    await converged([bob.replica, eve.replica]);
});

test("each node has on its own disk what was acknowledged anywhere while it had the room open", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const room = t.room();
    const typists = await people(t, all, room);
    await scribble(t, typists, 60);
    await agree(typists);
    await Promise.all(typists.map((one) => one.client.close()));
    for (const n of all) {
        await n.server.stop();
        const alone = await t.start(["--workers", "1", "--data", n.data]);
        const reader = await person(t, alone, room);
        await converged([typists[0]!.replica, reader.replica]);
        await alone.stop();
    }
});

test("a hundred cuts of the wires, and nobody misses anything", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const room = t.room();
    const typists = await people(t, all, room);
    for (let i = 0; i < 100; i++) {
        const one = t.rng.pick(all);
        one.wire.cut();
        await scribble(t, typists, 2);
        await (i % 4 ? pause(t.rng.below(20)) : serving(one.server));
    }
    await agree(typists, 20_000);
    await Promise.all(all.map((n) => serving(n.server)));
    await everywhere(t, all, room, typists);
    /* how often depends on how soon a node is back: a cut that finds none connected costs nothing */
    assert.ok((await sum(all, "collab_bus_repairs_total")) > 0, "what was missed was asked for");
});

test("Redis is killed and comes back empty: meanwhile each node serves its own, then all agree", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 3);
    const room = t.room();
    const typists = await people(t, all, room);
    await scribble(t, typists, 30);
    await agree(typists);
    await redis.kill();
    await poll(async () => (await health(all[0]!.server)).cluster === "cut off", "health says so");
    assert.equal(await all[0]!.server.metric("collab_bus_up"), 0);
    await scribble(t, typists, 30);
    await Promise.all(typists.map((one) => one.client.quiet()));
    const unheard = t.room("fresh");
    const fresh = await person(t, all[2]!.server, unheard);
    fresh.replica.append("a room that is opened without Redis");
    await fresh.client.quiet();
    await fresh.client.close();
    await redis.run();
    await agree(typists, 20_000);
    await Promise.all(all.map((n) => serving(n.server)));
    await everywhere(t, all, room, typists);
    /* what only the node had that could not tell anybody stands on its disk */
    await typists[2]!.client.close();
    await all[2]!.server.stop();
    const alone = await t.start(["--workers", "1", "--data", all[2]!.data]);
    const reader = await person(t, alone, unheard);
    await converged([fresh.replica, reader.replica]);
    await alone.stop();
}, { tsan: true });

test("Redis stands still and goes on", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const typists = await people(t, all, t.room());
    redis.signal("SIGSTOP");
    await scribble(t, typists, 50);
    await poll(async () => (await all[0]!.server.metric("collab_bus_up")) === 0, "the node has noticed", 15_000);
    await scribble(t, typists, 20);
    redis.signal("SIGCONT");
    await agree(typists, 20_000);
});

test("wires that delay, hold up and break off in the middle of a message", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 3);
    const typists = await people(t, all, t.room());
    all[0]!.wire.delay(30);
    for (let i = 0; i < 20; i++) {
        const wire = t.rng.pick(all).wire;
        wire.truncate(1 + t.rng.below(3000));
        wire.hold();
        await scribble(t, typists, 8);
        wire.release();
    }
    all.forEach((n) => n.wire.truncate(Infinity));
    await agree(typists, 20_000);
});

test("Redis loses every third message, and what is missed is asked for", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 3);
    const room = t.room();
    const typists = await people(t, all, room);
    for (const { wire, server } of all) {
        const { connections } = wire;
        wire.drop((channel) => channel.startsWith("room:") && t.rng.chance(0.33));
        wire.cut();
        await until(() => wire.connections >= connections + 2, "it is back on the lossy wire");
        await serving(server);
    }
    for (let i = 0; i < 10; i++) {
        typists.forEach((one, n) => one.replica.show({ name: `typist ${n}`, at: i }));
        await scribble(t, typists, 10);
    }
    all.forEach(({ wire }) => wire.drop(() => false));
    await agree(typists, 20_000);
    const seen = (one: Person): boolean => typists.every((other) => other === one || one.replica.sees(other.replica)?.at === 9);
    await until(() => typists.every(seen), "what was shown last is seen by all", 20_000);
    assert.ok(all.every(({ wire }) => wire.dropped > 0), "something was lost on each");
    assert.ok((await sum(all, "collab_bus_gaps_total")) > 0, "and was missed");
    await everywhere(t, all, room, typists);
});

test("a node that cannot reach Redis tries less and less often, and not when the others do", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const TRIES = 5;
    const CONNECTIONS = 2; /* of each node: one hears, one speaks */
    const start = performance.now();
    all.forEach(({ wire }) => wire.part());
    const of = all.map(({ wire }) => wire.refusals);
    await until(() => of.every((refusals) => refusals.length >= TRIES * CONNECTIONS), "they try again and again", 15_000);
    /* half of 50 ms, then twice as much each time: the shortest that chance may choose */
    const soonest = (tries: number): number => 25 * (2 ** tries - 1);
    for (const refusals of of) {
        refusals.slice(0, TRIES * CONNECTIONS).forEach((at, i) => {
            const tries = Math.floor(i / CONNECTIONS) + 1;
            assert.ok(at - start >= soonest(tries) - 5, `try ${i + 1} after ${(at - start).toFixed(0)} ms`);
        });
    }
    const last = of.flatMap((refusals) => refusals.slice((TRIES - 1) * CONNECTIONS, TRIES * CONNECTIONS));
    assert.ok(Math.max(...last) - Math.min(...last) > 5, "they do not come back all at once");
    all.forEach(({ wire }) => wire.heal());
    await Promise.all(all.map(({ server }) => serving(server)));
});

/** Whether the channel is still heard just after its room has been let go of; what takes longer than
 * the two seconds that it is kept says nothing. */
async function lingers(redis: Redis, one: Node, room: string): Promise<boolean> {
    let open = performance.now();
    await poll(async () => {
        const now = performance.now();
        const rooms = await one.server.metric("collab_rooms");
        open = rooms ? now : open;
        return rooms === 0;
    }, "the rooms are let go of");
    return (await redis.hearers(room)) === 1 || performance.now() - open > 1900;
}

test("nodes hear of rooms that are open there, a while longer, and no more; many are subscribed in few commands", async (t) => {
    const redis = await Redis.start(t);
    const first = await node(t, redis, { flags: ["--room-ttl", "1"] });
    const ann = await t.connect(first.server);
    const rooms = Array.from({ length: 40 }, () => t.room());
    const [room] = rooms as [string];
    for (const one of rooms) {
        await ann.join(one);
    }
    assert.equal(await redis.hearers(room), 1);
    assert.equal(await redis.hearers("ws:e2e/nobody"), 0);
    const before = await redis.calls("subscribe");
    const { connections } = first.wire;
    first.wire.cut();
    await until(() => first.wire.connections >= connections + 2, "it is back");
    await serving(first.server);
    assert.ok((await redis.calls("subscribe")) - before <= 3, "all are subscribed again at once");
    assert.equal(await redis.hearers(room), 1);
    await ann.close();
    assert.ok(await lingers(redis, first, room), "who comes back at once finds it");
    await poll(async () => (await redis.hearers(room)) === 0, "it is let go of");
});

test("the version never goes back for somebody who changes nodes", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 3);
    const room = t.room();
    const others = await people(t, all, room);
    const replica = t.replica();
    let version = 0;
    for (let i = 0; i < 9; i++) {
        const eve = await person(t, all[i % 3]!.server, room, replica);
        assert.ok(eve.room.subscribed.version >= version, `${eve.room.subscribed.version} after ${version}`);
        await scribble(t, [eve, ...others], 4);
        await agree([eve, ...others]);
        const info = await eve.client.request("collab/room.info", { roomId: room });
        assert.ok(info.version >= eve.room.subscribed.version);
        version = info.version;
        await eve.client.close();
    }
    assert.ok(version > 9);
});

test("nodes that were parted edit on, and agree when they are joined", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 3);
    const room = t.room();
    const typists = await people(t, all, room);
    await scribble(t, typists, 20);
    all[0]!.wire.part();
    all[1]!.wire.part();
    await scribble(t, typists, 60);
    await Promise.all(typists.map((one) => one.client.quiet()));
    all[0]!.wire.heal();
    all[1]!.wire.heal();
    await agree(typists, 20_000);
    await everywhere(t, all, room, typists);
}, { tsan: true });

/** A message between nodes, as envelope.h has it. */
function envelope(kind: number, room: string, payload: Uint8Array, sequence = 1n): Buffer {
    const head = Buffer.alloc(28);
    head.write("c\u0001", 0, "latin1");
    head[2] = kind;
    head.writeBigUInt64LE((1n << 63n) | 77n, 4);
    head.writeBigUInt64LE(1n, 12);
    head.writeBigUInt64LE(sequence, 20);
    return Buffer.concat([head, Buffer.from([5, 1, room.length]), Buffer.from(room), payload]);
}

test("poisoned messages on the channel are refused and counted, and change nothing", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const room = t.room();
    const typists = await people(t, all, room);
    await scribble(t, typists, 10);
    await agree(typists);
    const [UPDATE, PRESENCE, COMPARE, ASK, MORE] = [8, 9, 2, 6, 22];
    const poison = [
        Buffer.from("hello"),
        Buffer.alloc(0),
        t.rng.bytes(200),
        envelope(200, room, new Uint8Array()),
        envelope(UPDATE, "ws:e2e/another", new Uint8Array([0, 0])),
        envelope(UPDATE, room, t.rng.bytes(50)),
        envelope(PRESENCE, room, Buffer.from([200, 1, 1])),
        envelope(COMPARE, room, Buffer.from([1, 2])),
        envelope(ASK, room, Buffer.from([])),
        envelope(MORE, room, Buffer.from([1, 2, 3])),
    ];
    const before = await all[0]!.server.metric("collab_bus_refused_total");
    for (const message of poison) {
        await redis.command("PUBLISH", `room:${room}`, message);
    }
    await poll(async () => (await all[0]!.server.metric("collab_bus_refused_total")) >= before + poison.length, "all are refused");
    await scribble(t, typists, 30);
    await agree(typists);
});

test("everybody sees everybody, whichever node they are on, and who leaves is gone for all", async (t) => {
    const redis = await Redis.start(t);
    const all = await nodes(t, redis, 2);
    const room = t.room();
    const [ann, bob] = (await people(t, all, room)) as [Person, Person];
    ann.replica.show({ name: "ann" });
    bob.replica.show({ name: "bob" });
    await until(() => bob.replica.sees(ann.replica)?.name === "ann" && ann.replica.sees(bob.replica)?.name === "bob", "both see each other");
    const eve = await person(t, all[1]!.server, room);
    await until(() => eve.replica.sees(ann.replica)?.name === "ann", "who comes later sees who was there");
    assert.equal(eve.room.subscribed.participants, 3, "participants are counted over all nodes");
    ann.replica.show({ name: "ann", cursor: 5 });
    await until(() => eve.replica.sees(ann.replica)?.cursor === 5, "what changes");
    await ann.client.close();
    await until(() => !eve.replica.sees(ann.replica) && !bob.replica.sees(ann.replica), "who leaves is gone");
});

test(
    "the clients of a node that was killed are gone within ten seconds, and come back elsewhere",
    async (t) => {
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 2, { mortal: true });
        const room = t.room();
        const [ann, bob] = (await people(t, all, room)) as [Person, Person];
        ann.replica.show({ name: "ann" });
        await until(() => bob.replica.sees(ann.replica) !== undefined, "bob sees ann");
        await scribble(t, [ann, bob], 20);
        await agree([ann, bob]);
        const killed = performance.now();
        all[0]!.server.kill();
        ann.replica.link = undefined;
        ann.replica.append("typed between two nodes");
        await until(() => bob.replica.sees(ann.replica) === undefined, "she is gone", 10_000);
        assert.ok(performance.now() - killed < 10_000);
        const moved = await person(t, all[1]!.server, room, ann.replica);
        ann.replica.show({ name: "ann" });
        await until(() => bob.replica.sees(ann.replica)?.name === "ann", "she is back");
        await agree([moved, bob]);
    },
    { ms: 40_000 },
);

test(
    "a node that stood still for ten seconds comes back to what the others did meanwhile",
    async (t) => {
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 2, { compareMs: 600_000 });
        const room = t.room();
        const [ann, bob] = (await people(t, all, room)) as [Person, Person];
        ann.replica.show({ name: "ann" });
        bob.replica.show({ name: "bob" });
        const seen = (one: Person, other: Person): boolean => one.replica.sees(other.replica) !== undefined;
        await until(() => seen(ann, bob) && seen(bob, ann), "they see each other");
        all[1]!.server.signal("SIGSTOP");
        await until(() => ann.replica.sees(bob.replica) === undefined, "bob is taken for gone", 12_000);
        await scribble(t, [ann], 20);
        await ann.client.quiet();
        all[1]!.server.signal("SIGCONT");
        await agree([ann, bob]);
        await until(() => ann.replica.sees(bob.replica)?.name === "bob", "bob is seen again");
    },
    { tsan: true, ms: 40_000 },
);

test(
    "a worker that stands still does not fill the memory with what others say, and catches up by one difference",
    async (t) => {
        const MIB = 1 << 20;
        const redis = await Redis.start(t);
        const flags = ["--max-update-bytes", String(4 * MIB)];
        const first = await node(t, redis, { flags });
        const second = await sleeper(t, redis, { flags });
        const [ann, bob] = (await people(t, [first, second], t.room())) as [Person, Person];
        ann.replica.append("before ");
        await agree([ann, bob]);
        second.stall();
        for (let i = 1; i <= 12; i++) {
            const heard = second.wire.bytes;
            ann.replica.append(String.fromCharCode(97 + i).repeat(2 * MIB));
            await poll(async () => second.wire.bytes > heard + 2 * MIB, "it is on its way to the other node", 20_000);
        }
        await until(() => second.server.log.some((line) => line.includes("BUS-BEHIND")), "what came last is dropped");
        second.release();
        await agree([ann, bob], 30_000);
        const skipped = await second.server.metric("collab_bus_skipped_total");
        assert.ok(skipped > 0 && skipped < 12, `${skipped} of 12 were dropped`);
        assert.ok((await second.server.metric("collab_bus_repairs_total")) > 0, "what they said was asked for");
        bob.replica.append(" after");
        await agree([ann, bob]);
    },
    { ms: 90_000 },
);

test(
    "a node that was cut off while more was written than fits into a message gets all of it, and keeps it",
    async (t) => {
        const MIB = 1 << 20;
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 2, { flags: ["--max-update-bytes", String(4 * MIB)] });
        const room = t.room();
        const [ann, bob] = (await people(t, all, room)) as [Person, Person];
        ann.replica.append("before ");
        await agree([ann, bob]);
        all[1]!.wire.part();
        for (let i = 0; i < 10; i++) {
            ann.replica.append(String.fromCharCode(97 + i).repeat(2 * MIB));
        }
        bob.replica.append("and meanwhile here ");
        await Promise.all([ann, bob].map((one) => one.client.quiet(20_000)));
        all[1]!.wire.heal();
        await agree([ann, bob], 30_000);
        await bob.client.close();
        await all[1]!.server.stop();
        const alone = await t.start(["--workers", "1", "--data", all[1]!.data]);
        const reader = await person(t, alone, room);
        await converged([ann.replica, reader.replica], 20_000);
        assert.ok(ann.replica.text.length > 20 * MIB);
    },
    { ms: 90_000 },
);

test("of two Redis one goes away: rooms of the other stay together, and those of the first meet again", async (t) => {
    const [first, second] = [await Redis.start(t), await Redis.start(t)];
    const wires = [await second.wire(), await second.wire()];
    let next = 0;
    const url = (wire: Wire): string => `redis://127.0.0.1:${wire.port},redis://127.0.0.1:${wires[next++]!.port}`;
    const all = await nodes(t, first, 2, { url });
    const pairs = new Map<Redis, Person[]>();
    while (pairs.size < 2) {
        const room = t.room();
        const pair = await people(t, all, room);
        pairs.set((await first.hearers(room)) ? first : second, pair);
    }
    const [near, far] = [pairs.get(first)!, pairs.get(second)!];
    await second.kill();
    await poll(async () => (await sum(all, "collab_bus_up")) === 2, "both nodes have lost one of two");
    assert.equal((await health(all[0]!.server)).cluster, "cut off", "and say so");
    await scribble(t, [...near, ...far], 20);
    await agree(near);
    await Promise.all(far.map((one) => one.client.quiet()));
    assert.ok(!equal(far[0]!.replica, far[1]!.replica), "rooms of the one that is away are each on its own");
    await second.run();
    await agree(far, 20_000);
});

/** The rights that docs/cluster.md would have nodes given. */
function documented(): string[] {
    const text = readFileSync(fileURLToPath(new URL("../../docs/cluster.md", import.meta.url)), "utf8");
    return /ACL SETUSER collabd on >secret\s([^`]*)`/.exec(text)![1]!.split(/\s+/);
}

test("Redis with users and passwords, several of them, and one that refuses the login", async (t) => {
    const secret = `${MARK} of Redis`;
    const first = await Redis.start(t, "--requirepass", secret);
    const second = await Redis.start(t, "--user", "collabd", "on", `>${secret}`, ...documented());
    const other = await second.wire();
    const password = encodeURIComponent(secret);
    const url = (wire: Wire): string => `redis://:${password}@127.0.0.1:${wire.port}/3,redis://collabd:${password}@127.0.0.1:${other.port}`;
    const all = await nodes(t, first, 2, { url });
    const rooms = Array.from({ length: 6 }, () => t.room());
    for (const room of rooms) {
        const typists = await people(t, all, room);
        await scribble(t, typists, 10);
        await agree(typists);
    }
    const log = ["AUTH", secret];
    const heard = [await first.commands(log, ["PUBSUB", "CHANNELS", "room:*"]), await second.command("PUBSUB", "CHANNELS", "room:*")] as string[][];
    assert.deepEqual(heard.flat().sort(), rooms.map((room) => `room:${room}`).sort(), "each room is on one of them");
    assert.ok(heard.every((channels) => channels.length > 0), "and each of them has some");
    const clients = String(await first.commands(log, ["CLIENT", "LIST"])).match(/ db=3 /g);
    assert.equal(clients?.length, 4, "both connections of both nodes are in the database that the address names");
    assert.ok(!all.some(({ server }) => server.log.some((line) => line.includes("BUS-COMMAND"))), "their rights are enough");
    const stranger = await t.start(["--workers", "1"], { env: { REDIS_URL: `redis://:wrong@127.0.0.1:${first.wires[0]!.port}` } });
    await until(() => stranger.log.some((line) => line.includes("BUS-LOST") && line.includes("refuses the login")), "it says so");
    assert.equal((await health(stranger)).cluster, "cut off");
}, { tsan: true });

/** Answers every command as a Redis of that version answers HELLO; its address, and what it heard. */
async function pretender(t: Context, version: string): Promise<{ url: string; heard: () => string }> {
    const words = ["server", "redis", "version", version];
    const answer = `*${words.length}\r\n${words.map((w) => `$${w.length}\r\n${w}\r\n`).join("")}`;
    let heard = "";
    const server = createServer((socket) => {
        socket.on("data", (data) => {
            heard += data.toString("latin1");
            socket.write(answer);
        });
        socket.on("error", () => undefined);
        t.defer(() => void socket.destroy());
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    t.defer(() => void server.close());
    return { url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, heard: () => heard };
}

test("a Redis that is too old is not used, and the log says why", async (t) => {
    const old = await pretender(t, "6.2.14");
    const refuses = await t.start(["--workers", "1"], { env: { REDIS_URL: old.url } });
    await until(() => refuses.log.some((line) => line.includes("BUS-LOST") && line.includes("version 6.2.14, which is too old: 7 is needed")), "it says so");
    assert.equal((await health(refuses)).cluster, "cut off");
    assert.ok(!old.heard().includes("SUBSCRIBE"));
    const young = await pretender(t, "10.0.0");
    await t.start(["--workers", "1"], { env: { REDIS_URL: young.url } });
    await poll(async () => young.heard().includes("SUBSCRIBE"), "a later one is used");
});

test("Redis over TLS, when its certificate is good for its name", async (t) => {
    const dir = folder(t);
    const good = certificate(dir, "redis");
    const redis = await Redis.start(t, "--tls-port", String(await freePort()), "--tls-cert-file", good.cert, "--tls-key-file", good.key, "--tls-auth-clients", "no", "--bind", "127.0.0.1");
    const port = Number(((await redis.command("CONFIG", "GET", "tls-port")) as string[])[1]);
    const url = (): string => `rediss://127.0.0.1:${port}`;
    const all = await nodes(t, redis, 2, { url, env: { SSL_CERT_FILE: good.cert } });
    const typists = await people(t, all, t.room());
    await scribble(t, typists, 30);
    typists[0]!.replica.append("x".repeat(20_000));
    await agree(typists);
    const wary = await t.start(["--workers", "1"], { env: { REDIS_URL: url() } });
    await until(() => wary.log.some((line) => line.includes("BUS-LOST") && line.includes("certificate")), "nobody vouches for the certificate");
}, { tsan: true });
