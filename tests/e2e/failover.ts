/* failover.ts: a PostgreSQL server and its standby, to which every commit goes before it is answered. The
 * server goes, the standby takes over, and the nodes find it by themselves: nothing that was
 * acknowledged is lost, and nothing is there twice.
 */
import assert from "node:assert/strict";
import { CollabClient } from "../support/client.ts";
import { ROOM, Typist, kill, mortal, on, ready, typing, witness } from "../support/lane.ts";
import { Postgres, urlOf } from "../support/postgres.ts";
import { Redis, type Wire } from "../support/redis.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { pause, poll } from "../support/wait.ts";

const SAVES = 60; /* fewer than a room keeps */

/** A server and its standby, each behind a wire. */
class Pair {
    readonly first: Postgres;
    readonly second: Postgres;
    readonly wire: Wire;
    readonly secondWire: Wire;
    readonly url: string;
    /** Of the one that takes over alone. */
    readonly secondUrl: string;

    private constructor(first: Postgres, second: Postgres, wire: Wire, secondWire: Wire, secondUrl: string) {
        this.first = first;
        this.second = second;
        this.wire = wire;
        this.secondWire = secondWire;
        this.url = urlOf(wire, secondWire);
        this.secondUrl = secondUrl;
    }

    static async start(t: Context): Promise<Pair> {
        const first = await Postgres.start(t, "fsync=off", "synchronous_standby_names=*"); /* the machines stay up */
        const second = await Postgres.standby(t, first, "fsync=off");
        const [near, far] = [await first.wire(), await second.wire()];
        return new Pair(first, second, near.wire, far.wire, far.url);
    }
}

/** Somebody who saves versions one after the other, each with a name of its own. */
class Saver {
    readonly saved = new Set<string>();
    private client: CollabClient | undefined;
    private count = 0;

    async enter(t: Context, server: Server): Promise<void> {
        this.client = await CollabClient.connect(server);
        await this.client.join(ROOM, t.replica());
    }

    /** One; it may be refused. */
    async save(): Promise<void> {
        const label = `save ${++this.count}`;
        const answer = this.client!.request("collab/history.save", { roomId: ROOM, label });
        await answer.then(
            () => this.saved.add(label),
            () => undefined,
        );
    }

    async saving(end: Promise<unknown>): Promise<void> {
        let over = false;
        void end.finally(() => (over = true));
        while (!over && this.count < SAVES) {
            await this.save();
            await pause(20);
        }
        await end;
    }

    leave(): void {
        this.client!.line.ws.terminate();
    }
}

/** What is saved is there once, and what was refused at most once. */
async function onceEach(t: Context, server: Server, saved: Set<string>): Promise<void> {
    const client = await CollabClient.connect(server);
    await client.join(ROOM, t.replica());
    const list: { label: string }[] = await client.request("collab/history.list", { roomId: ROOM, limit: 100 });
    const labels = list.map((v) => v.label).filter((label) => label?.startsWith("save "));
    assert.equal(new Set(labels).size, labels.length, "no version is there twice");
    assert.deepEqual([...saved].filter((label) => !labels.includes(label)), [], "saved and lost");
    client.line.ws.terminate();
}

/** People on these nodes, who remember which versions they were told. */
class Crowd {
    readonly acknowledged = new Set<string>();
    readonly people: Typist[];
    private readonly nodes: Server[];
    private readonly told = new Map<Typist, number>();

    constructor(t: Context, nodes: Server[]) {
        this.nodes = nodes;
        this.people = ["ann", "bob", "cat", "dan"].map((name) => new Typist(t, name, this.acknowledged));
    }

    async enter(): Promise<void> {
        await Promise.all(
            this.people.map(async (one, i) => {
                const version = await one.enter(this.nodes[i % this.nodes.length]!);
                const before = this.told.get(one) ?? 0;
                assert.ok(version >= before, `version ${version} after ${before} was told`);
            }),
        );
    }

    leave(): void {
        this.people.forEach((one) => this.told.set(one, one.leave()));
    }

    /** The last that each has typed. */
    async acked(): Promise<void> {
        await poll(async () => this.people.every((one) => this.acknowledged.has(one.last)), "the last acknowledgements");
    }
}

