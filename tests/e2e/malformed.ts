/* malformed.ts: each kind of nonsense in wire/malformed.ts gets its own error, and two people who are
 * editing in the same room meanwhile notice nothing. Also: random nonsense.
 */
import assert from "node:assert/strict";
import { MuxClient, type MuxRoom } from "../support/binary.ts";
import type { CollabClient, Json } from "../support/client.ts";
import { PlainClient } from "../support/plain.ts";
import { OP, RawSocket, frame } from "../support/raw.ts";
import { type Replica, converged } from "../support/replica.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { until } from "../support/wait.ts";
import { type Malformed, malformed } from "../wire/malformed.ts";

/** Two people at work, of whom nothing may be lost. */
class Bystanders {
    private readonly replicas: Replica[] = [];
    private readonly clients: CollabClient[] = [];
    private readonly t: Context;

    constructor(t: Context) {
        this.t = t;
    }

    async arrive(server: Server, roomId: string): Promise<void> {
        for (let i = 0; i < 2; i++) {
            const replica = this.t.replica();
            const client = await this.t.connect(server);
            await client.join(roomId, replica);
            replica.show({ name: `bystander ${i}` });
            this.clients.push(client);
            this.replicas.push(replica);
        }
    }

    type(): void {
        for (const r of this.replicas) {
            r.scribble(this.t.rng);
        }
    }

    async undisturbed(): Promise<void> {
        const [a, b] = this.replicas as [Replica, Replica];
        for (const client of this.clients) {
            assert.equal(client.line.closed, undefined);
            await client.quiet();
        }
        await converged(this.replicas);
        await until(() => a.sees(b) !== undefined && b.sees(a) !== undefined, "they see each other");
    }
}

function checkError(c: Malformed, error: Json, id: Json): void {
    assert.ok(c.expect.error, `an error ${JSON.stringify(error)} where none belongs`);
    assert.ok(c.expect.error.includes(error.code), `code ${error.code} (${error.data?.detail ?? error.detail})`);
    if (c.on === "json" && c.expect.id !== undefined) {
        assert.deepEqual(id, c.expect.id, "the id");
    }
    if (c.expect.detail) {
        assert.match(error.data.detail, c.expect.detail);
    }
}

const bytesOf = (hex: string): Buffer => Buffer.from(hex, "hex");

async function onJson(t: Context, server: Server, roomId: string, c: Malformed): Promise<void> {
    const client = await t.connect(server);
    await client.request("collab/subscribe", { roomId, capabilities: ["yjs.sync.v1"] });
    const answers = (): Json[] => client.inbox.filter((m) => m.method === undefined);
    const before = answers().length;
    client.line.send(c.hex !== undefined ? bytesOf(c.hex) : c.text!.replaceAll("ROOM", roomId));
    if (!c.expect.nothing) {
        await until(() => answers().length > before || !client.line.live, "an answer", 3000);
    }
    await client.request("collab/room.info", { roomId }); /* takes the way through the room */
    const got = answers().slice(before, -1);
    if (c.expect.nothing) {
        assert.deepEqual(got, []);
    } else {
        assert.equal(got.length, 1, `one answer, not ${JSON.stringify(got)}`);
        checkError(c, got[0].error, got[0].id);
        assert.equal(typeof got[0].error.data.detail, "string");
    }
    await client.close();
}

async function onBinary(t: Context, server: Server, roomId: string, c: Malformed): Promise<void> {
    const client = await MuxClient.connect(server);
    t.defer(() => client.line.ws.terminate());
    let room: MuxRoom | undefined;
    if (c.hex!.includes("CHANNEL") || c.expect.refusal) {
        room = await client.joinMux(roomId, t.replica());
    } else {
        await client.request("collab/subscribe", { roomId, capabilities: ["binary.v1", "yjs.sync.v1"] });
    }
    const refusals = (): number[] => [...client.answers.values()].flatMap((a) => a.code ?? []);
    const errors = (): Json[] => client.inbox.filter((m) => m.error);
    assert.equal(refusals().length + errors().length, 0);
    const channel = client.frame(0, room?.channel ?? 0, 0, new Uint8Array()).subarray(1, -1);
    client.line.send(bytesOf(c.hex!.replace("CHANNEL", Buffer.from(channel).toString("hex"))));
    await until(() => refusals().length + errors().length > 0 || !client.line.live, "an answer", 3000);
    await client.request("collab/room.info", { roomId });
    const refused = refusals();
    assert.equal(errors().length + refused.length, 1, "one answer");
    if (refused.length > 0) {
        assert.ok(c.expect.refusal?.includes(refused[0]!), `refused with ${refused[0]}`);
    } else {
        checkError(c, errors()[0].error, errors()[0].id);
        assert.equal(errors()[0].id, null);
    }
    await client.close();
}

