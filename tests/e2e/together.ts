/* together.ts: people edit one room and end up with one document. */
import assert from "node:assert/strict";
import * as decoding from "lib0/decoding";
import * as awarenessProtocol from "y-protocols/awareness";
import { MuxClient, ShortClient } from "../support/binary.ts";
import { CollabClient, type Membership, b64 } from "../support/client.ts";
import { PlainClient } from "../support/plain.ts";
import type { Random } from "../support/random.ts";
import { type Replica, converged } from "../support/replica.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pause, until } from "../support/wait.ts";

test(
    "three clients join, sync, type at once and converge",
    async (t) => {
        const server = await t.server();
        const roomId = t.room();
        const replicas = [t.replica(), t.replica(), t.replica()];
        const clients: CollabClient[] = [];
        replicas[0]!.append("written before anybody was online. ");
        for (const replica of replicas) {
            const client = await t.connect(server);
            await client.join(roomId, replica);
            clients.push(client);
        }
        for (let i = 0; i < 50; i++) {
            for (const r of replicas) {
                r.scribble(t.rng);
            }
            if (i % 10 === 9) {
                await pause(5); /* let some edits cross */
            }
        }
        for (const client of clients) {
            await client.quiet();
        }
        await converged(replicas);
        assert.ok(replicas[0]!.text.length > 0);
    },
    { tsan: true },
);

test(
    "one client of each dialect in one room: edits and presence cross",
    async (t) => {
        const server = await t.server();
        const roomId = t.room();
        const names = ["json", "short", "mux", "plain"];
        const replicas = names.map(() => t.replica());
        const [asJson, asShort, asMux, asPlain] = replicas as [Replica, Replica, Replica, Replica];
        names.forEach((name, i) => replicas[i]!.show({ name }));

        const json = await t.connect(server);
        await json.join(roomId, asJson);
        const short = await ShortClient.connect(server);
        t.defer(() => short.line.ws.terminate());
        await short.join(roomId, asShort);
        const mux = await MuxClient.connect(server);
        t.defer(() => mux.line.ws.terminate());
        await mux.joinMux(roomId, asMux);
        const plain = await PlainClient.connect(server, roomId, asPlain);
        t.defer(() => plain.line.ws.terminate());
        await plain.synced();

        for (const [i, r] of replicas.entries()) {
            r.append(`${names[i]} was here. `);
        }
        for (let i = 0; i < 30; i++) {
            for (const r of replicas) {
                r.scribble(t.rng);
            }
            if (i % 6 === 5) {
                await pause(5);
            }
        }
        await json.quiet();
        await short.quiet();
        await mux.settled();
        await mux.quiet();
        await converged(replicas);
        await until(
            () =>
                replicas.every((a) =>
                    replicas.every((b, i) => a === b || a.sees(b)?.["name"] === names[i]),
                ),
            "everybody sees the presence of everybody",
        );
        for (const [i, r] of replicas.entries()) {
            r.show({ name: names[i], cursor: i });
        }
        await until(
            () => replicas.every((a) => replicas.every((b, i) => a === b || a.sees(b)?.["cursor"] === i)),
            "everybody sees everybody's cursor",
        );
        const [bigint, now] = await short.heartbeat(1234567890123n);
        assert.equal(bigint, 1234567890123n);
        assert.ok(Math.abs(Number(now) - Date.now()) < 60_000, "the server's clock is the wall clock");
        for (const frame of [...short.frames, ...mux.frames]) {
            assert.ok(frame.length > 0);
        }
        assert.ok(short.frames.some((f) => f[0] === 0x01), "short form carries updates in binary");
        assert.ok(mux.frames.some((f) => f[0] === 0x81), "long form carries updates in binary");

        await json.close();
        await short.close();
        await mux.close();
        await until(
            () => [asJson, asShort, asMux].every((gone) => asPlain.sees(gone) === undefined),
            "those who left are gone for the last one",
        );
        await plain.close();
    },
    { tsan: true },
);

/** One of the eight: types at random until the end; a leaver drops off now and then, goes on typing
 * offline and comes back. */
class Typist {
    private readonly server: Server;
    private readonly roomId: string;
    readonly replica: Replica;
    private readonly rng: Random;
    private readonly leaves: boolean;
    client: CollabClient | undefined;
    absences = 0;

    constructor(server: Server, roomId: string, replica: Replica, rng: Random, leaves: boolean) {
        this.server = server;
        this.roomId = roomId;
        this.replica = replica;
        this.rng = rng;
        this.leaves = leaves;
    }

    async arrive(): Promise<void> {
        this.client = await CollabClient.connect(this.server);
        await this.client.join(this.roomId, this.replica);
    }

