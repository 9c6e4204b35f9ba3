/* fixtures.ts: files that earlier releases have written, opened by the server of today: everything is
 * there, room by room, and what was damaged then is found now.
 */
import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Context, test } from "../support/suite.ts";
import { good, runTool } from "../support/tool.ts";
import { until } from "../support/wait.ts";

interface Room {
    version: number;
    text: string;
    map: unknown;
    versions: string[];
}

const place = join(dirname(fileURLToPath(import.meta.url)), "../fixtures");
const GAP = 10_000; /* a killed server's versions go on so far above */

/** A copy that may be written to. */
function copy(t: Context, format: string, which: string): string {
    const data = join(t.directory(), which);
    cpSync(join(place, format, which), data, { recursive: true });
    return data;
}

for (const format of readdirSync(place).filter((name) => name.startsWith("store-"))) {
    const rooms = JSON.parse(readFileSync(join(place, format, "expected.json"), "utf8")) as Record<string, Room>;

    for (const which of ["clean", "killed"]) {
        const gap = which === "killed" ? GAP : 0;

        test(`${format}: all rooms of the ${which} store are there, with a server and without`, async (t) => {
            const data = copy(t, format, which);
            const server = await t.start(["--workers", "2", "--data", data]);
            for (const [roomId, room] of Object.entries(rooms)) {
                const replica = t.replica();
                const client = await t.connect(server);
                const joined = await client.join(roomId, replica);
                await until(() => replica.text.toString() === room.text, `the text of ${roomId}`);
                assert.deepEqual(replica.doc.getMap("map").toJSON(), room.map);
                assert.deepEqual(replica.text.toDelta()[0], { insert: "Grüße", attributes: { bold: true } });
                assert.equal(joined.subscribed.version, room.version + gap);
                const versions = await client.request("collab/history.list", { roomId });
                const named = versions.filter((v: { label?: string }) => v.label !== undefined);
                assert.deepEqual(named.map((v: { label: string }) => v.label), room.versions);
                await client.close();
            }
            await server.stop();
            const verified = await good(t, "verify", "--data", data);
            assert.match(verified.err, new RegExp(`${Object.keys(rooms).length} rooms verified, 0 damaged`));
            for (const [roomId, room] of Object.entries(rooms)) {
                const dump = JSON.parse((await good(t, "dump", roomId, "--data", data)).out);
                assert.equal(dump.types.text.value, room.text);
                assert.ok(dump.waitingBytes > 0, "what waits for what it depends on is there");
            }
        });
    }

    test(`${format}: what is damaged in it is found, and the rest serves`, async (t) => {
        const data = copy(t, format, "damaged");
        const { code, out } = await runTool(t, ["verify", "--data", data]);
        assert.equal(code, 1);
        const damaged = out.trimEnd().split("\n").map((line) => line.split("\t")[1]);
        assert.deepEqual(damaged, ["folded-too", "journaled-too"]);
        const server = await t.start(["--workers", "2", "--data", data]);
        for (const roomId of Object.keys(rooms)) {
            const client = await t.connect(server);
            if (damaged.includes(roomId)) {
                await assert.rejects(client.join(roomId, t.replica()), /INTERNAL/);
            } else {
                await client.join(roomId, t.replica());
            }
            await client.close();
        }
    });
}
