/* tracing.ts: a trace that a client begins goes on in the server: it is named in acknowledgements, and
 * its steps come to a real collector as OTLP over HTTP in JSON, each a part of the one before.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type Json, b64 } from "../support/client.ts";
import { nodes, person } from "../support/cluster.ts";
import { type Span, collected, parentOf } from "../support/otlp.ts";
import { Redis } from "../support/redis.ts";
import { converged } from "../support/replica.ts";
import { Source } from "../support/source.ts";
import { type Context, test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

interface Trace {
    id: string;
    span: string;
    parent: string;
}

function begin(flags = "01"): Trace {
    const id = randomBytes(16).toString("hex");
    const span = randomBytes(8).toString("hex");
    return { id, span, parent: `00-${id}-${span}-${flags}` };
}

async function collector(t: Context): Promise<Source> {
    const source = await Source.start(() => ({ body: "{}" }));
    t.defer(() => source.down());
    return source;
}

test(
    "a traced update is followed from its client's process through the server's: request, apply, commit, echo",
    async (t) => {
        const source = await collector(t);
        const server = await t.start(["--workers", "3", "--trace-sample", "0"], { env: { COLLAB_OTLP_URL: new URL(source.url).origin } });
        const roomId = t.room("traced");
        const anns = await t.connect(server);
        const bobs = await t.connect(server);
        const bob = t.replica();
        await anns.join(roomId, t.replica());
        await bobs.join(roomId, bob);
        const trace = begin();
        const writer = t.replica();
        writer.append("x");
        const said = await anns.request("collab/update", { roomId, seq: 41, payloadB64: b64(writer.state), _meta: { traceparent: trace.parent } });
        assert.equal(said.traceId, trace.id);
        await until(() => bob.text.toString() === "x", "the edit");
        await until(() => collected(source).filter((s) => s.traceId === trace.id).length >= 4, "four spans", 15_000);
        const spans = collected(source);
        assert.deepEqual([...new Set(spans.map((s) => s.traceId))], [trace.id], "nothing else is told of");
        const named = (name: string): Span => {
            const found = spans.filter((s) => s.name === name);
            assert.equal(found.length, 1, name);
            return found[0]!;
        };
        const request = named("collab/update");
        assert.equal(request.parentSpanId, trace.span, "a part of what the client does");
        assert.equal(request.kind, 2);
        assert.equal(request.attributes["roomId"], roomId);
        assert.equal(request.attributes["seq"], 41);
        const now = Date.now() * 1e6;
        for (const name of ["apply", "commit", "echo"]) {
            const step = named(name);
            assert.equal(parentOf(step, spans), request, `${name} is a part of the request`);
            assert.equal(step.attributes["roomId"], roomId);
            assert.ok(step.start >= request.start - 1000 && step.end >= step.start, `${name} is in order`);
            assert.ok(Math.abs(step.start - now) < 120e9, `${name} has the time of day`);
        }
        assert.ok(named("apply").end <= request.end + 1000);
        assert.equal(await server.metric("collab_spans_dropped_total"), 0);
        assert.ok((await server.metric("collab_spans_sent_total")) >= 4);
        assert.ok(source.asked.every((a) => a.path === "/v1/traces" && a.headers["content-type"] === "application/json"));
    },
    { tsan: true },
);

test(
    "a trace is followed over two nodes: the second applies what the first published, and its echo is a part of the same request",
    async (t) => {
        const source = await collector(t);
        const redis = await Redis.start(t);
        const all = await nodes(t, redis, 2, { flags: ["--otlp-url", source.url, "--trace-sample", "0"] });
        const room = t.room("far");
        const ann = await person(t, all[0]!.server, room);
        await person(t, all[0]!.server, room); /* somebody to hear of it there, too */
        const bob = await person(t, all[1]!.server, room);
        ann.replica.append("not traced");
        await converged([ann.replica, bob.replica]);
        const trace = begin();
        const writer = t.replica();
        writer.append("x");
        const said = await ann.client.request("collab/update", { roomId: room, seq: 900, payloadB64: b64(writer.state), _meta: { traceparent: trace.parent } });
        assert.equal(said.traceId, trace.id);
        const names = (): string[] => collected(source).map((s) => s.name);
        await until(() => names().includes("heard") && names().includes("collab/update") && names().filter((n) => n === "echo").length === 2, "the spans of both", 20_000);
        const spans = collected(source);
        assert.deepEqual([...new Set(spans.map((s) => s.traceId))], [trace.id], "nothing else is told of");
        const request = spans.find((s) => s.name === "collab/update")!;
        const heard = spans.find((s) => s.name === "heard")!;
        assert.equal(request.parentSpanId, trace.span);
        assert.equal(parentOf(heard, spans), request);
        assert.notEqual(heard.instance, request.instance, "another process");
        const echoes = spans.filter((s) => s.name === "echo");
        assert.deepEqual(new Set(echoes.map((s) => s.instance)), new Set([request.instance, heard.instance]), "each node's receivers");
        assert.ok(echoes.every((s) => parentOf(s, spans) === request));
    },
    { ms: 60_000 },
);

