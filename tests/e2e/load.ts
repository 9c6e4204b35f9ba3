/* load.ts: many users at once, by the load generator (bench/load), which checks all that it receives:
 * nothing acknowledged is lost, nothing is left out, all come to agree, and so does who comes last.
 * What it counted is what the server's metrics say. And it is no check that cannot fail: when a message
 * is lost on purpose, it says so.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Json } from "../support/client.ts";
import { SECRET, folder } from "../support/door.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pace } from "../support/wait.ts";

const BOTH = ["--dialect", "mcp-json,mcp-binary"];

interface Outcome {
    code: number | null;
    said: string;
    result: Json;
}

/** Runs the generator to its end. */
async function load(t: Context, server: Server, ...args: string[]): Promise<Outcome> {
    const json = join(folder(t), "load.json");
    const program = join(dirname(t.settings.program), "bench/load/collab_load");
    const child = spawn(program, ["--port", String(server.port), "--json", json, "--quiet", "1", ...args], {
        env: { ...process.env, JWT_SECRET: SECRET },
        stdio: ["ignore", "pipe", "pipe"],
    });
    t.defer(() => void (child.exitCode === null && child.kill("SIGKILL")));
    let said = "";
    child.stdout.on("data", (d) => (said += d));
    child.stderr.on("data", (d) => (said += d));
    const code = await new Promise<number | null>((resolve, reject) => {
        child.on("error", reject);
        child.on("close", resolve);
    });
    assert.ok(code === 0 || code === 1, `it ended with ${code}: ${said}`);
    return { code, said, result: JSON.parse(readFileSync(json, "utf8")) };
}

function assertKept(o: Outcome): void {
    assert.deepEqual(
        Object.entries(o.result.faults).filter(([, n]) => n !== 0),
        [],
        o.said,
    );
    assert.equal(o.code, 0, o.said);
    assert.ok(o.result.ok);
}

const guarded = { guarded: true, env: { JWT_SECRET: SECRET } };

test(
    "many users type in many rooms, in both dialects, some in bursts, some read slowly, some come and go: every promise holds",
    async (t) => {
        const small = pace.slowness > 1;
        const data = folder(t);
        const server = await t.start(["--workers", "2", "--data", data, "--outbox-bytes", "16K", "--outbox-frames", "16"], guarded);
        const o = await load(
            t,
            server,
            ...[...BOTH, "--rooms", small ? "2" : "5", "--users", "20", "--rate", "120", "--paste", "10"],
            ...["--seconds", small ? "6" : "15", "--warmup", "1", "--ramp", "200", "--presence", "20"],
            ...["--burst", "200", "--burst-seconds", "5", "--burst-every", "6"],
            ...["--slow", "10", "--slow-ms", "4000", "--reconnects", "120", "--pid", String(server.pid)],
            ...["--seed", String(t.settings.seed)],
        );
        assertKept(o);
        const { counts, compared, verified, rooms } = o.result;
        assert.equal(verified, rooms, "a newcomer saw every room");
        assert.equal(compared, 2 * rooms, "those who hold documents were compared");
        assert.ok(counts.reconnects > 5 && counts.syncs + counts.resends > 0, "some came back");
        assert.ok((await server.metric("collab_repairs_total")) > 0, "some were too slow, and were repaired");
        assert.ok(o.result.echo.count > 1000 && o.result.server.watched);
    },
    { ms: 90_000 },
);

test("what the metrics say is what the load generator counted", async (t) => {
    const server = await t.start(["--workers", "2"], guarded);
    const o = await load(t, server, ...BOTH, "--rooms", "3", "--users", "8", "--rate", "300", "--seconds", "2", "--warmup", "0");
    assertKept(o);
    const { counts, connections } = o.result;
    const said = (op: string): Promise<number> => server.metric("collab_msg_in_total", `"${op}"`);
    assert.equal(await said("update"), counts.updates, "updates");
    assert.equal(await said("awareness"), counts.presences, "presence messages");
    assert.equal(await said("subscribe"), counts.subscribes, "subscribes");
    assert.equal(await said("sync"), counts.syncs, "syncs");
    assert.equal(counts.answers, counts.updates + counts.presences + counts.syncs, "all are answered once");
    const out = (type: string): Promise<number> => server.metric("collab_msg_out_total", `type="${type}"`);
    assert.equal((await out("update")) + (await out("state")), counts.updateFrames, "updates and states received");
    assert.equal(await out("answer"), counts.answers + counts.subscribes, "answers");
    assert.equal(await server.metric("collab_connections_accepted_total"), connections, "connections");
    assert.equal(await server.metric("collab_apply_duration_ms_count"), counts.updates + counts.syncs, "updates applied");
    assert.equal(await server.metric("collab_errors_total"), 0, "errors");
    assert.ok(counts.updates > 100);
});

const SPOILT: Record<string, string[]> = {
    receive: ["streamGaps", "behind"],
    clock: ["behind"],
    apply: ["diverged"],
    send: ["behind", "lost", "diverged"],
};

test("the load generator finds what is lost on the way, and what is lost behind an acknowledgement", async (t) => {
    const server = await t.server();
    const one = async ([spoil, faults]: [string, string[]]): Promise<void> => {
        const rooms = ["--prefix", t.room(`spoil-${spoil}-`), "--rooms", "2", "--users", "6", "--rate", "300"];
        const o = await load(t, server, ...BOTH, ...rooms, "--seconds", "2", "--warmup", "0", "--settle", "2", "--spoil", spoil);
        assert.equal(o.code, 1, `${spoil}: ${o.said}`);
        for (const fault of faults) {
            assert.ok(o.result.faults[fault] > 0, `${spoil} shows as ${fault}: ${o.said}`);
        }
    };
    await Promise.all(Object.entries(SPOILT).map(one));
});
