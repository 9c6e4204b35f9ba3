/* raw.ts: a TCP connection on which tests write HTTP and WebSocket frames by hand, also those that no
 * well-behaved client would write.
 */
import { randomBytes } from "node:crypto";
import { type Socket, connect } from "node:net";
import type { Server } from "./server.ts";
import { happened, until } from "./wait.ts";

export interface FrameOptions {
    fin?: boolean;
    rsv?: number;
    opcode: number;
    payload?: Uint8Array | string;
    masked?: boolean;
    /** Says this many bytes instead of the payload's length. */
    claim?: number | bigint;
    /** Forces the 16-bit (2) or 64-bit (8) length field. */
    lengthBytes?: 0 | 2 | 8;
}

const bytesOf = (data: Uint8Array | string | undefined): Buffer =>
    typeof data === "string" ? Buffer.from(data) : Buffer.from(data ?? []);

/** One WebSocket frame as a client would send it, or not (RFC 6455 5.2). */
export function frame(o: FrameOptions): Buffer {
    const payload = bytesOf(o.payload);
    const claim = BigInt(o.claim ?? payload.length);
    const size = o.lengthBytes ?? (claim < 126n ? 0 : claim < 65536n ? 2 : 8);
    const masked = o.masked ?? true;
    const head = Buffer.alloc(2 + size + (masked ? 4 : 0));
    head[0] = ((o.fin ?? true) ? 0x80 : 0) | ((o.rsv ?? 0) << 4) | o.opcode;
    head[1] = (masked ? 0x80 : 0) | (size === 0 ? Number(claim) : size === 2 ? 126 : 127);
    if (size === 2) {
        head.writeUInt16BE(Number(claim), 2);
    } else if (size === 8) {
        head.writeBigUInt64BE(claim, 2);
    }
    if (masked) {
        const mask = randomBytes(4);
        mask.copy(head, 2 + size);
        for (let i = 0; i < payload.length; i++) {
            payload[i]! ^= mask[i % 4]!;
        }
    }
    return Buffer.concat([head, payload]);
}

export const OP = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Received {
    fin: boolean;
    opcode: number;
    payload: Buffer;
}

export const UPGRADE_KEY = "dGhlIHNhbXBsZSBub25jZQ==";

export function upgradeRequest(path: string, headers: Record<string, string | null> = {}): string {
    const all: Record<string, string | null> = {
        Host: "127.0.0.1",
        Upgrade: "websocket",
        Connection: "Upgrade",
        "Sec-WebSocket-Key": UPGRADE_KEY,
        "Sec-WebSocket-Version": "13",
        ...headers,
    };
    const lines = Object.entries(all).flatMap(([k, v]) => (v === null ? [] : [`${k}: ${v}`]));
    return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

export class RawSocket {
    readonly tcp: Socket;
    ended = false;
    reset = false;
    private bytes = Buffer.alloc(0);
    /** Frames since the upgrade. */
    readonly frames: Received[] = [];
    private upgraded = false;

    private constructor(tcp: Socket) {
        this.tcp = tcp;
        tcp.setNoDelay(true);
        tcp.on("connect", happened);
        tcp.on("data", (chunk) => {
            this.bytes = Buffer.concat([this.bytes, chunk]);
            if (this.upgraded) {
                this.parse();
            }
            happened();
        });
        tcp.on("end", () => {
            this.ended = true;
            happened();
        });
        tcp.on("error", () => {
            this.reset = true;
            happened();
        });
        tcp.on("close", () => {
            this.ended = true;
            happened();
        });
    }

    /** `from`: the loopback address to come from. */
    static async open(server: Pick<Server, "port">, from?: string): Promise<RawSocket> {
        const tcp = connect({ port: server.port, host: "127.0.0.1", localAddress: from });
        const raw = new RawSocket(tcp);
        await until(() => !tcp.connecting || raw.reset, "the TCP connection");
        if (raw.reset) {
            throw new Error("connection refused");
        }
        return raw;
    }

    static async upgrade(
        server: Server,
        path = "/collab/ws",
        headers: Record<string, string | null> = {},
        from?: string,
    ): Promise<RawSocket> {
        const raw = await RawSocket.open(server, from);
        raw.write(upgradeRequest(path, headers));
        const head = await raw.head();
        if (!head.startsWith("HTTP/1.1 101 ")) {
            throw new Error(`no upgrade: ${head.split("\r\n")[0]}`);
        }
        raw.speakFrames();
        return raw;
    }

    /** From here on what comes is WebSocket frames. */
    speakFrames(): void {
        this.upgraded = true;
        this.parse();
    }

    write(data: Uint8Array | string): void {
        if (!this.tcp.destroyed) {
            this.tcp.write(data);
        }
    }

    /** The head of the next HTTP response; what follows stays. */
    async head(): Promise<string> {
        await until(() => this.bytes.includes("\r\n\r\n") || this.ended, "an HTTP response");
        const end = this.bytes.indexOf("\r\n\r\n");
        if (end < 0) {
            throw new Error(`the connection ended without a response: ${this.bytes.toString()}`);
        }
        const head = this.bytes.subarray(0, end + 4).toString("latin1");
        this.bytes = this.bytes.subarray(end + 4);
        return head;
    }

    /** Status of the next response, 0 if the connection ended without one. */
    async status(): Promise<number> {
        try {
            return Number((await this.head()).slice(9, 12));
        } catch {
            return 0;
        }
    }

    /** What has come behind that. */
    rest(): string {
        return this.bytes.toString("latin1");
    }

    private parse(): void {
        for (;;) {
            const b = this.bytes;
            if (b.length < 2) {
                return;
            }
            let n = b[1]! & 0x7f;
            let at = 2;
            if (n === 126) {
                if (b.length < 4) {
                    return;
                }
                n = b.readUInt16BE(2);
                at = 4;
            } else if (n === 127) {
                if (b.length < 10) {
                    return;
                }
                n = Number(b.readBigUInt64BE(2));
                at = 10;
            }
            if (b.length < at + n) {
                return;
            }
            this.frames.push({
                fin: (b[0]! & 0x80) !== 0,
                opcode: b[0]! & 0x0f,
                payload: Buffer.from(b.subarray(at, at + n)),
            });
            this.bytes = b.subarray(at + n);
        }
    }

    /** The close frame's code: 1005 without one in it, undefined while none has come. */
    get closeCode(): number | undefined {
        const close = this.frames.find((f) => f.opcode === OP.close);
        if (!close) {
            return undefined;
        }
        return close.payload.length >= 2 ? close.payload.readUInt16BE(0) : 1005;
    }

    get texts(): string[] {
        return this.frames.filter((f) => f.opcode === OP.text).map((f) => f.payload.toString());
    }

    text(message: string): void {
        this.write(frame({ opcode: OP.text, payload: message }));
    }

    destroy(): void {
        this.tcp.destroy();
    }
}
