/* tally.ts: what clients themselves count of their messages, to be held against what the server says
 * it counted: how many and how many bytes, each way, by dialect.
 */
import type { WebSocket } from "ws";
import { MuxClient, ShortClient } from "./binary.ts";
import type { CollabClient } from "./client.ts";
import { PlainClient } from "./plain.ts";
import type { Replica } from "./replica.ts";
import type { Server } from "./server.ts";
import type { Context } from "./suite.ts";

export const DIALECTS = ["jsonrpc", "binary", "mux", "plainjson"];

export interface Count {
    messages: number;
    bytes: number;
}

export class Tally {
    readonly sent = new Map<string, Count>();
    readonly received = new Map<string, Count>();
    private readonly text: string;

    /** `text` is what text messages count as: on a binary connection they are JSON-RPC. */
    constructor(text: "jsonrpc" | "plainjson" = "jsonrpc") {
        this.text = text;
    }

    /** Counts everything on this socket from now on; nothing may have been sent on it. */
    watch(ws: WebSocket): void {
        const send = ws.send.bind(ws) as (data: string | Uint8Array) => void;
        (ws as { send: unknown }).send = (data: string | Uint8Array): void => {
            this.add(this.sent, typeof data === "string" ? Buffer.from(data) : data, typeof data !== "string");
            send(data);
        };
        ws.on("message", (data: Buffer, binary: boolean) => this.add(this.received, data, binary));
    }

    private add(to: Map<string, Count>, data: Uint8Array, binary: boolean): void {
        const dialect = !binary ? this.text : data[0]! & 0x80 ? "mux" : "binary";
        const count = to.get(dialect) ?? { messages: 0, bytes: 0 };
        to.set(dialect, { messages: count.messages + 1, bytes: count.bytes + data.length });
    }
}

/** Sums of several tallies. */
export function sum(tallies: Tally[], way: "sent" | "received", dialect: string): Count {
    const total = { messages: 0, bytes: 0 };
    for (const tally of tallies) {
        const count = tally[way].get(dialect);
        total.messages += count?.messages ?? 0;
        total.bytes += count?.bytes ?? 0;
    }
    return total;
}

/** Four clients, one of each dialect, all counting, in one room. */
export async function company(
    t: Context,
    server: Server,
    roomId: string,
): Promise<{ tallies: Tally[]; replicas: Replica[]; json: CollabClient }> {
    const tallies: Tally[] = [];
    const watch = (text?: "plainjson"): { watch: (ws: WebSocket) => void } => ({
        watch: (ws: WebSocket): void => {
            const tally = new Tally(text);
            tally.watch(ws);
            tallies.push(tally);
        },
    });
    const replicas = [0, 1, 2, 3].map(() => t.replica());
    const json = await t.connect(server, watch());
    await json.join(roomId, replicas[0]);
    const short = await ShortClient.connect(server, watch());
    t.defer(() => short.line.ws.terminate());
    await short.join(roomId, replicas[1]);
    const mux = await MuxClient.connect(server, watch());
    t.defer(() => mux.line.ws.terminate());
    await mux.joinMux(roomId, replicas[2]);
    const plain = await PlainClient.connect(server, roomId, replicas[3], undefined, watch("plainjson"));
    t.defer(() => plain.line.ws.terminate());
    await plain.synced();
    return { tallies, replicas, json };
}
