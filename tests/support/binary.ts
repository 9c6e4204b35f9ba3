/* binary.ts: clients of the mcp-binary dialect. Control is JSON-RPC on the same socket; data are
 * frames of a tag and raw Yjs bytes, in the short form for a connection in one room, in the long form
 * (mux) with channel and seq for many.
 */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as Y from "yjs";
import { CollabClient, type ConnectOptions, type Json, type Membership } from "./client.ts";
import { type Link, Replica } from "./replica.ts";
import type { Server } from "./server.ts";
import { happened, until } from "./wait.ts";

export const TAG = { update: 0x01, awareness: 0x02, sync: 0x03, heartbeat: 0x10 } as const;
export const MUX = { update: 0x81, awareness: 0x82, sync: 0x83, ack: 0x84, refusal: 0x85 } as const;

export function tagged(tag: number, payload: Uint8Array): Uint8Array {
    const frame = new Uint8Array(1 + payload.length);
    frame[0] = tag;
    frame.set(payload, 1);
    return frame;
}

/** The short form: exactly one subscription. */
export class ShortClient extends CollabClient implements Link {
    room: Membership | undefined;
    readonly frames: Uint8Array[] = [];

    static override async connect(server: Server, options: ConnectOptions = {}): Promise<ShortClient> {
        const client = new ShortClient(server, { protocols: ["mcp-binary"], ...options });
        await client.line.open();
        return client;
    }

    /** Joins, fetches by sync what it lacks, and brings in what the server lacks. */
    override async join(roomId: string, replica: Replica = new Replica()): Promise<Membership> {
        const { room, joined } = this.enter(roomId, replica, { capabilities: ["binary.v1"] });
        this.room = room;
        replica.link = this;
        await joined;
        this.line.send(tagged(TAG.sync, replica.stateVector));
        const presence = replica.ownPresence();
        if (presence) {
            this.sendAwareness(presence);
        }
        return room;
    }

    sendUpdate(update: Uint8Array): void {
        this.line.send(tagged(TAG.update, update));
    }

    sendAwareness(update: Uint8Array): void {
        this.line.send(tagged(TAG.awareness, update));
    }

    async heartbeat(ms: bigint): Promise<[bigint, bigint]> {
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(ms);
        this.line.send(tagged(TAG.heartbeat, bytes));
        const find = (): Uint8Array | undefined => this.frames.find((f) => f[0] === TAG.heartbeat);
        await until(() => find() !== undefined, "the heartbeat's answer");
        const answer = Buffer.from(find()!);
        return [answer.readBigUInt64LE(1), answer.readBigUInt64LE(9)];
    }

    protected override onBinary(frame: Uint8Array): void {
        this.frames.push(frame);
        const payload = frame.subarray(1);
        const replica = this.room!.replica;
        if (frame[0] === TAG.update) {
            replica.applyUpdate(payload);
        } else if (frame[0] === TAG.awareness) {
            replica.applyAwareness(payload);
        } else if (frame[0] === TAG.sync) {
            this.line.send(tagged(TAG.update, Y.encodeStateAsUpdate(replica.doc, payload)));
        } else if (frame[0] !== TAG.heartbeat) {
            this.surprise(new Error(`a frame with tag ${frame[0]}`));
        }
    }
}

interface MuxAnswer {
    version?: number;
    code?: number;
    message?: string;
}

/** One room of a mux client. */
export class MuxRoom implements Link {
    readonly client: MuxClient;
    readonly channel: number;
    readonly replica: Replica;
    private last: number | undefined;

    constructor(client: MuxClient, channel: number, replica: Replica) {
        this.client = client;
        this.channel = channel;
        this.replica = replica;
    }

    sendUpdate(update: Uint8Array): void {
        void this.client.data(MUX.update, this.channel, update);
    }

    sendAwareness(update: Uint8Array): void {
        void this.client.data(MUX.awareness, this.channel, update);
    }

    /** The server's messages of this stream are numbered without gaps. */
    check(seq: number): void {
        if (this.last !== undefined && seq !== this.last + 1) {
            this.client.surprise(new Error(`channel ${this.channel}: seq ${seq} after ${this.last}`));
        }
        this.last = seq;
    }
}

