/* partition.ts: the network between a node and the rest of the cluster is gone: nothing is refused,
 * nothing is closed, packets just vanish. Each node goes on for its own clients and says what it
 * lacks, nobody is told that something lasts which does not, and when the network is back all agree
 * by themselves.
 */
import assert from "node:assert/strict";
import { CollabClient } from "../support/client.ts";
import { health } from "../support/cluster.ts";
import { SECRET } from "../support/door.ts";
import { Typist, said, witness } from "../support/lane.ts";
import { type Machine, connections, networked } from "../support/network.ts";
import { Postgres } from "../support/postgres.ts";
import { Redis } from "../support/redis.ts";
import { MARK, Server } from "../support/server.ts";
import type { Context } from "../support/suite.ts";
import { Issuer, secretKey } from "../support/tokens.ts";
import { pause, poll, until } from "../support/wait.ts";

const issuer = new Issuer(secretKey(SECRET));
const pass = (sub: string) => ({
    headers: { Authorization: `Bearer ${issuer.token({ sub, rooms: { "ws:e2e/*": "write" }, workspaceId: "e2e" })}` },
});
const ready = async (server: Server): Promise<boolean> => (await fetch(server.http("/readyz"))).status === 200;
const says = (server: Server, event: string): boolean => server.log.some((line) => line.includes(`"${event}"`));

/* A room that the first node has open when it is cut off. */
const OTHER = "ws:e2e/elsewhere";

/** Two nodes on machines of their own, Redis and PostgreSQL on a third, and two people on each node. */
class Site {
    readonly acknowledged = new Set<string>();
    readonly typists: Typist[] = [];
    private readonly homes: Server[] = [];
    private readonly t: Context;
    private constructor(
        t: Context,
        readonly machines: Machine[],
        readonly servers: Server[],
    ) {
        this.t = t;
    }

    /** `mortal`: no clean end is asked of the first node. */
    static async make(t: Context, machines: Machine[], { mortal = false } = {}): Promise<Site> {
        const postgres = Postgres.made(t, "fsync=off", "listen_addresses=*");
        postgres.write("pg_hba.conf", "local all all trust\nhost all all 10.78.0.0/16 trust\n");
        await postgres.run();
        await Redis.start(t, "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no");
        const servers: Server[] = [];
        for (const m of machines) {
            const env = {
                JWT_SECRET: SECRET,
                REDIS_URL: `redis://${m.hub}:6379`,
                COLLAB_STORE: `postgres://admin:${MARK}@${m.hub}/postgres?sslmode=disable`,
            };
            const flags = ["--workers", "2", "--bus-compare-ms", "1000", "--drain-ms", "1000"];
            const options = { guarded: true, env, ...m.options };
            const first = mortal && servers.length === 0;
            servers.push(first ? await Server.start(t.settings.program, flags, options) : await t.start(flags, options));
            t.defer(() => servers[0]!.kill());
        }
        const site = new Site(t, machines, servers);
        await site.whole();
        for (const [i, name] of ["ann", "bob", "cat", "dan"].entries()) {
            const one = new Typist(t, name, site.acknowledged, pass(name));
            site.typists.push(one);
            await one.enter((site.homes[i] = site.servers[i % 2]!)); /* ann and cat on the first, bob and dan on the second */
        }
        return site;
    }

    /** Versions have not gone back on this connection, which ends; the highest. */
    private leave(one: Typist): number {
        const { heard } = one;
        assert.ok(heard.every((v, i) => i === 0 || v >= heard[i - 1]!), `versions do not go back: ${heard.join(" ")}`);
        return one.leave();
    }

    /** With what they have, to another node. */
    async move(one: Typist, to: Server): Promise<void> {
        this.leave(one);
        this.homes[this.typists.indexOf(one)] = to;
        await one.enter(to);
    }

    /** Both nodes are well and know each other. */
    async whole(): Promise<void> {
        for (const server of this.servers) {
            await poll(async () => (await ready(server)) && (await health(server)).cluster === "serving", "it serves", 30_000);
            await poll(async () => (await health(server)).nodes === 2, "it knows the other");
        }
    }

    /** Everybody types until `end` resolves. */
    async typing(end: Promise<unknown>): Promise<void> {
        let over = false;
        void end.finally(() => (over = true)).catch(() => undefined);
        while (!over) {
            this.typists.forEach((one) => !one.refused && one.type(this.t.rng));
            await pause(100 + this.t.rng.below(100)); /* who gets no answer sends again: rates hold */
        }
        await end;
    }

    /** Who was refused something comes back with what they have; then all have the same, and it lasts. */
    async agree(): Promise<void> {
        for (const [i, one] of this.typists.entries()) {
            if (one.refused) {
                await this.move(one, this.homes[i]!);
            }
        }
        await this.typing(pause(100));
        await poll(async () => this.typists.every((one) => this.acknowledged.has(one.last)), "the last acknowledgements");
        const state = (one: Typist): Buffer => Buffer.from(one.replica.stateVector);
        await until(() => this.typists.every((one) => state(one).equals(state(this.typists[0]!))), "the same for everybody");
    }

    /** Both end well, and a third that comes later has all of it. */
    async end(): Promise<void> {
        assert.ok(this.typists.every((one) => one.heard.length > 0), "everybody has heard of others");
        const told = Math.max(...this.typists.map((one) => this.leave(one)));
        await Promise.all(this.servers.map((server) => server.stop()));
        const [m] = this.machines;
        const env = { JWT_SECRET: SECRET, COLLAB_STORE: `postgres://admin:${MARK}@${m!.hub}/postgres?sslmode=disable` };
        const later = await this.t.start(["--workers", "1"], { guarded: true, env, ...m!.options });
        assert.ok((await witness(later, this.acknowledged, pass("eve"))) >= told, "versions do not go back");
    }
}

