/* tls.ts: wss and https, as old clients, new ones and strangers try them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import { Door, SECRET, certificate, folder } from "../support/door.ts";
import { RawSocket, upgradeRequest } from "../support/raw.ts";
import { converged } from "../support/replica.ts";
import { MARK, type Server } from "../support/server.ts";
import { test } from "../support/suite.ts";
import { poll, until } from "../support/wait.ts";
import { web } from "../support/web.ts";

interface Handshake {
    version: string | null;
    subject: string | undefined;
    error: string | undefined;
}

function handshake(server: Server, options: { minVersion?: "TLSv1.2" | "TLSv1.3" | "TLSv1" | "TLSv1.1"; maxVersion?: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3"; ciphers?: string }): Promise<Handshake> {
    return new Promise((resolve) => {
        const tls = tlsConnect({ port: server.port, host: "127.0.0.1", rejectUnauthorized: false, ...options }, () => {
            resolve({ version: tls.getProtocol(), subject: tls.getPeerCertificate().subject?.CN, error: undefined });
            tls.destroy();
        });
        tls.on("error", (e) => resolve({ version: null, subject: undefined, error: e.message }));
    });
}

test("TLS: wss and https with a certificate, 1.2 and 1.3, nothing older, and plain HTTP is told so", async (t) => {
    if (spawnSync("openssl", ["version"]).error) {
        t.skip("no openssl to make a certificate with");
    }
    const pair = certificate(folder(t), "first");
    const door = await Door.own(t, ["--tls-cert", pair.cert, "--tls-key", pair.key]);
    const roomId = t.room();
    const person = door.person(roomId, "write");
    const client = await door.connect(person, { ca: pair.pem });
    const replica = t.replica();
    await client.join(roomId, replica);
    const other = await door.connect(door.person(roomId, "read"), { ca: pair.pem });
    const copy = t.replica();
    await other.join(roomId, copy);
    replica.append(`${MARK} `.repeat(20_000 / 17)); /* more than one record */
    await client.quiet();
    for (let i = 0; i < 50; i++) {
        replica.append("x".repeat(700));
        await client.quiet();
    }
    await converged([replica, copy]);
    const minted = await web(door.server, `/collab/ws-token?roomId=${encodeURIComponent(roomId)}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${person.token}` },
        ca: pair.pem,
    });
    assert.equal(minted.status, 200);
    assert.match(minted.json.url, /^wss:/);

    assert.equal((await handshake(door.server, { minVersion: "TLSv1.3" })).version, "TLSv1.3");
    assert.equal((await handshake(door.server, { maxVersion: "TLSv1.2" })).version, "TLSv1.2");
    for (const version of ["TLSv1.1", "TLSv1"] as const) {
        const old = await handshake(door.server, { minVersion: version, maxVersion: version, ciphers: "ALL:@SECLEVEL=0" });
        assert.equal(old.version, null, `${version} is refused`);
    }
    for (const ciphers of ["aNULL:eNULL:@SECLEVEL=0", "RC4:3DES:@SECLEVEL=0"]) {
        const weak = await handshake(door.server, { maxVersion: "TLSv1.2", ciphers }).catch(() => ({ version: null }));
        assert.equal(weak.version, null, ciphers);
    }

    const raw = await RawSocket.open(door.server, t.address());
    t.defer(() => raw.destroy());
    raw.write(upgradeRequest("/collab/ws"));
    const head = await raw.head();
    assert.match(head, /^HTTP\/1\.1 (400|426)/);
    await until(() => raw.ended, "the end");
    assert.match(raw.rest(), /TLS|https|wss/i, "it says what would be right");

    const noise = await RawSocket.open(door.server, t.address());
    t.defer(() => noise.destroy());
    noise.write(t.rng.bytes(2000));
    await until(() => noise.ended, "noise is no TLS");
    await client.request("ping");
}, { tsan: true });