export class MuxClient extends CollabClient {
    readonly byChannel = new Map<number, MuxRoom>();
    readonly frames: Uint8Array[] = [];
    readonly answers = new Map<number, MuxAnswer>();
    /** Frames of rooms whose subscription's answer is just being read. */
    private early: Uint8Array[] = [];
    private sent = 0;

    static override async connect(server: Server, options: ConnectOptions = {}): Promise<MuxClient> {
        const client = new MuxClient(server, { protocols: ["mcp-binary"], ...options });
        await client.line.open();
        return client;
    }

    async joinMux(roomId: string, replica: Replica = new Replica()): Promise<MuxRoom> {
        const { joined } = this.enter(roomId, replica, {
            capabilities: ["binary.v1", "yjs.sync.v1"],
        });
        const result: Json = await joined;
        const room = new MuxRoom(this, result.channel, replica);
        this.byChannel.set(result.channel, room);
        replica.link = room;
        const early = this.early;
        this.early = [];
        early.forEach((frame) => this.take(frame));
        await this.data(MUX.sync, room.channel, replica.stateVector);
        const presence = replica.ownPresence();
        if (presence) {
            room.sendAwareness(presence);
        }
        return room;
    }

    frame(tag: number, channel: number, seq: number, payload: Uint8Array): Uint8Array {
        const e = encoding.createEncoder();
        encoding.writeUint8(e, tag);
        encoding.writeVarUint(e, channel);
        encoding.writeVarUint(e, seq);
        encoding.writeUint8Array(e, payload);
        return encoding.toUint8Array(e);
    }

    /** Sends a data frame; settles with the server's acknowledgement or refusal. */
    async data(tag: number, channel: number, payload: Uint8Array): Promise<MuxAnswer> {
        const seq = ++this.sent;
        this.line.send(this.frame(tag, channel, seq, payload));
        try {
            await until(() => this.answers.has(seq), `the acknowledgement of seq ${seq}`);
        } catch (e) {
            this.surprise(e as Error);
        }
        return this.answers.get(seq) ?? {};
    }

    async settled(): Promise<void> {
        await until(() => this.answers.size === this.sent, "acknowledgements of all frames");
        if (this.early.length > 0) {
            throw new Error("frames for a channel that we are not in");
        }
    }

    protected override onBinary(frame: Uint8Array): void {
        this.frames.push(frame);
        this.take(frame);
    }

    private take(frame: Uint8Array): void {
        const d = decoding.createDecoder(frame);
        const tag = decoding.readUint8(d);
        if ((tag & 0x80) === 0) {
            this.onShort(tag, frame.subarray(1));
            return;
        }
        const channel = decoding.readVarUint(d);
        const seq = decoding.readVarUint(d);
        if (tag === MUX.ack) {
            this.answers.set(seq, { version: decoding.readVarUint(d) });
            happened();
            return;
        }
        if (tag === MUX.refusal) {
            const code = decoding.readVarUint(d);
            const message = Buffer.from(decoding.readTailAsUint8Array(d)).toString();
            this.answers.set(seq, { code, message });
            happened();
            return;
        }
        const room = this.byChannel.get(channel);
        if (!room) {
            this.early.push(frame);
            return;
        }
        const payload = decoding.readTailAsUint8Array(d);
        if (tag === MUX.sync) {
            room.sendUpdate(Y.encodeStateAsUpdate(room.replica.doc, payload));
            return;
        }
        room.check(seq);
        if (tag === MUX.update) {
            room.replica.applyUpdate(payload);
        } else if (tag === MUX.awareness) {
            room.replica.applyAwareness(payload);
        } else {
            this.surprise(new Error(`a frame with tag ${tag}`));
        }
    }

    /** Before its first long frame the server speaks to it in the short form, of its only room. */
    private onShort(tag: number, payload: Uint8Array): void {
        const only = this.rooms.size === 1 ? [...this.rooms.values()][0] : undefined;
        if (only && tag === TAG.update) {
            only.replica.applyUpdate(payload);
        } else if (only && tag === TAG.awareness) {
            only.replica.applyAwareness(payload);
        } else {
            this.surprise(new Error(`a short frame with tag ${tag}`));
        }
    }
}
