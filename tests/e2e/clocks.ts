/* clocks.ts: nodes of a cluster whose clocks are wrong, and are set while people work. Nothing that
 * nodes agree on is told by the time of day: what lasts a while is told as how long, what stands in
 * the database by the database's clock. Only tokens name a time, and each node judges them by its own.
 */
import assert from "node:assert/strict";
import { type RpcError, b64 } from "../support/client.ts";
import { Clock, HOUR, MINUTE } from "../support/clock.ts";
import { type Node, agree, health, node, scribble } from "../support/cluster.ts";
import { Door, type Member } from "../support/door.ts";
import { collected } from "../support/otlp.ts";
import { Postgres } from "../support/postgres.ts";
import { Redis } from "../support/redis.ts";
import { Source } from "../support/source.ts";
import type { Context } from "../support/suite.ts";
import { test } from "../support/suite.ts";
import { seconds } from "../support/tokens.ts";
import { poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";

/** Of a token that is good by any of these clocks. */
const LONG = { iat: seconds(-7200), exp: seconds(3 * 3600) };

interface Place extends Node {
    clock: Clock;
    door: Door;
}

/** Nodes whose clocks are ahead by so many milliseconds; the last one may be killed. */
async function places(t: Context, redis: Redis, ahead: number[], env: Record<string, string> = {}): Promise<Place[]> {
    const all: Place[] = [];
    for (const [i, ms] of ahead.entries()) {
        const clock = new Clock(t, ms);
        const one = await node(t, redis, { guarded: true, mortal: i === ahead.length - 1, env: { ...clock.env, ...env } });
        all.push({ ...one, clock, door: Door.to(t, one.server) });
    }
    await poll(async () => (await Promise.all(all.map((p) => health(p.server)))).every((h) => h.nodes === all.length), "all know each other");
    return all;
}

/** What the server takes for the time, by its log. */
const says = (p: Place): number => Date.parse(JSON.parse(p.server.log[p.server.log.length - 1]!).ts);

/** Their text is taken, or refused. */
async function write(member: Member, roomId: string): Promise<number> {
    const answer = member.client.sequenced("collab/update", { roomId, payloadB64: b64(member.replica.state) });
    return answer.then(
        () => 0,
        (e: RpcError) => e.code,
    );
}

test(
    "nodes an hour ahead, an hour behind and right edit together, and go on when their clocks are set",
    async (t) => {
        const redis = await Redis.start(t);
        const postgres = await Postgres.start(t, "fsync=off");
        const all = await places(t, redis, [HOUR, 0, -HOUR], { COLLAB_STORE: postgres.url });
        const [early, right, late] = all as [Place, Place, Place];
        assert.ok(says(early) > Date.now() + HOUR / 2 && says(late) < Date.now() - HOUR / 2, "their clocks are wrong");
        const told = all.map((p) => p.server.log.some((line) => line.includes('"CLOCK-OFF"')));
        assert.deepEqual(told, [true, false, true], "whose clock is not the database's says so");

        const roomId = t.room();
        const members = await Promise.all(all.map((p) => p.door.join(roomId, "write", LONG)));
        const [ann, bob, cat] = members as [Member, Member, Member];
        members.forEach((one) => one.replica.show({ user: { name: one.user } }));
        const seen = (): boolean => members.every((a) => members.every((b) => a.replica.sees(b.replica) !== undefined));
        await until(seen, "everybody sees everybody");
        await scribble(t, members, 60);
        await agree(members);

        /* versions have their times from the database's clock */
        for (const p of all) {
            const who = p.door.person(roomId, "write", LONG);
            const path = `/history/${encodeURIComponent(roomId)}`;
            const answer = await web(p.server, path, { method: "POST", headers: { Authorization: `Bearer ${who.token}` }, body: JSON.stringify({ label: "x" }) });
            assert.equal(answer.status, 200, answer.text);
            assert.ok(Math.abs(answer.json.meta.createdAt - Date.now()) < MINUTE, `and they are right: ${answer.text}`);
        }

        /* what is to last two seconds lasts two seconds, everywhere */
        const admin = await early.door.join(roomId, "admin", LONG);
        const since = performance.now();
        await admin.client.request("collab/room.mute", { roomId, userId: cat.user, muted: true, durationSec: 2 });
        const kicked = await admin.client.request("collab/room.kick", { roomId, userId: bob.user, banSec: 2 });
        assert.equal(kicked.kicked, 1);
        assert.equal(await write(cat, roomId), 403, "muted on the node that is behind");
        const again = async (p: Place): Promise<number> => {
            const client = await p.door.connect({ user: bob.user, token: p.door.token({ ...LONG, sub: bob.user, rooms: { [roomId]: "write" } }), from: t.address() });
            return client.request("collab/subscribe", { roomId }).then(
                () => 0,
                (e: RpcError) => e.code,
            );
        };
        assert.deepEqual(await Promise.all(all.map(again)), [403, 403, 403], "banned on all");
        await poll(async () => (await write(cat, roomId)) === 0, "she may write again", 5_000);
        await poll(async () => (await again(late)) === 0, "and he come in again", 5_000);
        assert.ok(performance.now() - since > 1_900, "and not before");

        /* all clocks are set: nobody is missed, and nothing ends */
        early.clock.set(-HOUR);
        right.clock.set(HOUR);
        late.clock.set(0);
        const rest = [ann, cat];
        rest.forEach((one) => (one.client.surprises.length = 0));
        await scribble(t, rest, 60);
        await agree(rest);
        assert.ok(ann.replica.sees(cat.replica) && cat.replica.sees(ann.replica), "they still see each other");
        assert.ok(all.every((p) => !p.server.log.some((line) => line.includes('"NODE-DOWN"'))), "no node was missed");

        /* a node that dies is missed in the time that is promised */
        const died = performance.now();
        late.server.kill();
        await until(() => ann.replica.sees(cat.replica) === undefined, "her presence goes", 10_000);
        assert.ok(performance.now() - died > 2_000, "and not at once");
    },
    { ms: 40_000, tsan: true },
);

test("spans have the time of day as the clock says it now, also when it has been set", async (t) => {
    const source = await Source.start(() => ({ body: "{}" }));
    t.defer(() => source.down());
    const clock = new Clock(t, 0);
    const server = await t.start(["--workers", "1", "--trace-sample", "0"], { env: { ...clock.env, COLLAB_OTLP_URL: new URL(source.url).origin } });
    clock.set(HOUR);
    const client = await t.connect(server);
    const roomId = t.room();
    await client.join(roomId, t.replica());
    const writer = t.replica();
    writer.append("x");
    const traceparent = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
    await client.request("collab/update", { roomId, seq: 7, payloadB64: b64(writer.state), _meta: { traceparent } });
    await until(() => collected(source).length > 0, "a span", 15_000);
    const ahead = collected(source)[0]!.start / 1e6 - Date.now();
    assert.ok(Math.abs(ahead - HOUR) < MINUTE, `${ahead} ms ahead`);
});

test("a wsToken is remembered as long as any node may take it for good, with clocks seven minutes off", async (t) => {
    const redis = await Redis.start(t);
    const [early, late] = (await places(t, redis, [7 * MINUTE, -7 * MINUTE])) as [Place, Place];
    const roomId = t.room();
    const exp = seconds(7 * 60 + 20);
    const token = early.door.token({ aud: "collab-ws", nonce: "n-1", sub: "ann", room: roomId, roomId, rooms: { [roomId]: "write" }, workspaceId: "e2e", iat: seconds(-3600), exp });
    const enter = async (p: Place) => (await p.door.connect({ user: "ann", token, from: t.address() })).request("collab/subscribe", { roomId });
    await enter(early);
    await assert.rejects(enter(late), /has opened another connection/);
    const left = Number(await redis.command("TTL", "claim:n-1"));
    assert.ok(left >= exp + 30 - (seconds() - 7 * 60), `it is forgotten after ${left} s`);
});