test("the traceparent of an upgrade holds for the connection, one of a message for that message; what is none is ignored", async (t) => {
    const server = await t.server();
    const roomId = t.room("parents");
    const outer = begin("00");
    const client = await t.connect(server, { headers: { traceparent: outer.parent } });
    const ann = t.replica();
    await client.join(roomId, ann);
    ann.append("x");
    let seq = 100;
    const update = (more: Json): Promise<Json> => client.request("collab/update", { roomId, seq: ++seq, payloadB64: b64(ann.state), ...more });
    assert.equal((await update({})).traceId, outer.id);
    const inner = begin();
    assert.equal((await update({ _meta: { traceparent: inner.parent } })).traceId, inner.id);
    for (const _meta of [{ traceparent: "00-zz-01" }, { traceparent: 5 }, { traceparent: inner.parent.toUpperCase() }, {}, [], "x", null, 7]) {
        assert.equal((await update({ _meta })).traceId, outer.id, JSON.stringify(_meta));
    }
    const synced = await client.request("collab/sync", { roomId, seq: ++seq, payloadB64: b64(ann.state), _meta: { traceparent: inner.parent } });
    assert.equal(synced.traceId, inner.id);
    await assert.rejects(client.request("collab/update", { roomId, seq: ++seq, payloadB64: "AQID", _meta: { traceparent: inner.parent } }), (e: Json) => e.data.traceId === inner.id);
    const plain = await t.connect(server, { headers: { traceparent: "00-00000000000000000000000000000000-0000000000000000-01" } });
    await plain.join(roomId, t.replica());
    assert.equal((await plain.request("collab/update", { roomId, seq: 1, payloadB64: b64(ann.state) })).traceId, undefined);
});

test("of what comes without a trace, one in so many begins one, and its client is told which", async (t) => {
    const source = await collector(t);
    const server = await t.start(["--workers", "2", "--otlp-url", source.url, "--trace-sample", "1"]);
    const roomId = t.room("sample");
    const client = await t.connect(server);
    await client.join(roomId, t.replica());
    const writer = t.replica();
    writer.append("x");
    const { traceId } = await client.request("collab/update", { roomId, seq: 1, payloadB64: b64(writer.state) });
    assert.match(traceId, /^[0-9a-f]{32}$/);
    await until(() => collected(source).some((s) => s.traceId === traceId && s.name === "collab/update" && s.parentSpanId === undefined), "its span", 15_000);
    assert.ok(source.asked.every((a) => a.path === "/asked"), "a path of one's own is kept");
});

test(
    "a collector that is slow, refuses or is not there harms nobody: clients are served, spans are counted as dropped, the end is clean",
    async (t) => {
        const source = await collector(t);
        const server = await t.start(["--workers", "2", "--otlp-url", source.url, "--trace-sample", "1"]);
        const roomId = t.room("lost");
        const [anns, bobs] = [await t.connect(server), await t.connect(server)];
        const [ann, bob] = [t.replica(), t.replica()];
        await anns.join(roomId, ann);
        await bobs.join(roomId, bob);
        for (const says of [{ status: 500 }, { after: Infinity }, { cut: true as const }]) {
            source.says = () => says;
            const before = await server.metric("collab_spans_dropped_total");
            ann.append("x");
            await converged([ann, bob]);
            await anns.quiet();
            await poll(async () => (await server.metric("collab_spans_dropped_total")) > before, JSON.stringify(says), 15_000);
        }
        await source.down();
        ann.append("y");
        await converged([ann, bob]);
        await until(() => server.log.some((l) => l.includes("TRACES-LOST")), "the log says it");
    },
    { ms: 60_000 },
);