test("TLS: SIGHUP serves the new certificate to new connections, old ones live on, and a bad one changes nothing", async (t) => {
    if (spawnSync("openssl", ["version"]).error) {
        t.skip("no openssl to make a certificate with");
    }
    const dir = folder(t);
    const [first, second] = [certificate(dir, "first"), certificate(dir, "second")];
    const live = { cert: join(dir, "live.crt"), key: join(dir, "live.key") };
    const put = (pair: { cert: string; key: string }): void => {
        copyFileSync(pair.cert, live.cert);
        copyFileSync(pair.key, live.key);
    };
    put(first);
    const door = await Door.own(t, ["--tls-cert", live.cert, "--tls-key", live.key]);
    const roomId = t.room();
    const old = await door.connect(door.person(roomId, "write"), { ca: first.pem });
    const ann = t.replica();
    await old.join(roomId, ann);
    assert.equal((await handshake(door.server, {})).subject, "first");
    put(second);
    for (let i = 0; i < 8; i++) {
        assert.equal((await handshake(door.server, {})).subject, "first", "not before it is asked to");
    }
    door.server.signal("SIGHUP");
    await poll(async () => {
        const seen = await Promise.all(Array.from({ length: 24 }, () => handshake(door.server, {})));
        return seen.every((h) => h.subject === "second");
    }, "the new certificate, by all workers");
    ann.append("the old connection lives");
    await old.quiet();
    const fresh = await door.connect(door.person(roomId, "read"), { ca: second.pem });
    const bob = t.replica();
    await fresh.join(roomId, bob);
    await converged([ann, bob]);
    assert.equal(old.line.closed, undefined);

    copyFileSync(first.key, live.key); /* a key that does not fit */
    const lines = door.server.log.length;
    door.server.signal("SIGHUP");
    await until(() => door.server.log.slice(lines).some((l) => /TLS_(KEY|CERT)/.test(l)), "the log names what is wrong");
    assert.equal((await handshake(door.server, {})).subject, "second");
}, { tsan: true });

test("what is on disk after the start does not matter until SIGHUP: no worker serves another certificate, and none serves plain HTTP", async (t) => {
    const dir = folder(t);
    const pair = certificate(dir, "first");
    const door = await Door.own(t, ["--tls-cert", pair.cert, "--tls-key", pair.key, "--workers", "4"]);
    rmSync(pair.cert);
    rmSync(pair.key);
    const plain: string[] = [];
    for (let i = 0; i < 16; i++) {
        const raw = await RawSocket.open(door.server, t.address());
        raw.write("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        await until(() => raw.ended, "the end");
        plain.push(/^HTTP\/1\.1 200/.test(raw.rest()) ? "200 without TLS" : "refused");
        raw.destroy();
        assert.equal((await handshake(door.server, {})).subject, "first");
    }
    assert.deepEqual([...new Set(plain)], ["refused"]);
    const lines = door.server.log.length;
    door.server.signal("SIGHUP");
    await until(() => door.server.log.slice(lines).some((l) => /TLS_(KEY|CERT)/.test(l)), "the log says what is missing");
    for (let i = 0; i < 8; i++) {
        assert.equal((await handshake(door.server, {})).subject, "first");
    }
});

test("a renewed certificate is read at SIGHUP, by all workers, also when nobody connects meanwhile; half of a renewed pair is not", async (t) => {
    const dir = folder(t);
    const [first, second] = [certificate(dir, "first"), certificate(dir, "second")];
    const live = { cert: join(dir, "live.crt"), key: join(dir, "live.key") };
    copyFileSync(first.cert, live.cert);
    copyFileSync(first.key, live.key);
    const door = await Door.own(t, ["--tls-cert", live.cert, "--tls-key", live.key, "--workers", "4"]);
    const reload = async (): Promise<void> => {
        const lines = door.server.log.length;
        door.server.signal("SIGHUP");
        await until(() => door.server.log.slice(lines).some((l) => JSON.parse(l).event === "RELOAD"), "the reload is done");
    };
    const subjects = async (): Promise<(string | undefined)[]> => {
        const seen = await Promise.all(Array.from({ length: 32 }, () => handshake(door.server, {})));
        return [...new Set(seen.map((h) => h.subject))];
    };
    copyFileSync(second.cert, live.cert); /* and the key is still the old one */
    await reload();
    assert.deepEqual(await subjects(), ["first"]);
    copyFileSync(second.key, live.key);
    await reload();
    rmSync(live.cert); /* whoever reads only now finds nothing */
    rmSync(live.key);
    assert.deepEqual(await subjects(), ["second"]);
}, { tsan: true });

test("the server does not start with a certificate that is none, or only half of the pair", async (t) => {
    const dir = folder(t);
    const pair = certificate(dir, "first");
    const other = certificate(dir, "other");
    for (const flags of [
        ["--tls-cert", pair.cert],
        ["--tls-key", pair.key],
        ["--tls-cert", pair.cert, "--tls-key", other.key],
        ["--tls-cert", pair.key, "--tls-key", pair.key],
        ["--tls-cert", join(dir, "none"), "--tls-key", pair.key],
    ]) {
        await assert.rejects(t.start(flags, { guarded: true, env: { JWT_SECRET: SECRET } }), /TLS_(CERT|KEY)/, flags.join(" "));
    }
});