/** What follows from the machine's silence, in time. */
async function noticed(site: Site): Promise<void> {
    const [cut, other] = site.servers as [Server, Server];
    await Promise.all([
        poll(async () => (await health(cut)).cluster === "cut off" && (await cut.metric("collab_bus_up")) === 0, "it says that it is cut off", 5_000),
        poll(async () => !(await ready(cut)), "it is not ready, as nothing lasts there", 8_000),
        poll(async () => (await health(other)).nodes === 1, "the other one misses it", 10_000),
    ]);
    assert.ok(await ready(other), "the other one is well");
    assert.equal((await health(other)).cluster, "serving");
}

/** Which of what the first node's people typed from `key` on has been acknowledged. */
function acknowledgedFrom(site: Site, key: string): string[] {
    const number = (k: string): number => Number(k.split("-")[1]);
    return [...site.acknowledged].filter((k) => /^(ann|cat)/.test(k) && number(k) >= number(key));
}

/** Whether an idle connection to PostgreSQL would be tried within seconds, from either end. */
function lookedAfter(machines: Machine[]): boolean {
    const all = connections(5432, machines);
    return all.length >= 8 && all.every((line) => /timer:\(keepalive,[\d.]+(ms|sec),/.test(line));
}

networked("two nodes that a silent network parts go on, say so, and agree when it is back", 2, async (t, machines) => {
    const site = await Site.make(t, machines);
    const elsewhere = await CollabClient.connect(site.servers[0]!, pass("eve"));
    await elsewhere.join(OTHER);
    await poll(async () => lookedAfter(machines), "both ends of each connection to PostgreSQL look after it");
    const [ann, bob, cat, dan] = site.typists as [Typist, Typist, Typist, Typist];
    await site.typing(pause(300));
    await site.agree();
    machines[0]!.part();
    site.typists.forEach((one) => one.type(t.rng));
    const [parted, apart] = [ann.last, bob.last];
    await site.typing(noticed(site));
    assert.ok(said(cat.replica).has(parted) && said(dan.replica).has(apart), "each node serves its own");
    assert.ok(!said(bob.replica).has(parted) && !said(ann.replica).has(apart), "and nothing passes between them");
    assert.ok(site.acknowledged.has(apart), "what can be stored is acknowledged");
    assert.deepEqual(acknowledgedFrom(site, parted), [], "and what cannot is not");
    const opens = await CollabClient.connect(site.servers[1]!, pass("fay"));
    await opens.join(OTHER);
    assert.equal(await site.servers[1]!.metric("collab_bus_late_total"), 0, "a room that opens does not wait for a node that is missed");
    machines[0]!.heal();
    await site.typing(site.whole());
    await site.agree();
    await site.end();
});

networked(
    "a node whose words arrive, and the answers do not, gives its database up in time, and nothing is lost or acknowledged in vain",
    2,
    async (t, machines) => {
        const site = await Site.make(t, machines);
        const [ann, , cat] = site.typists as [Typist, Typist, Typist];
        machines[0]!.deafen();
        site.typists.forEach((one) => one.type(t.rng));
        const parted = ann.last;
        const server = site.servers[0]!;
        await site.typing(Promise.all([noticed(site), until(() => says(server, "STORE-FAILING"), "it gives its database up", 25_000)]));
        await until(() => ann.refused, "who writes is told so");
        const kept = (): string[] => connections(5432, []).filter((line) => line.startsWith("ESTAB") && line.includes(machines[0]!.data));
        await poll(async () => kept().length === 0, "the database has let go of the sessions that it lost");
        assert.deepEqual(acknowledgedFrom(site, parted), [], "nothing is acknowledged");
        await site.move(cat, site.servers[1]!);
        assert.ok(site.acknowledged.has(cat.last), "who goes elsewhere brings along what was not acknowledged");
        machines[0]!.heal();
        await site.typing(site.whole());
        assert.ok(says(server, "STORE-RECOVERED"));
        await site.agree();
        await site.end();
    },
    { patient: true, ms: 120_000 },
);

networked(
    "a node that is told to end while it is cut off ends in time and says so, and its people bring that elsewhere",
    2,
    async (t, machines) => {
        const site = await Site.make(t, machines, { mortal: true });
        const [ann, bob, cat, dan] = site.typists as [Typist, Typist, Typist, Typist];
        const [cut, other] = site.servers as [Server, Server];
        machines[0]!.part();
        await site.typing(pause(300));
        cut.signal("SIGTERM");
        await until(() => cut.exit !== undefined, "its end", 20_000);
        assert.equal(cut.exit!.code, 1);
        assert.ok(says(cut, "STORE-STUCK") || says(cut, "STORE-LOST"), "it says that not all was written");
        await site.move(ann, other);
        await site.move(cat, other);
        await poll(async () => [ann, cat].every((one) => site.acknowledged.has(one.last)), "what they brought is acknowledged");
        await until(() => [bob, dan].every((one) => said(one.replica).has(ann.last) && said(one.replica).has(cat.last)), "the others have it");
        await until(() => [ann, cat].every((one) => said(one.replica).has(bob.last)), "and they what was typed meanwhile");
    },
    { patient: true, ms: 120_000 },
);
