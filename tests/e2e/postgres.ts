/* postgres.ts: what lasts stands in PostgreSQL. Whatever happens to the server, to the database or to
 * the connection between them: nothing that was acknowledged is lost, and what could not be written
 * was not acknowledged.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { person } from "../support/cluster.ts";
import { certificate, folder } from "../support/door.ts";
import { Lane, Typist, kill, mortal, on, ready, typing, witness } from "../support/lane.ts";
import { Postgres } from "../support/postgres.ts";
import { Redis } from "../support/redis.ts";
import { MARK, Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pace, pause, poll, until } from "../support/wait.ts";

const ROUNDS = pace.slowness > 1 ? 4 : 12;
const CUTS = pace.slowness > 1 ? 15 : 60;

/** For PostgreSQL, which does not choose one itself. */
async function freePort(): Promise<number> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    return port;
}

interface Crowd {
    people: Typist[];
    acknowledged: Set<string>;
}

async function crowd(t: Context, server: Server, names = ["ann", "bob"]): Promise<Crowd> {
    const acknowledged = new Set<string>();
    const people = names.map((name) => new Typist(t, name, acknowledged));
    await Promise.all(people.map((one) => one.enter(server)));
    return { people, acknowledged };
}

test(
    `killed ${ROUNDS} times while people type, the server has in PostgreSQL all that it acknowledged`,
    async (t) => {
        const postgres = await Postgres.start(t);
        const lane = new Lane(t, t.rng.fork(), { store: postgres.url });
        for (let i = 0; i < ROUNDS; i++) {
            await lane.round();
        }
        assert.ok((await lane.end()) > ROUNDS, "something was acknowledged");
    },
    { ms: 60_000 },
);

test("PostgreSQL crashes under load and comes back: nothing acknowledged is lost, no restart of ours", async (t) => {
    const postgres = await Postgres.start(t, "fsync=off"); /* its machine stays up */
    const server = await mortal(t, postgres.url);
    const { people, acknowledged } = await crowd(t, server);
    for (let i = 0; i < 2; i++) {
        await typing(t, people, pause(100 + t.rng.below(100)));
        const away = postgres.crash();
        await typing(t, people, away);
        await typing(t, people, poll(async () => !(await ready(server)), "not ready while the database is away"));
        await postgres.run();
        await poll(() => ready(server), "ready again");
        people.forEach((one) => one.leave());
        await Promise.all(people.map((one) => one.enter(server)));
    }
    assert.ok(server.log.some((line) => line.includes('"STORE-FAILING"')) && server.log.some((line) => line.includes('"STORE-RECOVERED"')));
    await typing(t, people, pause(100));
    await kill(server);
    people.forEach((one) => one.leave());
    assert.ok(acknowledged.size > 12, "something was acknowledged");
    await witness(await t.start(["--workers", "2"], on(postgres.url)), acknowledged);
});

test(
    `the connection is cut ${CUTS} times while people type: nobody gets a wrong acknowledgement`,
    async (t) => {
        const postgres = await Postgres.start(t, "fsync=off");
        const { wire, url } = await postgres.wire();
        const server = await mortal(t, url);
        const { people, acknowledged } = await crowd(t, server, ["ann", "bob", "eve"]);
        for (let i = 0; i < CUTS; i++) {
            if (t.rng.chance(0.3)) {
                wire.truncate(t.rng.below(60)); /* in the middle of an answer */
            }
            await typing(t, people, pause(t.rng.below(20)));
            wire.cut();
            wire.truncate(Infinity); /* who comes back is not cut off at once */
            if (people.some((one) => one.refused)) {
                await poll(() => ready(server), "ready again");
                people.forEach((one) => one.leave());
                await Promise.all(people.map((one) => one.enter(server)));
            }
        }
        await poll(() => ready(server), "ready at last");
        people.forEach((one) => one.leave());
        await Promise.all(people.map((one) => one.enter(server)));
        await typing(t, people, pause(50));
        await kill(server);
        people.forEach((one) => one.leave());
        assert.ok(acknowledged.size > 12, "something was acknowledged");
        await witness(await t.start(["--workers", "2"], on(postgres.url)), acknowledged);
    },
    { tsan: true },
);

