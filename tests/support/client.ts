/* client.ts: a client of the JSON-RPC dialect, as an editor's provider would be: pipelined requests
 * with ids, a rising seq, resends under the same seq, notifications applied to the documents, local
 * edits sent as collab/update, offline edits brought in by collab/sync.
 *
 * It is a judge too: every notification's seq must be the next of its stream, and an error that the
 * test did not ask for is kept in `surprises`, which `quiet()` refuses to pass over.
 */
import type { Server } from "./server.ts";
import { type Link, Replica, type ReplicaOptions } from "./replica.ts";
import { Line, type LineOptions } from "./socket.ts";
import { happened, oddities, pace, until } from "./wait.ts";

export const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
export const unb64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

export class RpcError extends Error {
    readonly code: number;
    readonly data: Json;

    constructor(error: { code: number; message: string; data?: Json }) {
        super(error.message);
        this.code = error.code;
        this.data = error.data;
    }
}

interface Pending {
    resolve: (result: Json) => void;
    reject: (e: Error) => void;
    timer: NodeJS.Timeout | undefined;
}

const RESEND_MS = 2_000;
const RESENDS = 3;

/** One room on one connection. */
export class Membership implements Link {
    readonly client: CollabClient;
    readonly roomId: string;
    readonly replica: Replica;
    subscribed: Json;
    version = 0;
    /** Edits and syncs without an answer so far. */
    unanswered = 0;
    /** Versions that notifications carried: they never go back. */
    private lastSeq: number | undefined;
    private sid: string | undefined;

    constructor(client: CollabClient, roomId: string, replica: Replica) {
        this.client = client;
        this.roomId = roomId;
        this.replica = replica;
    }

    sendUpdate(update: Uint8Array): void {
        this.unanswered++;
        this.client
            .sequenced("collab/update", { roomId: this.roomId, payloadB64: b64(update) })
            .then((result) => {
                this.version = Math.max(this.version, result.version);
                return result.applied ? undefined : this.sync();
            })
            .catch((e: Error) => {
                if (e instanceof RpcError && e.code === 413) {
                    return this.sync();
                }
                this.client.surprise(e);
                return undefined;
            })
            .finally(() => {
                this.unanswered--;
                happened();
            });
    }

    /** Brings in what the server lacks, and fetches what we lack. */
    sync(): Promise<Json> {
        const { stateVector, state } = this.replica;
        return this.client.sequenced("collab/sync", {
            roomId: this.roomId,
            payloadB64: b64(state),
            stateVectorB64: b64(stateVector),
        });
    }

    sendAwareness(update: Uint8Array): void {
        this.unanswered++;
        this.client
            .sequenced("collab/awareness", { roomId: this.roomId, payloadB64: b64(update) })
            .catch((e: Error) => this.client.surprise(e))
            .finally(() => {
                this.unanswered--;
                happened();
            });
    }

    take(method: string, params: Json): void {
        if (method === "collab/room.closed") {
            this.client.out(this);
            return;
        }
        if (params.sid !== this.sid) {
            this.sid = params.sid;
            this.lastSeq = undefined;
        }
        if (this.lastSeq !== undefined && params.seq !== this.lastSeq + 1) {
            this.client.surprise(
                new Error(`${method} has seq ${params.seq} after ${this.lastSeq} in ${this.roomId}`),
            );
        }
        this.lastSeq = params.seq;
        if (method === "collab/update") {
            if (params.version < this.version && params.version < this.seenVersion) {
                this.client.surprise(new Error(`version ${params.version} after ${this.seenVersion}`));
            }
            this.seenVersion = params.version;
            this.replica.applyUpdate(unb64(params.payloadB64));
        } else {
            this.replica.applyAwareness(unb64(params.payloadB64));
        }
    }

    private seenVersion = 0;

    async leave(): Promise<void> {
        this.replica.link = undefined;
        await this.client.request("collab/unsubscribe", { roomId: this.roomId });
        this.client.rooms.delete(this.roomId);
    }
}

export interface ConnectOptions extends LineOptions {
    path?: string;
    protocols?: string[];
}

export class CollabClient {
    readonly server: Server;
    readonly line: Line;
    readonly rooms = new Map<string, Membership>();
    readonly surprises: Error[] = [];
    /** Everything that came in as text, parsed, when a test looks at the wire itself. */
    readonly inbox: Json[] = [];
    private readonly pending = new Map<string | number, Pending>();
    private lastId = 0;
    private lastSeq = 0;
    private over = false;

    protected constructor(server: Server, options: ConnectOptions) {
        this.server = server;
        this.line = new Line(server, options.path ?? "/collab/ws", options.protocols ?? ["mcp-json"], options);
        this.line.ws.on("message", (data: Buffer, binary: boolean) => {
            if (binary) {
                this.onBinary(new Uint8Array(data));
            } else {
                this.onText(data.toString());
            }
            happened();
        });
        this.line.ws.on("close", () => this.onClose());
    }

    static async connect(server: Server, options: ConnectOptions = {}): Promise<CollabClient> {
        const client = new CollabClient(server, options);
        await client.line.open();
        return client;
    }

    /* ---- requests ---- */

    nextSeq(): number {
        return ++this.lastSeq;
    }

    request(method: string, params?: Json): Promise<Json> {
        const id = ++this.lastId;
        const message = JSON.stringify({ jsonrpc: "2.0", id, method, params });
        return this.ask(id, message, false);
    }