async function onPlain(t: Context, server: Server, roomId: string, c: Malformed): Promise<void> {
    const client = await PlainClient.connect(server, roomId, t.replica());
    t.defer(() => client.line.ws.terminate());
    await client.synced();
    client.line.send(c.hex !== undefined ? bytesOf(c.hex) : c.text!.replaceAll("ROOM", roomId));
    const errors = (): Json[] => client.inbox.filter((m) => m.type === "error");
    await until(() => errors().length > 0 || client.line.closed !== undefined, "an error message");
    assert.equal(client.line.closed, undefined, "the connection lives");
    checkError(c, errors()[0], undefined);
    assert.equal(typeof errors()[0].message, "string");
    assert.equal(typeof errors()[0].detail, "string");
    await client.close();
}

async function onRaw(t: Context, server: Server, _roomId: string, c: Malformed): Promise<void> {
    const raw = await RawSocket.upgrade(server);
    t.defer(() => raw.destroy());
    raw.write(bytesOf(c.hex!));
    await until(() => raw.closeCode !== undefined || raw.ended, "the end of the connection");
    assert.ok(c.expect.close!.includes(raw.closeCode!), `close code ${raw.closeCode}`);
    raw.write(frame({ opcode: OP.close }));
    await until(() => raw.ended, "the server's end of the socket");
    raw.destroy();
}

const play = { json: onJson, binary: onBinary, plain: onPlain, raw: onRaw };
const promises = {
    json: "JSON-RPC messages",
    binary: "binary frames",
    plain: "plain JSON messages",
    raw: "WebSocket frames",
};

for (const on of ["json", "binary", "plain", "raw"] as const) {
    const cases = malformed.filter((c) => c.on === on);
    test(`${cases.length} kinds of malformed ${promises[on]} each get their error and disturb nobody`, async (t) => {
        const server = await t.server();
        const roomId = t.room("malformed");
        const bystanders = new Bystanders(t);
        await bystanders.arrive(server, roomId);
        const wrong: string[] = [];
        for (const c of cases) {
            try {
                await play[on](t, server, roomId, c);
            } catch (e) {
                wrong.push(`${c.name}: ${(e as Error).message.split("\n").slice(0, 3).join(" ")}`);
            }
            bystanders.type();
        }
        await bystanders.undisturbed();
        assert.equal(wrong.length, 0, `${wrong.length} of ${cases.length}:\n${wrong.join("\n")}`);
    });
}

test("random bytes after the upgrade, as frames and as messages, disturb nobody", async (t) => {
    const server = await t.server();
    const roomId = t.room("noise");
    const bystanders = new Bystanders(t);
    await bystanders.arrive(server, roomId);
    for (let i = 0; i < 150; i++) {
        const raw = await RawSocket.upgrade(server, "/collab/ws", {
            "Sec-WebSocket-Protocol": t.rng.pick(["mcp-json", "mcp-binary"]),
        });
        t.defer(() => raw.destroy());
        raw.text(`{"jsonrpc":"2.0","id":1,"method":"collab/subscribe","params":{"roomId":"${roomId}","capabilities":["binary.v1"]}}`);
        await until(() => raw.frames.length > 0 || raw.ended, "subscribe's answer");
        const noise = t.rng.bytes(1 + t.rng.below(300));
        if (t.rng.chance(0.5)) {
            raw.write(noise);
        } else {
            noise[0] = t.rng.pick([1, 2, 3, 0x10, 0x81, 0x82, 0x83]);
            raw.write(frame({ opcode: t.rng.pick([OP.text, OP.binary]), payload: noise }));
        }
        bystanders.type();
        /* Half of them wait for what comes; after noise that announces a long frame that is nothing. */
        if (t.rng.chance(0.5)) {
            raw.tcp.end();
            await until(() => raw.ended, "the end of the connection");
        }
        raw.destroy();
    }
    await bystanders.undisturbed();
});