test("PostgreSQL stands still: acknowledgements wait, the health page says so, and it goes on", async (t) => {
    const postgres = await Postgres.start(t, "fsync=off");
    const server = await t.start(["--workers", "2"], on(postgres.url));
    const { people, acknowledged } = await crowd(t, server, ["ann"]);
    const ann = people[0]!;
    postgres.freeze();
    const before = acknowledged.size;
    for (let i = 0; i < 20; i++) {
        ann.type(t.rng);
    }
    await poll(async () => !(await ready(server)), "not ready");
    assert.equal(acknowledged.size, before, "nothing is acknowledged meanwhile");
    postgres.thaw();
    await poll(async () => acknowledged.size === before + 20, "all acknowledgements");
    await poll(() => ready(server), "ready again");
    assert.ok(!ann.refused, "nothing was refused");
    const health = (await (await fetch(server.http("/collab/health"))).json()) as { store: string };
    assert.equal(health.store, "postgres");
});

test(
    "PostgreSQL stands still for longer than it is waited for: its connections are given up, and what was typed is there once it goes on",
    async (t) => {
        if (!t.settings.patient) {
            t.skip("30 s of waiting, see --patient");
        }
        const postgres = await Postgres.start(t, "fsync=off");
        const server = await mortal(t, postgres.url);
        const { people, acknowledged } = await crowd(t, server, ["ann"]);
        postgres.freeze();
        const before = acknowledged.size;
        for (let i = 0; i < 20; i++) {
            people[0]!.type(t.rng);
        }
        await until(() => server.log.some((line) => line.includes("has not answered for 30 s")), "it is given up", 40_000);
        assert.equal(acknowledged.size, before, "nothing is acknowledged meanwhile");
        postgres.thaw();
        await poll(() => ready(server), "ready again", 15_000);
        const typed = Array.from({ length: 20 }, (_, i) => `ann-${i + 1}`);
        await kill(server);
        await witness(await t.start(["--workers", "2"], on(postgres.url)), typed);
    },
    { ms: 90_000 },
);

test("two nodes write one room into one database, and each reads all of it", async (t) => {
    const postgres = await Postgres.start(t, "fsync=off");
    const flags = ["--workers", "2", "--room-ttl", "0"];
    const nodes = [await t.start(flags, on(postgres.url)), await t.start(flags, on(postgres.url))];
    const acknowledged = new Set<string>();
    const people = [new Typist(t, "ann", acknowledged), new Typist(t, "bob", acknowledged)];
    for (let i = 0; i < 4; i++) {
        /* they change places each time, with what they have */
        await Promise.all(people.map((one, k) => one.enter(nodes[(i + k) % 2]!)));
        await typing(t, people, pause(100));
        await poll(async () => people.every((one) => acknowledged.has(one.last)), "the last acknowledgements");
        people.forEach((one) => one.leave());
        for (const node of nodes) {
            await poll(async () => (await node.metric("collab_rooms")) === 0, "the room leaves memory");
        }
    }
    for (const node of nodes) {
        await witness(node, acknowledged);
    }
    const folds = (await nodes[0]!.metric("collab_store_folds_total")) + (await nodes[1]!.metric("collab_store_folds_total"));
    assert.ok(folds >= 1, "the room was folded");
    assert.ok(acknowledged.size > 12, "something was acknowledged");
}, { tsan: true });

/** Somebody writes in each of these rooms, and leaves. */
async function visit(t: Context, node: Server, rooms: string[]): Promise<void> {
    await Promise.all(
        rooms.map(async (room) => {
            const one = await person(t, node, room);
            one.replica.append("x");
            await one.client.quiet();
            await one.client.close();
        }),
    );
}

test("rooms that one node has open are folded by all, and by those that are left when one is killed", async (t) => {
    const postgres = await Postgres.start(t, "fsync=off");
    const nodes: Server[] = [];
    for (let i = 0; i < 3; i++) {
        const node = await Server.start(t.settings.program, ["--workers", "2", "--room-ttl", "0"], on(postgres.url));
        nodes.push(node);
        t.defer(() => node.kill());
    }
    const folds = (): Promise<number[]> => Promise.all(nodes.map((node) => node.metric("collab_store_folds_total")));
    const folded = (count: number) =>
        poll(async () => (await folds()).reduce((a, b) => a + b) >= count, `${count} rooms are folded`, 30_000);
    const rooms = Array.from({ length: 30 }, () => t.room("duty"));
    await visit(t, nodes[0]!, rooms);
    await folded(rooms.length);
    const before = await folds();
    assert.ok(Math.min(...before) > 0, `each has its share: ${before.join(", ")}`);
    await kill(nodes.pop()!);
    await visit(t, nodes[0]!, rooms);
    await folded(before[0]! + before[1]! + rooms.length);
    const after = await folds();
    assert.ok(after.every((n, i) => n - before[i]! >= before[i]!), `who had a room has it still: ${before.join(", ")}, ${after.join(", ")}`);
});