    /** A request with a seq of its own; without an answer it is sent again under the same seq. */
    sequenced(method: string, params: Json): Promise<Json> {
        const id = ++this.lastId;
        const seq = this.nextSeq();
        return this.ask(id, JSON.stringify({ jsonrpc: "2.0", id, method, params: { seq, ...params } }), true);
    }

    notify(method: string, params?: Json): void {
        this.line.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
    }

    /** Sends text as it is; the answer with this id, or an error, settles the promise. */
    ask(id: string | number, text: string, resend = false): Promise<Json> {
        const answer = new Promise((resolve, reject) => {
            if (!this.line.live) {
                reject(new Error("not connected"));
                return;
            }
            const entry: Pending = { resolve, reject, timer: undefined };
            let sent = 1;
            const again = (): void => {
                if (sent++ <= RESENDS) {
                    this.line.send(text);
                    entry.timer = setTimeout(again, RESEND_MS * sent * pace.slowness);
                }
            };
            if (resend) {
                entry.timer = setTimeout(again, RESEND_MS * pace.slowness);
            }
            this.pending.set(id, entry);
            this.line.send(text);
        });
        answer.catch(() => undefined); /* whoever does not look at it has no stray rejection */
        return answer;
    }

    surprise(e: Error): void {
        if (!this.over) {
            this.surprises.push(e);
            oddities.push(e.message);
            happened();
        }
    }

    private settle(message: Json): boolean {
        const entry = this.pending.get(message.id);
        if (!entry) {
            return false;
        }
        this.pending.delete(message.id);
        clearTimeout(entry.timer);
        if (message.error) {
            entry.reject(new RpcError(message.error));
        } else {
            entry.resolve(message.result);
        }
        return true;
    }

    /** For resends an answer may come twice; so unknown ids are no surprise by themselves. */
    private onText(text: string): void {
        let message: Json;
        try {
            message = JSON.parse(text);
        } catch {
            this.surprise(new Error(`not JSON: ${text.slice(0, 200)} … ${text.slice(-80)}`));
            return;
        }
        this.inbox.push(message);
        for (const one of Array.isArray(message) ? message : [message]) {
            if (one.method !== undefined && one.id === undefined) {
                this.rooms.get(one.params.roomId)?.take(one.method, one.params);
            } else {
                this.settle(one);
            }
        }
    }

    protected onBinary(_frame: Uint8Array): void {
        this.surprise(new Error("a binary frame that nobody asked for"));
    }

    private onClose(): void {
        for (const room of this.rooms.values()) {
            if (room.replica.link === room) {
                room.replica.link = undefined;
            }
        }
        for (const entry of this.pending.values()) {
            clearTimeout(entry.timer);
            entry.reject(new Error(`closed: ${this.line.closed?.code} ${this.line.closed?.reason}`));
        }
        this.pending.clear();
        happened();
    }

    /* ---- rooms ---- */

    /** Joins without waiting; `joined` settles with subscribe's result. */
    enter(
        roomId: string,
        replica: Replica = new Replica(),
        params: Json = {},
    ): { room: Membership; joined: Promise<Json> } {
        const room = new Membership(this, roomId, replica);
        this.rooms.set(roomId, room);
        const joined = this.request("collab/subscribe", { roomId, ...params }).then((result) => {
            room.subscribed = result;
            room.version = result.version;
            return result;
        });
        replica.link = room;
        return { room, joined };
    }

    /** Joins as a provider does: subscribe, own state, own presence. */
    async join(roomId: string, replica?: Replica | ReplicaOptions, params: Json = {}): Promise<Membership> {
        const copy = replica instanceof Replica ? replica : new Replica(replica);
        const fresh = copy.state.length <= 2;
        const { room, joined } = this.enter(roomId, copy, {
            ...(fresh ? {} : { stateVectorB64: b64(copy.stateVector) }),
            ...params,
        });
        const synced = fresh ? undefined : room.sync();
        synced?.catch(() => undefined);
        const presence = copy.ownPresence();
        if (presence) {
            room.sendAwareness(presence);
        }
        await joined;
        await synced;
        return room;
    }

    /* ---- ends ---- */

    /** Waits until all that was sent is answered, and fails on what nobody expected. */
    async quiet(ms = 10_000): Promise<void> {
        await until(
            () => this.surprises.length > 0 || [...this.rooms.values()].every((r) => r.unanswered === 0),
            "answers to everything sent",
            ms,
        );
        if (this.surprises.length > 0) {
            throw this.surprises[0]!;
        }
    }

    /** Ends without looking at what is under way. */
    async close(): Promise<void> {
        this.end();
        await this.line.close();
        this.forget();
    }

    async vanish(): Promise<void> {
        this.end();
        await this.line.vanish();
        this.forget();
    }

    /** The server has put us out of a room. */
    out(room: Membership): void {
        this.rooms.delete(room.roomId);
        if (room.replica.link === room) {
            room.replica.link = undefined;
        }
    }

    private end(): void {
        this.over = true;
        for (const room of this.rooms.values()) {
            if (room.replica.link === room) {
                room.replica.link = undefined;
            }
        }
    }

    private forget(): void {
        for (const room of this.rooms.values()) {
            if (room.replica.link === undefined) {
                room.replica.forgetOthers();
            }
        }
    }
}
