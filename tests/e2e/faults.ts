/* faults.ts: a server whose disk suffers. Writers are told, nothing is acknowledged that does not last,
 * reading goes on, and when the disk is well again, so is the server, without a restart.
 */
import assert from "node:assert/strict";
import { chownSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { RpcError, b64 } from "../support/client.ts";
import { Disk, type Fault } from "../support/disk.ts";
import { Lane } from "../support/lane.ts";
import { Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { good, runTool } from "../support/tool.ts";
import { pace, poll, until } from "../support/wait.ts";

const readiness = async (server: Server): Promise<number> => (await fetch(server.http("/readyz"))).status;
const logged = (server: Server, event: string): string[] => server.log.filter((l) => l.includes(`"${event}"`));

/** Kills it; that was the test, so it counts as a good end. */
async function kill(server: Server): Promise<void> {
    server.signal("SIGKILL");
    await until(() => server.exit !== undefined, "its end");
    server.exit = { code: 0, signal: null };
}

const troubles: { fault: Fault; name: string; says: RegExp }[] = [
    { fault: "full", name: "is full", says: /full/ },
    { fault: "readOnly", name: "has become read-only", says: /disk I\/O error|readonly/ },
    { fault: "writes", name: "does not take writes", says: /disk I\/O error/ },
    { fault: "syncs", name: "does not sync", says: /disk I\/O error/ },
];

for (const { fault, name, says } of troubles) {
    test(`while the disk ${name} writers are told, readers are served, and all is well when it is`, async (t) => {
        const disk = new Disk(t);
        const server = await disk.start(["--room-ttl", "0"]);
        const client = await t.connect(server);
        const ann = t.replica();
        await client.join("room", ann);
        ann.append("before ");
        await client.quiet();
        const other = await t.connect(server);
        await other.join("elsewhere", t.replica({ clientID: 1 }));
        other.rooms.get("elsewhere")!.replica.append("a room that leaves memory");
        await other.quiet();
        await other.close();

        disk.fail(fault);
        const send = (): Promise<unknown> => {
            let update: Uint8Array | undefined;
            ann.doc.once("update", (u: Uint8Array) => (update = u));
            ann.link = undefined;
            ann.append("meanwhile ");
            return client.sequenced("collab/update", { roomId: "room", payloadB64: b64(update!) });
        };
        const refused = await send().then(
            () => assert.fail("acknowledged, though it does not last"),
            (e: unknown) => e,
        );
        assert.ok(refused instanceof RpcError && refused.code === 503, String(refused));
        await until(() => logged(server, "STORE-FAILING").length > 0, "a clear log");
        assert.match(logged(server, "STORE-FAILING")[0]!, says);
        assert.equal(await readiness(server), 503);
        assert.ok((await server.metric("collab_store_failures_total")) > 0);

        /* those who read, also what has left memory */
        for (const [room, text] of [["room", "before meanwhile "], ["elsewhere", "a room that leaves memory"]]) {
            const witness = t.replica();
            const reader = await t.connect(server);
            await reader.join(room!, witness);
            await until(() => witness.text.toString() === text, `${room} can be read`);
            await reader.close();
        }

        disk.fail("none");
        await until(() => logged(server, "STORE-RECOVERED").length > 0, "recovery");
        await poll(async () => (await readiness(server)) === 200, "readiness");
        const again = await client.sequenced("collab/sync", { roomId: "room", payloadB64: b64(ann.state) });
        assert.equal(again.applied, true);
        await kill(server);
        const last = await disk.start();
        const bob = t.replica();
        await (await t.connect(last)).join("room", bob);
        await until(() => bob.text.toString() === ann.text.toString(), "what was acknowledged then");
    });
}

test("while a sync hangs the server is not ready, and acknowledges when it is over", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start();
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join("room", ann);
    disk.fail("slow", 6500);
    ann.append("slowly");
    const settled = client.quiet();
    await poll(async () => (await readiness(server)) === 503, "no readiness", 8000);
    disk.fail("none");
    await settled;
    await poll(async () => (await readiness(server)) === 200, "readiness");
    assert.equal(logged(server, "STORE-FAILING").length, 0, "slow is no failure");
});

test("relaxed means that an update is acknowledged when it is applied, whatever the disk does", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start(["--durability", "relaxed"]);
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join("room", ann);
    disk.fail("slow", 60_000); /* no sync comes to its end while this test runs */
    ann.append("at once");
    await client.quiet();
    disk.fail("none");
    await server.stop();
    const again = await disk.start();
    const bob = t.replica();
    await (await t.connect(again)).join("room", bob);
    await until(() => bob.text.toString() === "at once", "and an orderly end commits it");
});

