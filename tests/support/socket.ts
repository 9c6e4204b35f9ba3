/* socket.ts: a WebSocket of npm `ws` that remembers what a test may ask about: how it ended, what
 * it received, how many bytes of it.
 */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { Server } from "./server.ts";
import { happened, until } from "./wait.ts";

export interface Closed {
    code: number;
    reason: string;
}

export interface LineOptions {
    autoPong?: boolean;
    headers?: Record<string, string>;
    /** The loopback address to come from, 127.x.y.z: another one is somebody else for the server. */
    from?: string;
    /** The certificate to trust, of a server that speaks TLS. */
    ca?: string;
    /** Called with the socket before anything is sent or comes. */
    watch?: (ws: WebSocket) => void;
}

export class Line {
    readonly ws: WebSocket;
    closed: Closed | undefined;
    opened = false;
    refusal: number | undefined;
    messages = 0;
    pings = 0;

    constructor(server: Server, path: string, protocols: string[], options: LineOptions = {}) {
        this.ws = new WebSocket(server.ws(path), protocols, {
            autoPong: options.autoPong ?? true,
            perMessageDeflate: false,
            headers: options.headers,
            localAddress: options.from,
            ca: options.ca,
            maxPayload: 64 << 20,
        });
        this.ws.binaryType = "nodebuffer";
        options.watch?.(this.ws);
        this.ws.on("open", () => {
            this.opened = true;
            happened();
        });
        this.ws.on("unexpected-response", (_, response) => {
            this.refusal = response.statusCode;
            response.resume();
            this.closed = { code: 1006, reason: `HTTP ${response.statusCode}` };
            happened();
        });
        this.ws.on("ping", () => {
            this.pings++;
            happened();
        });
        this.ws.on("error", () => happened()); /* a close follows, and says more */
        this.ws.on("close", (code, reason) => {
            this.closed ??= { code, reason: reason.toString() };
            happened();
        });
        this.ws.on("message", () => {
            this.messages++;
        });
    }

    async open(): Promise<void> {
        await until(() => this.opened || this.closed !== undefined, "the upgrade to WebSocket");
        if (!this.opened) {
            throw new Error(`the upgrade failed: ${this.closed?.reason} (${this.closed?.code})`);
        }
    }

    get live(): boolean {
        return this.opened && this.closed === undefined;
    }

    send(data: string | Uint8Array): void {
        if (this.ws.readyState === WebSocket.OPEN) {
            this.ws.send(data);
        }
    }

    /** Closes as a browser tab does, and waits for the handshake's end. */
    async close(code = 1000): Promise<void> {
        if (!this.closed) {
            this.ws.close(code);
            await until(() => this.closed !== undefined, "the close handshake");
        }
    }

    /** Goes without a word, as a laptop lid does. */
    async vanish(): Promise<void> {
        this.ws.terminate();
        await until(() => this.closed !== undefined, "the local end of the socket");
    }

    /** Stops reading at the TCP socket: the peer's data piles up in the kernel, then at the peer. */
    stall(): void {
        this.tcp.pause();
    }

    resume(): void {
        this.tcp.resume();
    }

    get bytesRead(): number {
        return this.tcp.bytesRead;
    }

    private get tcp(): Socket {
        return (this.ws as unknown as { _socket: Socket })._socket;
    }
}
