/* store.ts: `collabd store`: what an operator can do with what is stored, whether a server runs or not. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as Y from "yjs";
import { CollabClient } from "../support/client.ts";
import { Replica } from "../support/replica.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { good, runTool } from "../support/tool.ts";
import { until } from "../support/wait.ts";

const start = (t: Context, data: string): Promise<Server> => t.start(["--workers", "2", "--data", data]);

/** Somebody who has typed this into a room, and knows that it lasts. */
async function write(t: Context, server: Server, room: string, text: string): Promise<{ client: CollabClient; replica: Replica }> {
    const replica = t.replica();
    const client = await t.connect(server);
    await client.join(room, replica);
    replica.append(text);
    await client.quiet();
    return { client, replica };
}

/** What a newcomer sees in a room. */
async function look(t: Context, server: Server, room: string, expected: string): Promise<void> {
    const replica = t.replica();
    const client = await t.connect(server);
    await client.join(room, replica);
    await until(() => replica.text.toString() === expected, `${room} says ${expected}`);
    await client.close();
}

const lines = (out: string): string[][] =>
    out
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t"));

/** What a command does, with a server on the directory and then without. */
async function bothWays(server: Server, prove: (running: boolean) => Promise<void>): Promise<void> {
    await prove(true);
    await server.stop();
    await prove(false);
}

test("rooms are listed, dumped and verified, on a running store and on a stopped one", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    const ann = await write(t, server, "ws:w/notes", "Grüße");
    ann.replica.text.format(0, 2, { bold: true });
    ann.replica.doc.getMap("map").set("answer", 42);
    await ann.client.quiet();
    await write(t, server, "other", "x");
    await bothWays(server, async (running) => {
        const [head, ...rooms] = lines((await good(t, "list", "--data", data)).out);
        assert.deepEqual(head, ["version", "journal", "bytes", "changed", "room"]);
        assert.deepEqual(rooms.map((r) => r[4]), ["other", "ws:w/notes"]);
        assert.equal(rooms[1]![0], "3");
        assert.ok(Math.abs(Date.parse(rooms[1]![3]!) - Date.now()) < 600_000);

        const dump = JSON.parse((await good(t, "dump", "ws:w/notes", "--data", data)).out);
        assert.equal(dump.room, "ws:w/notes");
        assert.equal(dump.version, 3);
        assert.equal(dump.types.text.value, "Grüße");
        assert.deepEqual(dump.types.text.delta, ann.replica.text.toDelta());
        assert.deepEqual(dump.types.map, { type: "map", value: { answer: 42 } });

        const verified = await good(t, "verify", "--data", data);
        assert.equal(verified.out, "");
        assert.match(verified.err, /2 rooms verified, 0 damaged/);
        assert.equal(/A server has the store/.test(verified.err), running);
    });
    assert.equal(existsSync(join(data, "control.sock")), false, "nothing is left behind");
}, { tsan: true });

test("an export is plain update files that yjs loads; importing them is idempotent and reaches who is there", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    const long = "a/b:c@d.".repeat(25); /* 200 bytes, 350 when encoded: more than a file's name may have */
    const texts = new Map([["ws:w/notes", "one"], [".hidden", "two"], [long, "three"]]);
    for (const [room, text] of texts) {
        await write(t, server, room, text);
    }
    const exported = [join(t.directory(), "v1"), join(t.directory(), "v2")];
    await bothWays(server, async (running) => {
        const to = exported[running ? 0 : 1]!;
        await good(t, "export", to, "--data", data, ...(running ? [] : ["--v2"]));
        const version = running ? "v1" : "v2";
        const file = readFileSync(join(to, `ws%3Aw%2Fnotes.${version}.yjs`));
        const doc = new Y.Doc();
        (running ? Y.applyUpdate : Y.applyUpdateV2)(doc, file);
        assert.equal(doc.getText("text").toString(), "one");
        assert.ok(readdirSync(to).includes(`%2Ehidden.${version}.yjs`));
    });

    /* into an empty store, then again, then into a running one in which somebody has typed meanwhile */
    const fresh = join(t.directory(), "fresh");
    assert.match((await good(t, "import", exported[1]!, "--data", fresh)).err, /3 rooms imported, 0 had it all, 0 failed/);
    assert.match((await good(t, "import", exported[0]!, "--data", fresh)).err, /0 rooms imported, 3 had it all, 0 failed/);
    const again = await start(t, fresh);
    for (const [room, text] of texts) {
        await look(t, again, room, text);
    }
    const bob = await write(t, again, "new", "bob");
    const doc = new Y.Doc();
    doc.getText("text").insert(0, "ann+");
    const update = join(t.directory(), "update");
    writeFileSync(update, Y.encodeStateAsUpdateV2(doc));
    await good(t, "import", update, "--room", "new", "--v2", "--data", fresh);
    await until(() => ["bobann+", "ann+bob"].includes(bob.replica.text.toString()), "what was imported reaches who is there");
    assert.match((await good(t, "import", update, "--room", "new", "--v2", "--data", fresh)).err, /0 rooms imported, 1 had it all/);
    again.signal("SIGKILL"); /* it was acknowledged, so it lasts */
    await until(() => again.exit !== undefined, "its end");
    again.exit = { code: 0, signal: null };
    const last = await start(t, fresh);
    await look(t, last, "new", bob.replica.text.toString());
}, { tsan: true });

