/* door.ts: a server that wants tokens, the issuer it trusts, and people who come with what it issued. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MuxClient, type MuxRoom, ShortClient } from "./binary.ts";
import { CollabClient, type ConnectOptions, type Json, type Membership, RpcError } from "./client.ts";
import { PlainClient } from "./plain.ts";
import { Replica } from "./replica.ts";
import { MARK, type Server } from "./server.ts";
import type { Context } from "./suite.ts";
import { Issuer, secretKey } from "./tokens.ts";

export const SECRET = `${MARK} is the secret of these tests`;
export const WORKSPACE = "e2e";

/** A folder for the files of one test. */
export function folder(t: Context): string {
    const path = mkdtempSync(join(tmpdir(), "collabd-door-"));
    t.defer(() => rmSync(path, { recursive: true, force: true }));
    return path;
}

/** A certificate of our own for 127.0.0.1, made by the openssl program. */
export function certificate(dir: string, name: string): { cert: string; key: string; pem: string } {
    const cert = join(dir, `${name}.crt`);
    const key = join(dir, `${name}.key`);
    const made = spawnSync("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert],
    ]);
    assert.equal(made.status, 0, made.stderr?.toString());
    return { cert, key, pem: readFileSync(cert, "utf8") };
}

export interface Person {
    user: string;
    token: string;
    from: string;
}

/** A person on a connection, in a room. */
export interface Member extends Person {
    client: CollabClient;
    room: Membership;
    replica: Replica;
}

export class Door {
    readonly t: Context;
    readonly server: Server;
    readonly issuer: Issuer;
    readonly auditFile: string | undefined;

    private constructor(t: Context, server: Server, auditFile: string | undefined) {
        this.t = t;
        this.server = server;
        this.auditFile = auditFile;
        this.issuer = new Issuer(secretKey(SECRET));
    }

    /** A server of this test's own; what has no secret must bring keys by its flags. */
    static async own(t: Context, flags: string[] = [], env: Record<string, string> = { JWT_SECRET: SECRET }): Promise<Door> {
        const at = flags.indexOf("--audit-file");
        const given = flags.includes("--workers") ? flags : ["--workers", "2", ...flags];
        const server = await t.start(given, { guarded: true, env });
        return new Door(t, server, at < 0 ? undefined : flags[at + 1]!);
    }

    /** One to a server that has been started with the secret of these tests. */
    static to(t: Context, server: Server): Door {
        return new Door(t, server, undefined);
    }

    token(claims: Json = {}, header: Json = {}): string {
        return this.issuer.token(claims, header);
    }

    /** Somebody who may do this in the room, or with these claims, from an address of his own. */
    person(roomId: string, role: string, claims: Json = {}): Person {
        const user = claims.sub ?? this.t.user(role);
        const rooms = role === "none" ? { "ws:other/*": "read" } : { [roomId]: role };
        return { user, token: this.token({ rooms, workspaceId: WORKSPACE, ...claims, sub: user }), from: this.t.address() };
    }

    async connect(person: Person, options: ConnectOptions = {}): Promise<CollabClient> {
        const client = await CollabClient.connect(this.server, {
            from: person.from,
            headers: { Authorization: `Bearer ${person.token}` },
            ...options,
        });
        this.t.defer(() => client.line.ws.terminate());
        return client;
    }

    async join(roomId: string, role: string, claims: Json = {}, replica = this.t.replica()): Promise<Member> {
        const person = this.person(roomId, role, claims);
        const client = await this.connect(person);
        const room = await client.join(roomId, replica);
        return { ...person, client, room, replica };
    }

    async joinShort(roomId: string, role: string, claims: Json = {}): Promise<Person & { client: ShortClient; replica: Replica }> {
        const person = this.person(roomId, role, claims);
        const client = await ShortClient.connect(this.server, { from: person.from, path: `/collab/ws?token=${person.token}` });
        this.t.defer(() => client.line.ws.terminate());
        const replica = this.t.replica();
        await client.join(roomId, replica);
        return { ...person, client, replica };
    }

    async joinMux(roomId: string, role: string, claims: Json = {}): Promise<Person & { client: MuxClient; room: MuxRoom; replica: Replica }> {
        const person = this.person(roomId, role, claims);
        const client = await MuxClient.connect(this.server, { from: person.from, path: `/collab/ws?auth=${person.token}` });
        this.t.defer(() => client.line.ws.terminate());
        const replica = this.t.replica();
        const room = await client.joinMux(roomId, replica);
        return { ...person, client, room, replica };
    }

    async joinPlain(roomId: string, role: string, claims: Json = {}): Promise<Person & { client: PlainClient; replica: Replica }> {
        const person = this.person(roomId, role, claims);
        const replica = this.t.replica();
        const path = `/ws?roomId=${encodeURIComponent(roomId)}&token=${person.token}`;
        const client = await PlainClient.connect(this.server, roomId, replica, path, { from: person.from });
        this.t.defer(() => client.line.ws.terminate());
        await client.synced();
        return { ...person, client, replica };
    }

    /** The lines of the audit so far. */
    audit(): Json[] {
        return readFileSync(this.auditFile!, "utf8")
            .split("\n")
            .filter((line) => line)
            .map((line) => JSON.parse(line));
    }
}

/** The error that a request gets. */
export async function refusal(request: Promise<Json>): Promise<RpcError> {
    let result: Json;
    try {
        result = await request;
    } catch (e) {
        if (e instanceof RpcError) {
            return e;
        }
        throw e;
    }
    throw new Error(`no error but ${JSON.stringify(result)}`);
}
