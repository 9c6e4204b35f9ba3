/* websocket.ts: RFC 6455 on the live socket: pings, the close handshake, and the Autobahn case list as
 * far as its reaction can be seen from outside of a server that does not echo.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { OP, RawSocket, frame } from "../support/raw.ts";
import type { Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { until } from "../support/wait.ts";

test("a ping is answered by a pong with the same payload, also between fragments", async (t) => {
    const server = await t.server();
    const raw = await RawSocket.upgrade(server);
    t.defer(() => raw.destroy());
    const pongs = (): string[] =>
        raw.frames.filter((f) => f.opcode === OP.pong).map((f) => f.payload.toString("hex"));
    const payloads = [Buffer.alloc(0), Buffer.from("hello"), Buffer.alloc(125, 0xff)];
    for (const payload of payloads) {
        raw.write(frame({ opcode: OP.ping, payload }));
    }
    await until(() => pongs().length === 3, "three pongs");
    assert.deepEqual(pongs(), payloads.map((p) => p.toString("hex")));
    raw.write(frame({ opcode: OP.text, fin: false, payload: '{"jsonrpc":"2.0","id":1,' }));
    raw.write(frame({ opcode: OP.ping, payload: "between" }));
    raw.write(frame({ opcode: OP.more, fin: true, payload: '"method":"ping"}' }));
    await until(() => raw.texts.length === 1, "the answer to the message in fragments");
    assert.equal(pongs()[3], Buffer.from("between").toString("hex"));
    raw.write(frame({ opcode: OP.pong, payload: "unasked" }));
    raw.text('{"jsonrpc":"2.0","id":2,"method":"ping"}');
    await until(() => raw.texts.length === 2, "an unasked pong is ignored");
});

test("a close frame is answered with its code, after what was asked before it; then the server ends the socket", async (t) => {
    const server = await t.server();
    for (const [payload, answer] of [
        [Buffer.alloc(0), [1005, 1000]],
        [Buffer.from([0x03, 0xe8]), [1000]],
        [Buffer.from([0x03, 0xe9]), [1001, 1000]],
        [Buffer.concat([Buffer.from([0x0f, 0xa0]), Buffer.from("bye")]), [4000, 1000]],
    ] as const) {
        const raw = await RawSocket.upgrade(server);
        t.defer(() => raw.destroy());
        raw.text('{"jsonrpc":"2.0","id":1,"method":"ping"}');
        raw.write(frame({ opcode: OP.close, payload }));
        await until(() => raw.closeCode !== undefined, "the close frame's answer");
        assert.ok((answer as readonly number[]).includes(raw.closeCode!), `code ${raw.closeCode}`);
        assert.equal(raw.texts.length, 1);
        await until(() => raw.ended, "the end of the socket");
    }
});

/* ---- the Autobahn list ---- */

interface Payload {
    text?: string;
    hex?: string;
    repeat?: string;
    bytes?: number;
}

interface Step {
    op?: number;
    fin?: boolean;
    rsv?: number;
    payload?: Payload;
    mask?: boolean;
    times?: number;
    fragment?: number;
    cuts?: number[];
    hex?: string;
    wait?: boolean;
}

interface Case {
    id: string;
    about: string;
    offer?: string;
    send: Step[];
    chop?: number;
    expect: { op: number; payload?: Payload; times?: number }[];
    end: { by: "client" | "server"; code: number[] };
    informational?: boolean;
}

function bytesOf(p: Payload | undefined): Buffer {
    if (!p) {
        return Buffer.alloc(0);
    }
    if (p.text !== undefined) {
        return Buffer.from(p.text);
    }
    if (p.hex !== undefined) {
        return Buffer.from(p.hex, "hex");
    }
    const unit = Buffer.from(p.repeat!, "hex");
    return Buffer.alloc(p.bytes!, unit);
}

function framesOf(step: Step): Buffer[] {
    if (step.hex !== undefined) {
        return [Buffer.from(step.hex, "hex")];
    }
    const payload = bytesOf(step.payload);
    const size = step.fragment ?? Math.max(1, payload.length);
    const pieces: Buffer[] = [];
    for (let at = 0; at === 0 || at < payload.length; at += size) {
        const last = at + size >= payload.length;
        pieces.push(
            frame({
                opcode: at === 0 ? step.op! : OP.more,
                fin: (step.fin ?? true) && last,
                rsv: step.rsv ?? 0,
                masked: step.mask ?? true,
                payload: payload.subarray(at, at + size),
            }),
        );
    }
    return Array.from({ length: step.times ?? 1 }, () => pieces).flat();
}

async function playCase(server: Server, c: Case): Promise<void> {
    const raw = await RawSocket.upgrade(server, "/collab/ws", {
        ...(c.offer ? { "Sec-WebSocket-Extensions": c.offer } : {}),
    });
    try {
        let stretch: Buffer[] = [];
        const flush = async (): Promise<void> => {
            const bytes = Buffer.concat(stretch);
            stretch = [];
            for (let at = 0; at < bytes.length; at += c.chop ?? bytes.length) {
                raw.write(bytes.subarray(at, at + (c.chop ?? bytes.length)));
                if (c.chop) {
                    await new Promise((resolve) => setImmediate(resolve));
                }
            }
        };
        let closed = false;
        for (const step of c.send) {
            closed ||= step.op === OP.close;
            if (step.wait) {
                await flush();
            } else {
                stretch.push(...framesOf(step));
            }
        }
        await flush();
        if (c.end.by === "client" && !closed) {
            /* All that came before is handled when the pong is there; messages are ours to refuse. */
            raw.write(frame({ opcode: OP.close, payload: Buffer.from([0x03, 0xe8]) }));
        }
        await until(() => raw.closeCode !== undefined || raw.ended, `case ${c.id}: the end`, 20_000);
        const wanted = c.expect
            .filter((e) => e.op === OP.pong)
            .flatMap((e) => Array.from({ length: e.times ?? 1 }, () => bytesOf(e.payload).toString("hex")));
        const pongs = raw.frames.filter((f) => f.opcode === OP.pong).map((f) => f.payload.toString("hex"));
        if (raw.closeCode === undefined) {
            assert.equal(c.end.by, "server", "the connection was dropped");
        } else {
            assert.ok(c.end.code.includes(raw.closeCode), `close code ${raw.closeCode}, not ${c.end.code.join(" or ")}`);
            assert.deepEqual(pongs, wanted, "pongs");
        }
        raw.write(frame({ opcode: OP.close }));
        await until(() => raw.ended, `case ${c.id}: the end of the socket`);
    } finally {
        raw.destroy();
    }
}

test(
    "the Autobahn case list holds on the live socket: close codes and pongs",
    async (t) => {
        const list = JSON.parse(readFileSync(new URL("../wire/autobahn.json", import.meta.url), "utf8"));
        const cap = String(list.frame_bytes);
        const server = await t.server("--workers", "2", "--max-frame-bytes", cap, "--log-level", "error");
        const cases: Case[] = list.cases;
        assert.ok(cases.length > 300, `${cases.length} cases`);
        const wrong: string[] = [];
        for (const c of cases) {
            try {
                await playCase(server, c);
            } catch (e) {
                wrong.push(`${c.id} (${c.about}): ${(e as Error).message.split("\n").slice(0, 2).join(" ")}`);
            }
            assert.ok(wrong.length < 20, `too many:\n${wrong.join("\n")}`);
        }
        assert.equal(wrong.length, 0, `${wrong.length} of ${cases.length}:\n${wrong.join("\n")}`);
    },
    { ms: 240_000 },
);