    private async dropOff(): Promise<void> {
        this.absences++;
        if (this.rng.chance(0.5)) {
            await this.client!.vanish();
        } else {
            await this.client!.close();
        }
        assert.equal(this.client!.surprises[0], undefined);
        const edits = 5 + this.rng.below(40);
        for (let i = 0; i < edits; i++) {
            this.replica.scribble(this.rng);
        }
        await pause(this.rng.below(400));
        await this.arrive();
    }

    async type(until: number): Promise<void> {
        while (performance.now() < until) {
            this.replica.scribble(this.rng);
            if (this.rng.chance(0.1)) {
                this.replica.show({ cursor: this.rng.below(1000) });
            }
            await pause(10 + this.rng.below(50));
            if (this.leaves && this.rng.chance(0.02)) {
                await this.dropOff();
            }
        }
        if (this.leaves && this.absences === 0) {
            await this.dropOff();
        }
    }
}

test(
    "eight clients type at random over four workers, half of them drop off and return with offline edits; all end equal, and equal to a fresh copy",
    async (t) => {
        const server = await t.server("--workers", "4");
        const roomId = t.room();
        const typists = Array.from(
            { length: 8 },
            (_, i) => new Typist(server, roomId, t.replica(), t.rng.fork(), i % 2 === 1),
        );
        for (const typist of typists) {
            await typist.arrive();
            t.defer(() => typist.client?.line.ws.terminate());
        }
        const end = performance.now() + t.settings.seconds * 1000;
        await Promise.all(typists.map((typist) => typist.type(end)));
        for (const typist of typists) {
            await typist.client!.quiet();
        }
        const fresh = t.replica();
        const late = await t.connect(server);
        await late.join(roomId, fresh);
        await converged([...typists.map((typist) => typist.replica), fresh], 30_000);
        await late.quiet();
        const absences = typists.reduce((n, typist) => n + typist.absences, 0);
        assert.ok(absences >= 4, "every leaver has left");
        assert.equal((await late.request("collab/room.info", { roomId })).participants, 9);
    },
    { tsan: true, ms: 180_000 },
);

test("clients with 53-bit ids edit together", async (t) => {
    const server = await t.server();
    const roomId = t.room();
    const big = t.replica({ clientID: 2 ** 53 - 1 });
    const alsoBig = t.replica({ clientID: 2 ** 52 + 12345 });
    await (await t.connect(server)).join(roomId, big);
    await (await t.connect(server)).join(roomId, alsoBig);
    big.show({ name: "big" });
    big.append("one ");
    await until(() => alsoBig.text.toString() === "one ", "the first edit");
    alsoBig.append("two");
    await converged([big, alsoBig]);
    await until(() => alsoBig.sees(big)?.["name"] === "big", "presence of a 53-bit id");
});

/* ---- presence ---- */

async function pair(t: Context): Promise<{ server: Server; roomId: string; ann: Replica; bob: Replica; anns: CollabClient; bobs: CollabClient }> {
    const server = await t.server();
    const roomId = t.room("presence");
    const ann = t.replica();
    const bob = t.replica();
    const anns = await t.connect(server);
    const bobs = await t.connect(server);
    await anns.join(roomId, ann);
    await bobs.join(roomId, bob);
    return { server, roomId, ann, bob, anns, bobs };
}

test("presence appears, changes, and disappears when its tab closes or its line breaks", async (t) => {
    const { server, roomId, ann, bob, bobs } = await pair(t);
    bob.show({ name: "Bob" });
    await until(() => ann.sees(bob)?.["name"] === "Bob", "Bob appears");
    bob.show({ name: "Bob", cursor: 7 });
    await until(() => ann.sees(bob)?.["cursor"] === 7, "Bob's cursor moves");

    const late = t.replica();
    const lates = await t.connect(server);
    await lates.join(roomId, late);
    await until(() => late.sees(bob)?.["cursor"] === 7, "a late joiner sees Bob");

    await bobs.close();
    await until(() => ann.sees(bob) === undefined && late.sees(bob) === undefined, "Bob is gone");

    late.show({ name: "Late" });
    await until(() => ann.sees(late)?.["name"] === "Late", "the late one appears");
    await lates.vanish();
    await until(() => ann.sees(late) === undefined, "a broken line takes its presence along");
});

