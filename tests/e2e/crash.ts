/* crash.ts: kill -9 at any moment, and the same directory again. What was acknowledged is there, what
 * was not its writers bring back, all copies come to agree, and versions never go back.
 */
import assert from "node:assert/strict";
import { Lane, ROOM, Typist, said } from "../support/lane.ts";
import { Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { pace, pause, until } from "../support/wait.ts";

/* Fewer under sanitizers. By hand: COLLAB_CRASH_ROUNDS=100000 npx tsx e2e/run.ts --only crash */
const ROUNDS = Number(process.env.COLLAB_CRASH_ROUNDS ?? (pace.slowness > 1 ? 40 : 200));
const LANES = 4;

async function metricIs(server: Server, name: string, wanted: (n: number) => boolean): Promise<void> {
    let now = NaN;
    for (let i = 0; !wanted((now = await server.metric(name))); i++) {
        assert.ok(i < 500 * pace.slowness, `${name} is ${now}`);
        await pause(20);
    }
}

test(
    `killed ${ROUNDS} times while people type, the server has all that it acknowledged`,
    async (t) => {
        const lanes = Array.from({ length: LANES }, () => new Lane(t, t.rng.fork()));
        let left = ROUNDS;
        await Promise.all(
            lanes.map(async (lane) => {
                while (left-- > 0) {
                    await lane.round();
                }
            }),
        );
        for (const lane of lanes) {
            assert.ok((await lane.end()) > ROUNDS / LANES, "something was acknowledged");
        }
    },
    { ms: 60_000 + ROUNDS * 1000 },
);

test("a second SIGTERM ends at once, and nothing acknowledged is lost", async (t) => {
    const flags = ["--workers", "2", "--data", t.directory()];
    const acknowledged = new Set<string>();
    const ann = new Typist(t, "ann", acknowledged);
    const server = await t.start(flags);
    await ann.enter(server);
    for (let i = 0; i < 200; i++) {
        ann.type(t.rng);
    }
    await until(() => acknowledged.size > 20, "some acknowledgements");
    server.signal("SIGTERM");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "its end");
    assert.equal(server.exit!.code, 0);
    ann.leave();
    const again = await t.start(flags);
    const bob = t.replica();
    const client = await t.connect(again);
    await client.join(ROOM, bob);
    await until(() => [...acknowledged].every((key) => said(bob).has(key)), "all that was acknowledged");
}, { tsan: true });

test("SIGTERM acknowledges what is under way, then closes with 1013", async (t) => {
    const flags = ["--workers", "2", "--data", t.directory()];
    const server = await t.start(flags);
    const client = await t.connect(server);
    const ann = t.replica();
    await client.join(ROOM, ann);
    for (let i = 0; i < 50; i++) {
        ann.append("a");
    }
    server.signal("SIGTERM");
    await until(() => client.line.closed !== undefined && server.exit !== undefined, "the end");
    assert.equal(client.line.closed!.code, 1013);
    assert.equal(server.exit!.code, 0);
    const acknowledged = client.inbox.flat().filter((m) => m.result?.applied).length;
    const again = await t.start(flags);
    const bob = t.replica();
    await (await t.connect(again)).join(ROOM, bob);
    await until(() => bob.text.length >= acknowledged, "all that was acknowledged");
}, { tsan: true });

test("a second server on the same directory does not start, and says who has it", async (t) => {
    const flags = ["--data", t.directory()];
    const first = await t.start(flags);
    await assert.rejects(Server.start(t.settings.program, flags), new RegExp(`in use by another collabd \\(process ${first.pid}\\)`));
    assert.equal((await fetch(first.http("/readyz"))).status, 200);
});

const leaving = [
    { why: "their time is over", flags: ["--room-ttl", "0"] },
    { why: "documents take too much memory", flags: ["--room-ttl", "3600", "--memory", "1K"] },
];

for (const { why, flags } of leaving) {
    test(`rooms come back from the disk as they were, also those that left memory as ${why}`, async (t) => {
        const server = await t.start(["--workers", "2", ...flags, "--data", t.directory()]);
        const ann = t.replica();
        const client = await t.connect(server);
        const room = await client.join(ROOM, ann);
        for (let i = 0; i < 300; i++) {
            ann.scribble(t.rng);
        }
        await client.quiet();
        const { version } = room;
        await client.close();
        await until(() => server.log.length > 0, "its log");
        await metricIs(server, "collab_rooms", (n) => n === 0);
        const bob = t.replica();
        const back = await (await t.connect(server)).join(ROOM, bob);
        await until(() => bob.text.toString() === ann.text.toString(), "the same text");
        assert.equal(back.subscribed.version, version);
        /* who reads goes first, so folding may still be waiting */
        await metricIs(server, "collab_store_folds_total", (n) => n >= 1);
    });
}