test("a disk that hangs does not hold the end up for ever, and nothing was acknowledged", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start(["--drain-ms", "1000"]);
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join("room", ann);
    disk.fail("slow", 60_000);
    ann.append("lost");
    await poll(async () => (await server.metric("collab_store_queued")) > 0, "an update that waits");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "its end", 15_000);
    assert.equal(server.exit!.code, 1);
    assert.ok(logged(server, "STORE-STUCK").length > 0);
    assert.equal(client.inbox.flat().some((m) => m.result?.applied), false);
    server.exit = { code: 0, signal: null };
});

test("an end while nothing can be written says what is lost, which was not acknowledged", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start(["--drain-ms", "1000"]);
    const client = await t.connect(server);
    await client.join("room", t.replica());
    disk.fail("full");
    const ann = client.rooms.get("room")!.replica;
    ann.append("lost");
    await until(() => logged(server, "STORE-FAILING").length > 0, "its failing");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "its end", 15_000);
    assert.equal(server.exit!.code, 1);
    assert.match(logged(server, "STORE-LOST")[0] ?? "", /"updates":1/);
    assert.equal(client.inbox.flat().some((m) => m.result?.applied), false);
    server.exit = { code: 0, signal: null };
    disk.fail("none");
    const again = await disk.start();
    const bob = t.replica();
    await (await t.connect(again)).join("room", bob);
    assert.equal(bob.text.toString(), "");
});

test("a backup that the disk does not take is none, and the server goes on", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start();
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join("room", ann);
    ann.append("x");
    await client.quiet();
    disk.fail("full");
    const { code, err } = await runTool(t, ["backup", disk.beside, "--data", disk.data]);
    assert.equal(code, 1);
    assert.match(err, /no backup was made: .*full/);
    disk.fail("none");
    assert.deepEqual(readdirSync(dirname(disk.beside)), ["data"], "nothing is left of it");
    assert.equal(logged(server, "STORE-FAILING").length, 0);
    await good(t, "backup", disk.beside, "--data", disk.data);
    ann.append("y");
    await client.quiet();
});

test("a server that ends while a backup is under way leaves a whole one or none", async (t) => {
    const disk = new Disk(t);
    const server = await disk.start();
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join("room", ann);
    ann.append("x");
    await client.quiet();
    const before = disk.operations;
    disk.fail("slow", 300); /* of each sync, so that there is time to end it */
    const backup = runTool(t, ["backup", disk.beside, "--data", disk.data]);
    await poll(async () => disk.operations > before, "that it has begun");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "its end", 15_000);
    disk.fail("none");
    const { code, err } = await backup;
    assert.equal(server.exit!.code, 0);
    assert.deepEqual(readdirSync(dirname(disk.beside)).sort(), code === 0 ? ["beside", "data"] : ["data"], err);
    if (code === 0) {
        await good(t, "verify", "--data", disk.beside);
    } else {
        assert.match(err, /no backup was made/);
    }
});

/* Fewer under sanitizers. By hand: COLLAB_CRASH_ROUNDS=100000 npx tsx e2e/run.ts --only faults */
const LANES = 4;
const LIVES = Number(process.env.COLLAB_CRASH_ROUNDS ?? (pace.slowness > 1 ? 40 : 200));

test(
    `in ${LIVES} lives, each with another write or sync that fails and killed at the end, nothing acknowledged is lost`,
    async (t) => {
        const disks = Array.from({ length: LANES }, () => new Disk(t));
        const lanes = disks.map((disk) => new Lane(t, t.rng.fork(), { disk }));
        for (let i = 0; i < LIVES / lanes.length; i++) {
            await Promise.all(lanes.map((lane) => lane.round()));
        }
        const failed = disks.map((disk) => disk.failed);
        assert.ok(Math.min(...failed) > LIVES / lanes.length / 2, `${failed} failed`);
        disks.forEach((disk) => disk.fail("none"));
        for (const lane of lanes) {
            assert.ok((await lane.end()) > LIVES / lanes.length, "something was acknowledged");
        }
    },
    { ms: 60_000 + LIVES * 2000 },
);

test(
    "a backup taken while people type, and then the server is killed, has all that was acknowledged before it",
    async (t) => {
        const lane = new Lane(t, t.rng.fork(), { backups: true });
        for (let i = 0; i < 8; i++) {
            await lane.round();
        }
        await lane.end();
    },
    { ms: 120_000 },
);

test("a file that is no store's, or another user's, ends the start with a sentence", async (t) => {
    const data = t.directory();
    const first = await t.start(["--data", data]);
    await first.stop();
    for (const file of ["journal.db", "rooms.db"]) {
        const broken = t.directory();
        writeFileSync(join(broken, file), "no database ".repeat(1000));
        await assert.rejects(
            Server.start(t.settings.program, ["--data", broken]),
            new RegExp(`the (journal|shelf of rooms) in ${broken} \\(--data\\) cannot be opened: .*not a database`),
        );
    }
    if (process.getuid?.() === 0) {
        chownSync(join(data, "journal.db"), 65534, 65534);
        await assert.rejects(Server.start(t.settings.program, ["--data", data]), /journal.db belongs to user 65534/);
    }
});
