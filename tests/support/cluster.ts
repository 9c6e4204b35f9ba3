/* cluster.ts: several servers on one Redis, each on a wire of its own, and people on them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CollabClient, Membership } from "./client.ts";
import { SECRET } from "./door.ts";
import type { Redis, Wire } from "./redis.ts";
import { type Replica, converged } from "./replica.ts";
import { Server } from "./server.ts";
import type { Context } from "./suite.ts";
import { pause, poll } from "./wait.ts";

const COMPARE_MS = 1000;

export interface Node {
    server: Server;
    wire: Wire;
    data: string;
}

export interface NodeOptions {
    compareMs?: number;
    /** It will be killed: no clean end is asked of it. */
    mortal?: boolean;
    /** Who may come in is decided by tokens. */
    guarded?: boolean;
    flags?: string[];
    /** The address of Redis, or of several, instead of a wire's. */
    url?: (wire: Wire) => string;
    env?: Record<string, string>;
    /** Nodes that there are already. */
    others?: number;
}

/** A node on a wire of its own, with a store of its own. */
export async function node(t: Context, redis: Redis, o: NodeOptions = {}): Promise<Node> {
    const wire = await redis.wire();
    const data = mkdtempSync(join(tmpdir(), "collabd-cluster-"));
    t.defer(() => rmSync(data, { recursive: true, force: true }));
    const compare = String(o.compareMs ?? COMPARE_MS);
    const flags = ["--workers", "2", "--data", data, "--bus-compare-ms", compare, ...(o.flags ?? [])];
    const env: Record<string, string> = { REDIS_URL: o.url?.(wire) ?? `redis://127.0.0.1:${wire.port}`, ...o.env };
    if (o.guarded) {
        env.JWT_SECRET = SECRET;
    }
    const options = { env, guarded: o.guarded ?? false };
    const server = o.mortal ? await Server.start(t.settings.program, flags, options) : await t.start(flags, options);
    t.defer(() => (o.mortal ? server.kill() : undefined));
    await serving(server);
    return { server, wire, data };
}

/** A node whose worker stands still from `stall` until `release`; what listens to Redis does not. It has one
 * worker, as only those stand still that have accepted a connection. */
export async function sleeper(t: Context, redis: Redis, o: NodeOptions = {}): Promise<Node & { stall: () => void; release: () => void }> {
    const library = join(dirname(t.settings.program), "tests/support/libstalled_worker.so");
    const file = join(t.directory(), "stalled");
    const flags = [...(o.flags ?? []), "--workers", "1"];
    const one = await node(t, redis, { ...o, flags, env: { ...o.env, LD_PRELOAD: library, STALLED_WORKER: file } });
    const release = (): void => rmSync(file, { force: true });
    t.defer(release);
    return { ...one, release, stall: () => writeFileSync(file, "") };
}

export const health = async (server: Server) =>
    (await (await fetch(server.http("/collab/health"))).json()) as { cluster: string; nodes: number };

export async function serving(server: Server): Promise<void> {
    await poll(async () => (await health(server)).cluster === "serving", "the node is on the bus");
}

/** Nodes that know each other; only the first is mortal. */
export async function nodes(t: Context, redis: Redis, count: number, o: NodeOptions = {}): Promise<Node[]> {
    const all: Node[] = [];
    for (let i = 0; i < count; i++) {
        all.push(await node(t, redis, i === 0 ? o : { ...o, mortal: false }));
    }
    for (const one of all) {
        await poll(async () => (await health(one.server)).nodes === count + (o.others ?? 0), "all nodes know each other");
    }
    return all;
}

export interface Person {
    client: CollabClient;
    room: Membership;
    replica: Replica;
}

export async function person(t: Context, server: Server, room: string, replica = t.replica()): Promise<Person> {
    const client = await t.connect(server);
    return { client, room: await client.join(room, replica), replica };
}

export const people = (t: Context, all: Node[], room: string): Promise<Person[]> =>
    Promise.all(all.map((n) => person(t, n.server, room)));

export async function scribble(t: Context, all: Person[], rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
        all.forEach((one) => t.rng.chance(0.6) && one.replica.scribble(t.rng));
        await pause(t.rng.below(6));
    }
}

export async function agree(all: Person[], ms?: number): Promise<void> {
    await Promise.all(all.map((one) => one.client.quiet()));
    await converged(
        all.map((one) => one.replica),
        ms,
    );
}

export const sum = async (all: Node[], metric: string): Promise<number> =>
    (await Promise.all(all.map((n) => n.server.metric(metric)))).reduce((a, b) => a + b);
