/* shares.ts: how often somebody may act, in all of a cluster. A limit is one for all nodes while they
 * have Redis, and is dealt out among them while they have not. Whoever presses gets what the contract
 * says for the time that it took: the burst, and what is refilled meanwhile.
 */
import assert from "node:assert/strict";
import { type CollabClient, type RpcError, b64 } from "../support/client.ts";
import { health, nodes } from "../support/cluster.ts";
import { Door } from "../support/door.ts";
import { Redis } from "../support/redis.ts";
import { type Context, test } from "../support/suite.ts";
import { pause, poll } from "../support/wait.ts";

type Act = () => Promise<unknown>;

/** Acts that a limit is about. */
interface Limit {
    name: string;
    /** At once, and a second after that. */
    burst: number;
    perSecond: number;
    ms: number;
    /** Those who press on one node: how each acts once. */
    crowd: (t: Context, door: Door, common: Common) => Promise<Act[]>;
}

/** What those on all nodes have in common. */
interface Common {
    room: string;
    user: string;
}

const nothing = b64(new Uint8Array([0, 0]));

/* In turn by four connections, as one that is refused often is read no more. */
const ofUser: Limit = {
    name: "a user's rate",
    burst: 200,
    perSecond: 40,
    ms: 3000,
    crowd: async (_t, door, { room, user }) => {
        const members = await Promise.all([1, 2, 3, 4].map(() => door.join(room, "write", { sub: user })));
        let turn = 0;
        return [() => members[turn++ % members.length]!.client.sequenced("collab/update", { roomId: room, payloadB64: nothing })];
    },
};

/* A sync costs two points: 4,000 at once, 2,000 a second. So many users that they could do more, also
 * when each of them has only a third of what users have. */
const ofRoom: Limit = {
    name: "a room's rate",
    burst: 2000,
    perSecond: 1000,
    ms: 3000,
    crowd: (_t, door, { room }) =>
        Promise.all(
            Array.from({ length: 45 }, async () => {
                const { client } = await door.join(room, "write");
                return () => client.sequenced("collab/sync", { roomId: room, stateVectorB64: "AA==" });
            }),
        ),
};

const ofJoins: Limit = {
    name: "a user's rate of joining",
    burst: 20,
    perSecond: 20 / 60,
    ms: 3500,
    crowd: async (t, door, { user }) => {
        const client: CollabClient = await door.connect(door.person("", "none", { rooms: { "ws:e2e/*": "write" }, sub: user }));
        return [() => client.request("collab/subscribe", { roomId: t.room() })];
    },
};

/** Acts until the end, waiting as long as it is told to; how many passed. */
async function press(act: Act, end: number): Promise<number> {
    let taken = 0;
    while (performance.now() < end) {
        const wait = await act().then(
            () => 0,
            (e: RpcError) => {
                assert.equal(e.code, 429);
                return Math.max(e.data.retryAfterMs, 150);
            },
        );
        taken += wait ? 0 : 1;
        await (wait ? pause(Math.min(wait, Math.max(0, end - performance.now()))) : undefined);
    }
    return taken;
}

const total = (taken: number[]): number => taken.reduce((a, b) => a + b, 0);

/** Everybody on these nodes presses at the same time; what passed on each, and what may pass in all. */
async function pressAll(t: Context, at: Door[], limit: Limit, ms = limit.ms): Promise<{ taken: number[]; allowed: number; said: string }> {
    const common = { room: t.room(), user: t.user() };
    const crowds = await Promise.all(at.map((door) => limit.crowd(t, door, common)));
    const start = performance.now();
    const taken = await Promise.all(crowds.map(async (crowd) => total(await Promise.all(crowd.map((act) => press(act, start + ms))))));
    const allowed = limit.burst + (limit.perSecond * (performance.now() - start)) / 1000;
    return { taken, allowed, said: `${limit.name}: ${taken.join(" + ")} of ${allowed.toFixed(1)}` };
}

/** To a tenth; less than an act more or less is none. */
function isTenth(taken: number, allowed: number, said: string): void {
    assert.ok(taken > allowed * 0.9 - 1 && taken < allowed * 1.1 + 1, said);
}

/** Nodes that want tokens, with a door each. */
async function doors(t: Context, redis: Redis, count: number): Promise<{ all: Awaited<ReturnType<typeof nodes>>; at: Door[] }> {
    const all = await nodes(t, redis, count, { guarded: true });
    return { all, at: all.map((n) => Door.to(t, n.server)) };
}

for (const limit of [ofUser, ofRoom, ofJoins]) {
    test(
        `${limit.name} is one for all of three nodes, within ten per cent`,
        async (t) => {
            const { at } = await doors(t, await Redis.start(t), 3);
            const { taken, allowed, said } = await pressAll(t, at, limit);
            isTenth(total(taken), allowed, said);
        },
        { ms: 60_000 },
    );

    test(
        `${limit.name} is dealt out among three nodes while Redis is away`,
        async (t) => {
            const redis = await Redis.start(t);
            const { all, at } = await doors(t, redis, 3);
            await redis.kill();
            for (const n of all) {
                await poll(async () => (await n.server.metric("collab_bus_up")) === 0, "the node has noticed");
            }
            const { taken, allowed, said } = await pressAll(t, at, limit, limit.ms / 2);
            taken.forEach((one) => isTenth(one, allowed / 3, said));
        },
        { ms: 60_000 },
    );
}

test("no message waits for Redis: while it holds back its answers, what somebody does is acknowledged", async (t) => {
    const { all, at } = await doors(t, await Redis.start(t), 2);
    const room = t.room();
    const member = await at[0]!.join(room, "write");
    all[0]!.wire.hold();
    for (let i = 0; i < ofUser.burst / 8; i++) {
        await member.client.sequenced("collab/update", { roomId: room, payloadB64: nothing });
    }
    assert.equal((await health(all[0]!.server)).cluster, "serving", "and the node takes it for well");
    all[0]!.wire.release();
});

test("somebody on one of several nodes may act as fast as on a single one", async (t) => {
    const { at } = await doors(t, await Redis.start(t), 2);
    const { taken, allowed, said } = await pressAll(t, [at[0]!], ofUser);
    isTenth(taken[0]!, allowed, said);
});