test("a backup taken while people type has what was acknowledged before, and a server starts from it", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    const { client, replica } = await write(t, server, "room", "before ");
    const seen = replica.text.toString();
    let typing = true;
    const typist = (async (): Promise<void> => {
        for (let i = 0; typing; i++) {
            replica.append(`${i} `);
            replica.doc.getMap("map").set("page", "x".repeat(20_000)); /* so that the room is folded, too */
            await client.quiet();
        }
    })();
    const to = join(t.directory(), "backup");
    const backups = [`${to}-1`, `${to}-2`, `${to}-3`];
    for (const path of backups) {
        await good(t, "backup", path, "--data", data);
    }
    typing = false;
    await typist;
    assert.deepEqual(readdirSync(backups[2]!).sort(), ["journal.db", "rooms.db"]);
    assert.equal(statSync(backups[2]!).mode & 0o777, 0o700);
    for (const path of backups) {
        assert.match((await good(t, "verify", "--data", path)).err, /1 rooms verified, 0 damaged/);
        const restored = await start(t, path);
        const witness = t.replica();
        await (await t.connect(restored)).join("room", witness);
        await until(() => witness.text.toString().startsWith(seen), "what was acknowledged before");
        assert.ok(replica.text.toString().startsWith(witness.text.toString()), "and nothing else");
        await restored.stop();
    }
    const twice = await runTool(t, ["backup", backups[0]!, "--data", data]);
    assert.equal(twice.code, 1);
    assert.match(twice.err, /no backup was made: .* is there already/);
    const nowhere = await runTool(t, ["backup", "/proc/nowhere/backup", "--data", data]);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.err, /no backup was made: \/proc\/nowhere\/backup/);
}, { tsan: true });

test("compacting folds every journal and gives space back, while people go on", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    const { client, replica } = await write(t, server, "room", "");
    for (let i = 0; i < 400; i++) {
        replica.append(`${i} ${"y".repeat(300)}`);
    }
    await client.quiet();
    await bothWays(server, async (running) => {
        await good(t, "compact", "--data", data);
        const rooms = lines((await good(t, "list", "--data", data)).out).slice(1);
        assert.equal(rooms[0]![1], "0", "no updates in the journal");
        if (running) {
            replica.append("more");
            await client.quiet();
            await look(t, server, "room", replica.text.toString());
        } else {
            assert.ok(statSync(join(data, "journal.db")).size < 64 * 1024);
        }
    });
    await look(t, await start(t, data), "room", replica.text.toString());
}, { tsan: true });

/** Changes a byte of a text wherever it stands in a file. */
function spoil(path: string, text: string): void {
    const bytes = readFileSync(path);
    let at = bytes.indexOf(text);
    assert.ok(at >= 0, `${text} is in ${path}`);
    for (; at >= 0; at = bytes.indexOf(text)) {
        bytes[at]! ^= 1;
    }
    writeFileSync(path, bytes);
}

test("verify names the damaged rooms, and the server refuses only these", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    const writers = ["good", "bad", "worse"].map((room) => write(t, server, room, `needle-${room}`));
    const clients = await Promise.all(writers);
    clients.push(await write(t, server, "old", "needle-old"));
    await clients[3]!.client.request("collab/history.save", { roomId: "old", label: "needle-label" });
    server.signal("SIGKILL"); /* so that the journal still has the updates as they came */
    await until(() => server.exit !== undefined, "its end");
    server.exit = { code: 0, signal: null };
    clients.forEach(({ client }) => client.line.ws.terminate());
    await good(t, "list", "--data", data); /* the log becomes part of the file */
    spoil(join(data, "journal.db"), "needle-bad");
    spoil(join(data, "journal.db"), "needle-worse");
    spoil(join(data, "rooms.db"), "needle-label"); /* of a version; the room itself is whole */

    const verify = async (): Promise<void> => {
        const { code, out, err } = await runTool(t, ["verify", "--data", data]);
        assert.equal(code, 1);
        assert.deepEqual(lines(out).map((l) => l.slice(0, 2)), [["damaged", "bad"], ["damaged", "old"], ["damaged", "worse"]]);
        assert.match(out, /row \d+ of the journal has a wrong sum/);
        assert.match(out, /version \d+ has a wrong sum/);
        assert.match(err, /4 rooms verified, 3 damaged/);
    };
    await verify();
    const again = await start(t, data);
    await verify();
    await look(t, again, "good", "needle-good");
    await look(t, again, "old", "needle-old");
    const client = await t.connect(again);
    await assert.rejects(client.join("bad", t.replica()), /INTERNAL/);
    await good(t, "dump", "good", "--data", data);
    const dump = await runTool(t, ["dump", "bad", "--data", data]);
    assert.equal(dump.code, 1);
    assert.match(dump.err, /^collabd store: bad: row \d+ of the journal/m);
    const exported = await runTool(t, ["export", join(t.directory(), "out"), "--data", data]);
    assert.equal(exported.code, 1);
    assert.match(exported.err, /2 rooms exported, 2 failed/);
    assert.equal((await fetch(again.http("/readyz"))).status, 200);
});

