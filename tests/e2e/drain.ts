/* drain.ts: SIGTERM. No new connections, everybody is told to try again, and the process ends in time
 * with exit code 0, whatever goes on at that moment.
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import type { CollabClient } from "../support/client.ts";
import { PlainClient } from "../support/plain.ts";
import { RawSocket } from "../support/raw.ts";
import type { Replica } from "../support/replica.ts";
import { test } from "../support/suite.ts";
import { pause, poll, until } from "../support/wait.ts";

/** Whether the port takes connections. */
function refuses(port: number): Promise<boolean> {
    return new Promise((resolve) => {
        const socket = connect(port, "127.0.0.1");
        socket.on("connect", () => {
            socket.destroy();
            resolve(false);
        });
        socket.on("error", () => resolve(true));
    });
}

test(
    "SIGTERM under load: every socket is closed with 1013, and the process ends with 0 in time",
    async (t) => {
        const server = await t.server("--workers", "4", "--drain-ms", "5000");
        const clients: CollabClient[] = [];
        const replicas: Replica[] = [];
        for (let i = 0; i < 12; i++) {
            const client = await t.connect(server);
            const replica = t.replica();
            await client.join(`drain-${i % 5}`, replica);
            replica.show({ i });
            clients.push(client);
            replicas.push(replica);
        }
        const plain = await PlainClient.connect(server, "drain-0", t.replica());
        t.defer(() => plain.line.ws.terminate());
        const page = await RawSocket.open(server);
        t.defer(() => page.destroy());
        let typing = true;
        const typist = (async (): Promise<void> => {
            while (typing) {
                replicas.forEach((r) => r.scribble(t.rng));
                await pause(1);
            }
        })();
        await pause(300);
        const start = performance.now();
        server.signal("SIGTERM");
        await until(() => clients.every((c) => c.line.closed) && plain.line.closed !== undefined, "all closes");
        typing = false;
        await typist;
        for (const line of [...clients.map((c) => c.line), plain.line]) {
            assert.equal(line.closed!.code, 1013, line.closed!.reason);
        }
        await until(() => server.exit !== undefined, "the exit", 6000);
        assert.deepEqual(server.exit, { code: 0, signal: null });
        assert.ok(performance.now() - start < 6000);
        assert.ok(await refuses(server.port));
    },
    { tsan: true },
);

test("an idle server ends at once; one with idle clients as soon as they have answered the close", async (t) => {
    const idle = await t.server("--workers", "2");
    let start = performance.now();
    await idle.stop(2000);
    assert.ok(performance.now() - start < 2000);

    const server = await t.server("--workers", "2");
    const client = await t.connect(server);
    await client.join(t.room(), t.replica());
    start = performance.now();
    await server.stop(3000);
    await until(() => client.line.closed !== undefined, "the client's end"); /* told apart from the exit */
    assert.equal(client.line.closed?.code, 1013);
});

test("a client that ignores the close frame and one that reads nothing do not hold the exit beyond the deadline", async (t) => {
    const server = await t.server("--workers", "2", "--drain-ms", "2000");
    const deaf = await RawSocket.upgrade(server);
    t.defer(() => deaf.destroy());
    const half = await RawSocket.open(server);
    t.defer(() => half.destroy());
    half.write("GET /healthz HT");
    const stalled = await t.connect(server);
    await stalled.join("deaf", t.replica());
    const writer = await t.connect(server);
    const ann = t.replica();
    await writer.join("deaf", ann);
    stalled.line.stall();
    for (let i = 0; i < 300; i++) {
        ann.doc.getMap("map").set("page", `${i}${"x".repeat(20_000)}`);
    }
    await writer.quiet();
    await server.stop(4000);
});

test("within moments of SIGTERM the port is closed, while the drain still waits for a deaf client", async (t) => {
    const server = await t.server("--workers", "2", "--drain-ms", "3000");
    const deaf = await RawSocket.upgrade(server); /* answers no close frame, so that the drain lasts */
    t.defer(() => deaf.destroy());
    server.signal("SIGTERM");
    await until(() => deaf.closeCode !== undefined, "its close frame");
    assert.equal(deaf.closeCode, 1013);
    /* Each worker closes its own listener, so another's may take a connection for some milliseconds. */
    await poll(() => refuses(server.port), "the port's end", 500);
    assert.equal(server.exit, undefined, "the drain is still going on");
    await server.stop(4000);
});

test("a second SIGTERM and SIGINT change nothing about a clean end", async (t) => {
    const server = await t.server("--workers", "2");
    const client = await t.connect(server);
    await client.join(t.room(), t.replica());
    server.signal("SIGINT");
    server.signal("SIGTERM");
    await until(() => server.exit !== undefined, "the exit");
    assert.equal(server.exit?.code, 0);
});