const all = async (nodes: Server[], state: boolean, what: string, ms = 20_000): Promise<void> => {
    await poll(async () => (await Promise.all(nodes.map(ready))).every((r) => r === state), what, ms);
};

async function twoNodes(t: Context, url: string): Promise<Server[]> {
    const redis = await Redis.start(t);
    return [await mortal(t, url, { REDIS_URL: await redis.url() }), await mortal(t, url, { REDIS_URL: await redis.url() })];
}

/** All of it is in the database that took over. */
async function proof(t: Context, pair: Pair, nodes: Server[], crowd: Crowd, saver: Saver): Promise<void> {
    nodes.forEach((node) => assert.equal(node.exit, undefined, "no node has ended"));
    await Promise.all(nodes.map(kill));
    crowd.leave();
    saver.leave();
    assert.ok(crowd.acknowledged.size > 12 && saver.saved.size > 2, "something was acknowledged");
    const later = await t.start(["--workers", "2"], on(pair.secondUrl));
    await witness(later, crowd.acknowledged);
    await onceEach(t, later, saver.saved);
}

/** Nodes on the pair, and people who have typed there for a while. */
async function begin(t: Context, attributes: string) {
    const pair = await Pair.start(t);
    const nodes = await twoNodes(t, `${pair.url}${attributes}`);
    const crowd = new Crowd(t, nodes);
    const saver = new Saver();
    const busy = (end: Promise<unknown>) => Promise.all([typing(t, crowd.people, end), saver.saving(end)]);
    await Promise.all([crowd.enter(), saver.enter(t, nodes[0]!)]);
    await busy(pause(300));
    return { pair, nodes, crowd, saver, busy };
}

/** `take` ends the first server's time; everybody goes on all the while. */
async function failover(
    t: Context,
    attributes: string,
    take: (pair: Pair) => Promise<void>,
    after: (pair: Pair, nodes: Server[]) => Promise<void> = async () => undefined,
): Promise<void> {
    const { pair, nodes, crowd, saver, busy } = await begin(t, attributes);
    await busy(take(pair));
    await busy(all(nodes, false, "not ready while there is no database that takes writes"));
    await busy(pair.second.promote().then(() => all(nodes, true, "ready on the other server")));
    await after(pair, nodes);
    crowd.leave();
    await crowd.enter();
    await busy(pause(200));
    await crowd.acked();
    await proof(t, pair, nodes, crowd, saver);
}

test(
    "the database server dies with its machine while people type, its standby takes over, and the nodes find it",
    (t) =>
        failover(t, "&target_session_attrs=read-write", async (pair) => {
            await pair.wire.lose(); /* what is committed next is answered, and the answer does not arrive */
            await pair.first.kill();
        }),
    { ms: 60_000 },
);

test(
    "the database server is made read-only and its standby takes over: no node stays with the old one, which is up",
    (t) => failover(t, "&target_session_attrs=any", async (pair) => pair.first.set("default_transaction_read_only=on")),
    { ms: 60_000 },
);

test(
    "the old database server comes back and takes writes, as nobody has told it not to: nodes that have left it leave it alone",
    (t) =>
        failover(
            t,
            "",
            (pair) => pair.first.kill(),
            async (pair, nodes) => {
                await pair.first.run();
                pair.secondWire.cut(); /* and the old one is the first in the list */
                await all(nodes, true, "ready on the right one");
            },
        ),
    { ms: 60_000 },
);

test(
    "the machine of the database server hangs, its standby takes over, and it wakes up: no node goes back to it, nothing is lost",
    async (t) => {
        if (!t.settings.patient) {
            t.skip("a hung server is given up after 30 s, see --patient");
        }
        const { pair, nodes, crowd, saver, busy } = await begin(t, "");
        pair.first.freeze();
        await typing(t, crowd.people, pause(200));
        await pair.second.promote();
        await all(nodes, false, "not ready, as commits hang");
        await all(nodes, true, "ready on the other server", 60_000);
        pair.first.thaw();
        crowd.leave();
        await crowd.enter();
        await busy(pause(500));
        await crowd.acked();
        await proof(t, pair, nodes, crowd, saver);
    },
    { ms: 90_000 },
);