test("what cannot be done is said in a sentence, and changes nothing", async (t) => {
    const data = t.directory();
    const empty = t.directory();
    const server = await start(t, data);
    await write(t, server, "room", "text");
    const odd = join(t.directory(), "odd");
    mkdirSync(odd);
    writeFileSync(join(odd, "notes.txt"), "no update");
    writeFileSync(join(odd, "room.v1.yjs"), "no update");
    const nothing = join(odd, "..", "nothing");
    writeFileSync(nothing, Y.encodeStateAsUpdate(new Y.Doc()));
    const cases: [string[], number, RegExp][] = [
        [[], 2, /what is to be done\?/],
        [["lits"], 2, /lits: there is no such command/],
        [["list", "extra"], 2, /list takes nothing more/],
        [["dump"], 2, /dump takes ROOM/],
        [["export"], 2, /export takes DIRECTORY/],
        [["list", "--verbose"], 2, /--verbose: there is no such option/],
        [["list", "--data"], 2, /--data: needs a value/],
        [["list", "--data", ""], 2, /--data/],
        [["list", "--data", "memory"], 2, /keeps nothing/],
        [["export", "x", "--room", "y"], 2, /--room NAME goes with import/],
        [["list", "--data", empty], 1, /there is no store in .*: No such file/],
        [["verify", "--data", join(empty, "none")], 1, /there is no store in/],
        [["dump", "nobody's", "--data", data], 1, /nobody's: there is no such room/],
        [["verify", "nobody", "--data", data], 1, /1 rooms verified, 1 damaged/],
        [["import", join(empty, "none"), "--data", data], 1, /No such file/],
        [["import", odd, "--data", data], 1, /notes.txt: passed over: .*\n(.*\n)*.*0 rooms imported, 0 had it all, 2 failed/],
        [["import", join(odd, "notes.txt"), "--room", "room", "--data", data], 1, /notes.txt: byte \d+: /],
        [["import", nothing, "--room", "a b", "--data", data], 1, /a b is no room name/],
        [["import", nothing, "--room", "a b", "--data", join(empty, "made")], 1, /a b is no room name/],
    ];
    for (const [args, code, says] of cases) {
        const result = await runTool(t, args);
        assert.equal(result.code, code, `${args.join(" ")}: ${result.err}`);
        assert.match(result.err, says, args.join(" "));
    }
    const database = await runTool(t, ["list"], { COLLAB_STORE: "postgres://127.0.0.1:1/none" });
    assert.equal(database.code, 2);
    assert.match(database.err, /PostgreSQL database \(--store\), which has tools of its own/);
    assert.deepEqual(readdirSync(empty), ["made"]);
    await look(t, server, "room", "text");
    for (const args of [["--help"], ["list", "--help"], ["--print-man"]]) {
        assert.match((await good(t, ...args)).out, /collabd/);
    }
});

test("only the owner can use the socket; one that is left over is in nobody's way", async (t) => {
    const data = t.directory();
    const server = await start(t, data);
    await write(t, server, "room", "text");
    assert.equal(statSync(join(data, "control.sock")).mode & 0o777, 0o600);
    server.signal("SIGKILL");
    await until(() => server.exit !== undefined, "its end");
    server.exit = { code: 0, signal: null };
    assert.ok(existsSync(join(data, "control.sock")));
    assert.match((await good(t, "list", "--data", data)).out, /\troom\n/);
    const deep = join(data, "d".repeat(120)); /* longer than a socket's address */
    mkdirSync(deep);
    const again = await start(t, deep);
    await write(t, again, "room", "text");
    assert.match((await good(t, "list", "--data", deep)).out, /^1\t1\t.*\troom$/m);
});
