/* plain.ts: a client of the legacy plain-JSON dialect: arrays of numbers, nothing acknowledged. */
import { type Link, Replica } from "./replica.ts";
import type { Server } from "./server.ts";
import { Line, type LineOptions } from "./socket.ts";
import { happened, until } from "./wait.ts";
import type { Json } from "./client.ts";

export class PlainClient implements Link {
    readonly line: Line;
    readonly roomId: string;
    readonly replica: Replica;
    readonly inbox: Json[] = [];

    private constructor(server: Server, roomId: string, replica: Replica, path: string, options: LineOptions) {
        this.roomId = roomId;
        this.replica = replica;
        this.line = new Line(server, path, [], options);
        this.line.ws.on("message", (data: Buffer) => this.take(JSON.parse(data.toString())));
        this.line.ws.on("close", () => {
            if (replica.link === this) {
                replica.link = undefined;
            }
        });
    }

    /** Opens the socket; with a room in the path the server attaches it and sends its state. */
    static async connect(
        server: Server,
        roomId: string,
        replica: Replica = new Replica(),
        path = `/ws?roomId=${encodeURIComponent(roomId)}`,
        options: LineOptions = {},
    ): Promise<PlainClient> {
        const client = new PlainClient(server, roomId, replica, path, options);
        await client.line.open();
        replica.link = client;
        return client;
    }

    /** The state has come; what the server lacks may go. */
    async synced(): Promise<void> {
        await until(() => this.inbox.some((m) => m.type === "sync"), "the state on attaching");
        if (this.replica.state.length > 2) {
            this.send({ type: "sync", roomId: this.roomId, update: [...this.replica.state] });
        }
        const presence = this.replica.ownPresence();
        if (presence) {
            this.sendAwareness(presence);
        }
    }

    send(message: Json): void {
        this.line.send(JSON.stringify(message));
    }

    sendUpdate(update: Uint8Array): void {
        this.send({ type: "update", roomId: this.roomId, update: [...update] });
    }

    sendAwareness(update: Uint8Array): void {
        this.send({ type: "awareness", roomId: this.roomId, payload: [...update] });
    }

    private take(message: Json): void {
        this.inbox.push(message);
        if (message.type === "sync" || message.type === "update") {
            this.replica.applyUpdate(Uint8Array.from(message.update));
        } else if (message.type === "awareness") {
            this.replica.applyAwareness(Uint8Array.from(message.payload));
        }
        happened();
    }

    async close(): Promise<void> {
        await this.line.close();
        this.replica.forgetOthers();
    }
}
