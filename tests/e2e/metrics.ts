/* metrics.ts: what the server counts is what happened: as many messages and bytes as its clients
 * counted themselves, and every delay, resend, drop and pause where it belongs.
 */
import assert from "node:assert/strict";
import { b64 } from "../support/client.ts";
import { Door, certificate, folder } from "../support/door.ts";
import { converged } from "../support/replica.ts";
import type { Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { DIALECTS, company, sum } from "../support/tally.ts";
import { poll, until } from "../support/wait.ts";

/** The value is polled: clients know of a message before the server's worker has counted the next. */
async function becomes(server: Server, name: string, labels: string, want: number): Promise<void> {
    let got = NaN;
    try {
        await poll(async () => (got = await server.metric(name, labels)) === want, `${name}{${labels}} ${want}`);
    } catch (e) {
        throw new Error(`${(e as Error).message}; it is ${got}`);
    }
}

test(
    "messages and bytes in and out, by type and dialect, are what the clients counted themselves",
    async (t) => {
        const server = await t.server("--workers", "3");
        const roomId = t.room("tally");
        const { tallies, replicas, json } = await company(t, server, roomId);
        for (let i = 0; i < 40; i++) {
            const replica = replicas[i % replicas.length]!;
            replica.scribble(t.rng);
            replica.show({ turn: i });
            if (i % 5 === 0) {
                await json.quiet();
            }
        }
        await converged(replicas);
        await json.quiet();
        for (const dialect of DIALECTS) {
            const label = `dialect="${dialect}"`;
            await becomes(server, "collab_msg_in_total", label, sum(tallies, "sent", dialect).messages);
            await becomes(server, "collab_msg_in_bytes_total", label, sum(tallies, "sent", dialect).bytes);
        }
        /* Presence may still be on its way to somebody: what is queued and what has come meet. */
        for (const dialect of DIALECTS) {
            const label = `dialect="${dialect}"`;
            await poll(async () => {
                const [messages, bytes] = [await server.metric("collab_msg_out_total", label), await server.metric("collab_msg_out_bytes_total", label)];
                const got = sum(tallies, "received", dialect);
                return messages === got.messages && bytes === got.bytes;
            }, `what ${dialect} clients received`);
            assert.ok(sum(tallies, "received", dialect).messages > 0, dialect);
        }
        assert.equal(await server.metric("collab_dropped_total"), 0);
        await becomes(server, "collab_rooms_by_participants", 'up_to="5"', 1);
    },
    { tsan: true },
);

test("delays are measured: apply, acknowledgement, echo, presence and round trips, one for each of what they are about", async (t) => {
    const server = await t.server("--workers", "2", "--ping-ms", "100");
    const roomId = t.room("delays");
    const ann = t.replica();
    const bob = t.replica();
    const anns = await t.connect(server);
    await anns.join(roomId, ann);
    ann.append("nobody else is here");
    await anns.quiet();
    await becomes(server, "collab_ack_ms_count", "", 1);
    await becomes(server, "collab_echo_ms_count", "", 0);
    const bobs = await t.connect(server);
    await bobs.join(roomId, bob);
    const before = await server.metric("collab_awareness_delay_ms_count");
    for (let i = 0; i < 10; i++) {
        const had = bob.updates.length;
        ann.append(`${i}`);
        await until(() => bob.updates.length > had, "the edit");
        await anns.quiet();
    }
    ann.show({ cursor: 1 });
    await until(() => bob.sees(ann) !== undefined, "her cursor");
    await becomes(server, "collab_apply_duration_ms_count", "", 11);
    await becomes(server, "collab_ack_ms_count", "", 11);
    await becomes(server, "collab_echo_ms_count", "", 10);
    await poll(async () => (await server.metric("collab_awareness_delay_ms_count")) > before, "the delay of presence");
    /* None of this takes a second here; a unit that is wrong would show. */
    for (const name of ["collab_ack_ms", "collab_echo_ms", "collab_awareness_delay_ms"]) {
        const mean = (await server.metric(`${name}_sum`)) / (await server.metric(`${name}_count`));
        assert.ok(mean > 0.001 && mean < 5_000, `${name}: ${mean} ms`);
    }
    await poll(async () => (await server.metric("collab_rtt_ms_count")) >= 4, "round trips of pings");
    /* More than five seconds, of one look at the page: pings go on meanwhile. */
    const over = async (): Promise<number> => {
        const page = await (await fetch(server.http("/metrics"))).text();
        const [most, all] = ["5000", "\\+Inf"].map((le) => Number(new RegExp(`^collab_rtt_ms_bucket\\{le="${le}"\\} (\\d+)$`, "m").exec(page)![1]));
        return all! - most!;
    };
    assert.equal(await over(), 0, "none took longer");
    await anns.request("collab/heartbeat", { ts: 1, rttMs: 7000 });
    for (const wrong of [-1, 60_001, 1e300]) {
        await anns.request("collab/heartbeat", { ts: 1, rttMs: wrong });
    }
    assert.equal(await over(), 1, "the heartbeat's, and nothing that is no round trip");
});

test("what is sent again, what comes back and what asks again is told apart", async (t) => {
    const server = await t.server("--workers", "2");
    const roomId = t.room("again");
    const ann = t.replica();
    const anns = await t.connect(server);
    const room = await anns.join(roomId, ann);
    ann.append("x");
    await anns.quiet();
    const counts = async (): Promise<number[]> =>
        Promise.all(["resends", "duplicates", "resyncs", "reconnects"].map((n) => server.metric(`collab_${n}_total`)));
    assert.deepEqual(await counts(), [0, 0, 0, 0]);
    /* The same seq: once acknowledged it is a duplicate, and resent in any case. */
    const again = await anns.request("collab/update", { roomId, seq: 1, payloadB64: b64(ann.state) });
    assert.equal(again.duplicate, true);
    assert.deepEqual(await counts(), [1, 1, 0, 0]);
    await assert.rejects(anns.request("collab/update", { roomId, seq: 50, payloadB64: "AQID" }));
    await assert.rejects(anns.request("collab/update", { roomId, seq: 50, payloadB64: "AQID" }));
    assert.deepEqual(await counts(), [2, 1, 0, 0]);
    /* The first sync of a subscription is its beginning; with content it is somebody who was here before. */
    await anns.request("collab/sync", { roomId, seq: 60, stateVectorB64: b64(ann.stateVector) });
    assert.deepEqual(await counts(), [2, 1, 0, 1]);
    await anns.request("collab/sync", { roomId, seq: 61, stateVectorB64: b64(ann.stateVector) });
    assert.deepEqual(await counts(), [2, 1, 1, 1]);
    room.replica.link = undefined;
    const back = await t.connect(server);
    await back.join(roomId, ann);
    assert.deepEqual(await counts(), [2, 1, 1, 2], "a state vector with subscribe, then its sync, are one return");
});

test("a reader that is too slow is counted where it was: dropped messages, pauses and for how long", async (t) => {
    const server = await t.server("--workers", "2", "--outbox-bytes", "64K", "--outbox-frames", "16");
    const roomId = t.room("slow");
    const ann = t.replica();
    const zoe = t.replica();
    const anns = await t.connect(server);
    await anns.join(roomId, ann);
    const zoes = await t.connect(server);
    await zoes.join(roomId, zoe);
    zoes.line.stall();
    await poll(async () => {
        for (let i = 0; i < 20; i++) {
            ann.doc.getMap("map").set(`p${i % 4}`, `${t.rng.below(1e9)}${"x".repeat(24_000)}`);
        }
        await anns.quiet();
        return (await server.metric("collab_dropped_total", "slow_reader")) > 0;
    }, "the cut", 30_000);
    /* It asks and asks and does not read the answers: nothing more is read of it. */
    await poll(async () => {
        for (let i = 0; i < 200; i++) {
            zoes.notify("collab/sync", { roomId, seq: zoes.nextSeq() });
            zoes.line.send(JSON.stringify({ jsonrpc: "2.0", id: `q${i}`, method: "collab/sync", params: { roomId, seq: zoes.nextSeq() } }));
        }
        const paused = (await server.metric("collab_backpressure_on_total")) > 0 && (await server.metric("collab_backpressure_seconds_total")) > 0;
        return paused && (await server.metric("collab_memory_bytes", '"outboxes"')) > 64 << 10; /* not for what is under way only */
    }, "the pause, and what its outbox holds", 30_000);
    await poll(async () => (await server.metric("collab_outbox_deepest")) > 0, "the depth of its outbox");
    await zoes.vanish();
    await poll(async () => (await server.metric("collab_dropped_total", '"gone"')) > 0, "what it left behind");
    await poll(async () => (await server.metric("collab_outbox_depth")) === 0, "and nothing is held for it");
});

test("over a rate it is counted by type, and errors by code", async (t) => {
    const door = await Door.own(t);
    const roomId = t.room("rates");
    const ann = await door.join(roomId, "write");
    const asked = Array.from({ length: 1500 }, () => ann.client.request("collab/awareness", { roomId, seq: ann.client.nextSeq(), payloadB64: "AA==" }));
    const refused = (await Promise.allSettled(asked)).filter((a) => a.status === "rejected").length;
    assert.ok(refused > 0);
    await becomes(door.server, "collab_rate_limited_total", 'type="awareness"', refused);
    await becomes(door.server, "collab_errors_total", 'code="rate"', refused);
    assert.equal(await door.server.metric("collab_rate_limited_total"), refused);
});

test("/metrics says when the certificate expires and how old the keys are, and has no such line where there are none", async (t) => {
    const dir = folder(t);
    const { cert, key } = certificate(dir, "metrics");
    const none = await (await fetch((await t.server()).http("/metrics"))).text();
    assert.doesNotMatch(none, /^collab_(tls_certificate_expiry|jwks_age)_seconds/m);
    assert.match(none, /^collab_store_up 1$/m);
    assert.match(none, /^collab_draining 0$/m);
    const server = await t.start(["--tls-cert", cert, "--tls-key", key, "--metrics-addr", "127.0.0.1:0", "--workers", "1"]);
    const port = await server.metricsPort();
    const own = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const days = Number(/^collab_tls_certificate_expiry_seconds (\d+)$/m.exec(own)?.[1]) / 86_400;
    assert.ok(days > 1.9 && days <= 2, `${days} days`);
});
