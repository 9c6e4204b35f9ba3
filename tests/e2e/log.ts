/* log.ts: what the log says, and how much of it. That each line of every server of these tests is as
 * docs/log.schema.json says is looked at where a server ends (support/server.ts).
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { type Json, b64 } from "../support/client.ts";
import { Door, folder } from "../support/door.ts";
import { wrongOfLog } from "../support/schema.ts";
import { test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

const lines = (log: string[]): Json[] => log.map((l) => JSON.parse(l));

test("a request's line names its trace, room, seq, session, connection, user, time and result, and the schema knows them", async (t) => {
    const door = await Door.own(t, ["--log-level", "debug"]);
    const roomId = t.room("fields");
    const ann = await door.join(roomId, "write", { sessionId: "session-9" });
    const id = "4bf92f3577b34da6a3ce929d0e0e4736";
    const _meta = { traceparent: `00-${id}-00f067aa0ba902b7-00` };
    const writer = t.replica();
    writer.append("x");
    await ann.client.request("collab/update", { roomId, seq: 71, payloadB64: b64(writer.state), _meta });
    await assert.rejects(ann.client.request("collab/update", { roomId, seq: 72, payloadB64: "AQID", _meta }));
    const of = (seq: number): Json => lines(door.server.log).find((l) => l.seq === seq);
    await until(() => of(71) && of(72), "both lines");
    for (const [seq, event, result, errCode] of [[71, "REQUEST", "ok", undefined], [72, "REFUSED", /update, byte/, "params"]] as const) {
        const line = of(seq);
        assert.deepEqual([line.event, line.traceId, line.roomId, line.sid, line.userId, line.errCode], [event, id, roomId, "session-9", ann.user, errCode]);
        assert.match(line.result, new RegExp(result));
        assert.ok(line.connectionId > 0 && line.latency_ms >= 0 && line.method === "collab/update");
    }
});

test("the schema refuses what is no line of the log", () => {
    const good = { ts: "2031-05-01T09:30:00.000Z", level: "info", event: "ROOM-OPEN", roomId: "ws:a/b", seq: 4 };
    assert.equal(wrongOfLog(JSON.stringify(good)), "");
    const wrong: Json[] = [{ ts: "today" }, { level: "loud" }, { event: "room open" }, { traceId: "xyz" }, { seq: -1 }, { latency_ms: "3" }, { more: { deep: 1 } }, { list: [1] }, { nothing: null }, { sessionId: "s" }];
    for (const change of wrong) {
        assert.notEqual(wrongOfLog(JSON.stringify({ ...good, ...change })), "", JSON.stringify(change));
    }
    assert.notEqual(wrongOfLog('{"ts":'), "");
    return Promise.resolve();
});

test("levels are set for single parts of the server", async (t) => {
    const server = await t.server("--workers", "1", "--log-level", "error", "--log-areas", "rpc=debug,room=info");
    const client = await t.connect(server);
    await client.join(t.room("areas"), t.replica());
    await client.request("ping");
    await client.close();
    await until(() => lines(server.log).some((l) => l.event === "GONE"), "the last line");
    const events = new Set(lines(server.log).map((l) => l.event));
    assert.deepEqual([...events].sort(), ["GONE", "OPEN", "REQUEST", "ROOM-OPEN"], "not START of app, nor CLOSE of gateway");
});

test("of the lines about every request one in so many is written", async (t) => {
    const server = await t.server("--workers", "1", "--log-level", "debug", "--log-sample", "10");
    const client = await t.connect(server);
    for (let i = 0; i < 100; i++) {
        await client.request("ping");
    }
    await client.close();
    await until(() => lines(server.log).some((l) => l.event === "GONE"), "the last line");
    const said = lines(server.log).filter((l) => l.event === "REQUEST");
    assert.equal(said.length, 10);
    assert.ok(said.every((l) => l.sampled === 10));
});

test("a flood is told by its total", async (t) => {
    const server = await t.server("--workers", "1");
    const client = await t.connect(server);
    const asked = 500;
    await Promise.allSettled(Array.from({ length: asked }, () => client.request("no/such.method")));
    const told = (): number => lines(server.log).filter((l) => l.event === "REFUSED").reduce((n, l) => n + (l.suppressed ?? 1), 0);
    await until(() => told() === asked, "lines and totals add up", 10_000);
    assert.ok(server.log.length < 100, `${server.log.length} lines`);
});

test("a log file is added to, and opened anew by SIGHUP when it was moved away", async (t) => {
    const dir = folder(t);
    const path = join(dir, "collabd.log");
    const server = await t.server("--workers", "2", "--log-file", path);
    await poll(async () => existsSync(path) && readFileSync(path, "utf8").includes('"START"'), "the first line");
    renameSync(path, `${path}.1`);
    const client = await t.connect(server);
    await poll(async () => readFileSync(`${path}.1`, "utf8").includes('"OPEN"'), "lines go where the file went");
    server.signal("SIGHUP");
    await poll(async () => existsSync(path) && readFileSync(path, "utf8").includes('"RELOAD"'), "a new file");
    await client.close();
    await poll(async () => readFileSync(path, "utf8").includes('"GONE"'), "lines go there");
    assert.deepEqual(server.log, [], "and none to standard error");
    for (const file of [path, `${path}.1`]) {
        for (const line of readFileSync(file, "utf8").trim().split("\n")) {
            assert.equal(wrongOfLog(line), "", line);
        }
    }
});