test("a client that returns with the clock it left with is seen at once, and goes on being seen", async (t) => {
    const { server, roomId, ann, bob, bobs } = await pair(t);
    bob.show({ name: "Bob" });
    await until(() => ann.sees(bob) !== undefined, "Bob appears");
    const clock = bob.awareness.meta.get(bob.doc.clientID)!.clock;
    await bobs.vanish();
    await until(() => ann.sees(bob) === undefined, "Bob is gone");

    const again = await t.connect(server);
    assert.equal(bob.awareness.meta.get(bob.doc.clientID)!.clock, clock, "he shows no newer clock");
    await again.join(roomId, bob);
    await until(() => ann.sees(bob)?.["name"] === "Bob", "Bob is seen again");
    bob.show({ name: "Bob", cursor: 1 });
    await until(() => ann.sees(bob)?.["cursor"] === 1, "and his next change too");
    bob.show({ name: "Bob", cursor: 2 });
    await until(() => ann.sees(bob)?.["cursor"] === 2, "and the one after");
    /* he hears of himself at a clock above his own, and says that again; not for ever */
    const sent = bob.presenceSent;
    for (let i = 0; i < 10; i++) {
        ann.show({ cursor: i });
        await until(() => bob.sees(ann)?.["cursor"] === i, "time passes");
    }
    assert.ok(bob.presenceSent <= sent + 2, `said ${bob.presenceSent - sent} times more what was said`);
    await again.close();
    await until(() => ann.sees(bob) === undefined, "and goes again");
});

test("nobody can remove another's presence: a sleeper that wakes and declares all others gone does no harm", async (t) => {
    const { server, roomId, ann, bob, anns } = await pair(t);
    const eve = t.replica();
    const eves = await t.connect(server);
    await eves.join(roomId, eve);
    bob.show({ name: "Bob" });
    await until(() => ann.sees(bob) !== undefined && eve.sees(bob) !== undefined, "Bob appears");
    awarenessProtocol.removeAwarenessStates(eve.awareness, [bob.doc.clientID], "timeout");
    const removal = awarenessProtocol.encodeAwarenessUpdate(eve.awareness, [bob.doc.clientID]);
    await eves.sequenced("collab/awareness", { roomId, payloadB64: b64(removal) });
    ann.show({ name: "Ann" }); /* presence that comes after the forged removal */
    await until(() => bob.sees(ann) !== undefined, "presence still flows");
    bob.show({ name: "Bob", cursor: 1 });
    await until(() => ann.sees(bob)?.["cursor"] === 1, "Bob's next change");
    assert.deepEqual(
        ann.presence.filter((p) => mentionsRemoval(p, bob.doc.clientID)),
        [],
        "no removal of Bob was relayed",
    );
    await anns.quiet();
});

/** Whether an awareness update says that this client has gone. */
function mentionsRemoval(update: Uint8Array, clientID: number): boolean {
    const d = decoding.createDecoder(update);
    for (let left = decoding.readVarUint(d); left > 0; left--) {
        const id = decoding.readVarUint(d);
        decoding.readVarUint(d);
        if (decoding.readVarString(d) === "null" && id === clientID) {
            return true;
        }
    }
    return false;
}

test("clients that send back every state they know cause no flood", async (t) => {
    const server = await t.server();
    const roomId = t.room("echo");
    const people = Array.from({ length: 6 }, () => t.replica({ echo: true }));
    const rooms: Membership[] = [];
    for (const person of people) {
        rooms.push(await (await t.connect(server)).join(roomId, person));
    }
    const shows = 5;
    for (let i = 0; i < shows; i++) {
        for (const [n, person] of people.entries()) {
            person.show({ n, i });
        }
        await until(
            () => people.every((a) => people.every((b) => a === b || a.sees(b)?.["i"] === i)),
            "everybody sees the newest of everybody",
        );
    }
    const received = (): number => people.reduce((n, p) => n + p.presence.length, 0);
    await Promise.all(rooms.map((r) => r.client.quiet()));
    /* Each change is told once to each of the others, merged or not: never more than that. */
    const most = people.length * (people.length - 1) * (shows + 1) + people.length;
    assert.ok(received() <= most, `${received()} presence messages for ${shows} changes of each`);
    /* ... and then it is silent: what came back as echo travels no further. */
    await pause(300);
    const settled = received();
    await pause(700);
    assert.equal(received(), settled, "nothing circulates");
    const sent = people.reduce((n, p) => n + p.presenceSent, 0);
    assert.ok(sent > people.length * shows, "they did send back");
});

test("someone who stops renewing presence is gone for everybody after 30 s, though the line lives", async (t) => {
    if (!t.settings.patient) {
        t.skip("takes 35 s; run with --patient");
    }
    const { ann, bob, bobs } = await pair(t);
    bob.show({ name: "Bob" });
    await until(() => ann.sees(bob) !== undefined, "Bob appears");
    /* No renewals by him, no time-out at her: whatever happens now the server does. */
    for (const { awareness } of [ann, bob]) {
        clearInterval((awareness as unknown as { _checkInterval: NodeJS.Timeout })._checkInterval);
    }
    const start = performance.now();
    await until(() => ann.sees(bob) === undefined, "Bob times out at the server", 40_000);
    assert.ok(performance.now() - start > 25_000, "not before its time");
    assert.ok(bobs.line.live);
}, { ms: 60_000 });
