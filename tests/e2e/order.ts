/* order.ts: what holds on one node holds on all: who is put out, banned or muted, whose token has been
 * revoked or used, who is in the room. How often somebody may act: shares.ts.
 */
import assert from "node:assert/strict";
import { b64 } from "../support/client.ts";
import { type Node, nodes, serving } from "../support/cluster.ts";
import { type Member, WORKSPACE, refusal, Door } from "../support/door.ts";
import { Redis } from "../support/redis.ts";
import { type Context, test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";

/** Nodes that want tokens, with a door each. */
async function doors(t: Context, redis: Redis, count: number): Promise<{ all: Node[]; at: Door[] }> {
    const all = await nodes(t, redis, count, { guarded: true });
    return { all, at: all.map((n) => Door.to(t, n.server)) };
}

const insert = (member: Member, text: string): void => member.replica.append(text);

test("an admin on one node puts out, bans and mutes people on another", async (t) => {
    const redis = await Redis.start(t);
    const { at } = await doors(t, redis, 3);
    const roomId = t.room();
    const admin = await at[0]!.join(roomId, "admin");
    const bob = await at[1]!.join(roomId, "write");
    const eve = await at[1]!.join(roomId, "write");
    await until(() => admin.room.subscribed !== undefined, "all are in");
    const kicked = await admin.client.request("collab/room.kick", { roomId, userId: bob.user, reason: "noise", banSec: 60 });
    assert.equal(kicked.kicked, 1, "counted over all nodes");
    await until(() => !bob.client.rooms.has(roomId), "bob is out");
    for (const door of at) {
        const again = await door.connect({ user: bob.user, token: door.token({ sub: bob.user, rooms: { [roomId]: "write" } }), from: t.address() });
        const error = await refusal(again.request("collab/subscribe", { roomId }));
        assert.equal(error.code, 403, "banned on every node, also where the room was not open");
    }
    await admin.client.request("collab/room.mute", { roomId, userId: eve.user, muted: true });
    const muted = await refusal(eve.client.sequenced("collab/update", { roomId, payloadB64: b64(eve.replica.state) }));
    assert.equal(muted.code, 403);
    await admin.client.request("collab/room.mute", { roomId, userId: eve.user, muted: false });
    insert(eve, "heard again");
    await until(() => admin.replica.text.toString() === "heard again", "eve is heard again");
}, { tsan: true });

test("an order that was given while a node could not hear it holds there when it is back", async (t) => {
    const redis = await Redis.start(t);
    const { all, at } = await doors(t, redis, 2);
    const roomId = t.room();
    const admin = await at[0]!.join(roomId, "admin");
    const eve = await at[1]!.join(roomId, "write");
    all[1]!.wire.part();
    await admin.client.request("collab/room.mute", { roomId, userId: eve.user, muted: true });
    all[1]!.wire.heal();
    await serving(all[1]!.server);
    await poll(async () => {
        const answer = eve.client.sequenced("collab/update", { roomId, payloadB64: b64(eve.replica.state) });
        return (await answer.catch((e: { code: number }) => e)).code === 403;
    }, "the mute holds");
    eve.client.surprises.length = 0;
}, { tsan: true });

test("room.info tells who is in the room on all nodes", async (t) => {
    const redis = await Redis.start(t);
    const { at } = await doors(t, redis, 3);
    const roomId = t.room();
    const admin = await at[0]!.join(roomId, "admin");
    const others = [await at[1]!.join(roomId, "write"), await at[2]!.join(roomId, "read"), await at[2]!.join(roomId, "write")];
    const info = await admin.client.request("collab/room.info", { roomId });
    assert.equal(info.participants, 4);
    assert.deepEqual(info.roles, { read: 1, write: 2, admin: 1 });
    const names = info.users.map((u: { userId: string }) => u.userId).sort();
    assert.deepEqual(names, [admin, ...others].map((m) => m.user).sort());
}, { tsan: true });

test("a token revoked on one node is good on none, also on those that come later", async (t) => {
    const redis = await Redis.start(t);
    const { at } = await doors(t, redis, 2);
    const roomId = t.room();
    const bob = await at[1]!.join(roomId, "write");
    const operator = at[0]!.token({ rooms: { "*": "admin" } });
    const answer = await fetch(at[0]!.server.http("/collab/revoke"), {
        method: "POST",
        headers: { Authorization: `Bearer ${operator}` },
        body: JSON.stringify({ sub: bob.user }),
    });
    assert.equal(answer.status, 200);
    await until(() => bob.client.line.closed?.code === 1008, "bob's connection on the other node is closed");
    const late = Door.to(t, (await nodes(t, redis, 1, { guarded: true, others: 2 }))[0]!.server);
    await poll(async () => {
        const client = await late.connect({ ...bob, from: t.address() });
        await until(() => client.line.closed !== undefined || client.line.live, "an answer");
        const refused = await client.request("collab/subscribe", { roomId }).then(
            () => false,
            () => true,
        );
        client.line.ws.terminate();
        return refused;
    }, "it is refused on the node that has come");
}, { tsan: true });

test("a wsToken opens one connection on all nodes together", async (t) => {
    const redis = await Redis.start(t);
    const { at } = await doors(t, redis, 2);
    const roomId = t.room();
    const wsToken = (): string =>
        at[0]!.token({ aud: "collab-ws", nonce: `n-${t.rng.next()}`, room: roomId, roomId, rooms: { [roomId]: "write" }, workspaceId: WORKSPACE });
    const join = async (door: Door, token: string): Promise<boolean> => {
        const client = await door.connect({ user: "", token, from: t.address() });
        return client.request("collab/subscribe", { roomId }).then(
            () => true,
            () => false,
        );
    };
    const first = wsToken();
    assert.equal(await join(at[0]!, first), true);
    assert.equal(await join(at[1]!, first), false, "used on the other node");
    const second = wsToken();
    const both = await Promise.all([join(at[0]!, second), join(at[1]!, second)]);
    assert.equal(both.filter((ok) => ok).length, 1, "one of two at the same time");
    redis.signal("SIGSTOP");
    assert.equal(await join(at[1]!, wsToken()), true, "when Redis does not answer, this node decides");
    redis.signal("SIGCONT");
}, { tsan: true });