test("three nodes on Redis and PostgreSQL: one is killed while people type, they move on, nothing is lost", async (t) => {
    const redis = await Redis.start(t);
    const postgres = await Postgres.start(t, "fsync=off");
    const nodes: Server[] = [];
    for (let i = 0; i < 3; i++) {
        const env = { COLLAB_STORE: postgres.url, REDIS_URL: await redis.url() };
        nodes.push(await Server.start(t.settings.program, ["--workers", "2"], { env }));
        t.defer(() => nodes[i]!.kill());
    }
    const known = async (node: Server): Promise<number> =>
        ((await (await fetch(node.http("/collab/health"))).json()) as { nodes: number }).nodes;
    await poll(async () => (await Promise.all(nodes.map(known))).every((n) => n === 3), "all know each other");
    const acknowledged = new Set<string>();
    const people = ["ann", "bob", "cat", "dan", "eve", "fay"].map((name) => new Typist(t, name, acknowledged));
    await Promise.all(people.map((one, i) => one.enter(nodes[i % 3]!)));
    await typing(t, people, pause(300));
    await kill(nodes[0]!);
    const moved = [people[0]!, people[3]!];
    moved.forEach((one) => one.leave());
    await Promise.all(moved.map((one, i) => one.enter(nodes[1 + i]!)));
    await typing(t, people, pause(300));
    /* what the dead one had told of, and not written, is written when it is missed */
    await poll(async () => (await Promise.all([nodes[1]!, nodes[2]!].map(known))).every((n) => n === 2), "it is missed", 15_000);
    await poll(async () => people.every((one) => acknowledged.has(one.last)), "the last acknowledgements");
    await until(() => people.every((one) => Buffer.from(one.replica.stateVector).equals(Buffer.from(people[0]!.replica.stateVector))), "the same for everybody");
    await Promise.all([kill(nodes[1]!), kill(nodes[2]!)]);
    people.forEach((one) => one.leave());
    assert.ok(acknowledged.size > 12, "something was acknowledged");
    await witness(await t.start(["--workers", "2"], on(postgres.url)), acknowledged);
}, { tsan: true });

test("the connection to PostgreSQL is under TLS, and a certificate of somebody else ends the start", async (t) => {
    if (spawnSync("openssl", ["version"]).error) {
        t.skip("no openssl to make a certificate with");
    }
    const [right, other] = [certificate(folder(t), "right"), certificate(folder(t), "other")];
    const port = await freePort();
    const postgres = Postgres.made(t, "listen_addresses=127.0.0.1", `port=${port}`, "ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key");
    postgres.write("tls.crt", right.pem);
    postgres.write("tls.key", readFileSync(right.key, "utf8"));
    postgres.write("pg_hba.conf", "local all all reject\nhostssl all all 127.0.0.1/32 trust\n");
    await postgres.run();
    const url = (root: string): string => `postgres://admin:${MARK}@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${root}`;
    const server = await t.start(["--workers", "1"], on(url(right.cert)));
    const { people, acknowledged } = await crowd(t, server, ["ann"]);
    people[0]!.type(t.rng);
    await poll(async () => acknowledged.size === 1, "its acknowledgement");
    await assert.rejects(Server.start(t.settings.program, [], on(url(other.cert))), /certificate verify failed/);
    const plain = `postgres://admin:${MARK}@127.0.0.1:${port}/postgres?sslmode=disable`;
    await assert.rejects(Server.start(t.settings.program, [], on(plain)), /no encryption/);
}, { tsan: true });

test("a database that cannot be used ends the start with a sentence, and no password is told", async (t) => {
    const url = `postgres://admin:${MARK}@127.0.0.1:1/postgres`;
    await assert.rejects(Server.start(t.settings.program, [], on(url)), (e: Error) => {
        assert.match(e.message, /--store.*127\.0\.0\.1.*refused/s);
        assert.ok(!e.message.includes(MARK));
        return true;
    });
    const shown = spawnSync(t.settings.program, ["--dev", "--print-config"], {
        env: { ...process.env, COLLAB_STORE: url },
        encoding: "utf8",
    });
    assert.match(shown.stdout, /# store = \(secret\)/);
    assert.ok(!(shown.stdout + shown.stderr).includes(MARK));
});
