/* redis.ts: a Redis of the test's own, on a socket in a folder of its own, and the wire to it: a
 * proxy on a free port that can be cut, held up and made to lose what passes. Nodes are given the
 * address of such a wire, so each can have one of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server as NetServer, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "./suite.ts";
import { happened, until } from "./wait.ts";

/** Debian's redis-tools has the server's program, under a name by which it does something else. */
const PROGRAM = "redis-check-rdb";

const pipe = (from: Socket, to: Socket, pass: (data: Buffer) => void): void => {
    from.on("data", pass);
    from.on("close", () => to.destroy());
    from.on("error", () => to.destroy());
};

/** A port that nobody listens on, for a program that cannot choose one by itself. */
export async function freePort(): Promise<number> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as { port: number };
    await new Promise((done) => server.close(done));
    return port;
}

/** What stands between one node and Redis. */
export class Wire {
    readonly port: number;
    connections = 0;
    /** Bytes that came from Redis. */
    bytes = 0;
    private readonly server: NetServer;
    private readonly open = new Set<[Socket, Socket]>();
    private held: (() => void)[] | undefined;
    private refusing = false;
    private delayMs = 0;
    private left = Infinity;
    private losing: (() => void) | undefined;
    /** When a connection was refused; milliseconds as of performance.now(). */
    readonly refusals: number[] = [];
    /** Messages that `drop` has kept from the node. */
    dropped = 0;
    private drops: ((channel: string) => boolean) | undefined;

    private constructor(server: NetServer, port: number) {
        this.server = server;
        this.port = port;
    }

    static async to(path: string | { port: number }): Promise<Wire> {
        const server = createServer();
        await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
        const wire = new Wire(server, (server.address() as { port: number }).port);
        server.on("connection", (near) => wire.join(near, connect(path as string)));
        return wire;
    }

    private join(near: Socket, far: Socket): void {
        if (this.refusing) {
            this.refusals.push(performance.now());
            happened();
            near.destroy();
            far.destroy();
            return;
        }
        const pair: [Socket, Socket] = [near, far];
        this.connections++;
        this.open.add(pair);
        near.setNoDelay(true);
        near.on("close", () => this.open.delete(pair));
        pipe(near, far, (data) => this.pass(() => far.write(data)));
        const deliver = this.drops ? this.sieve(pair) : (data: Buffer): void => this.deliver(pair, data);
        pipe(far, near, (data) => {
            this.bytes += data.length;
            this.pass(() => deliver(data));
        });
        happened();
    }

    private pass(write: () => void): void {
        if (this.held) {
            this.held.push(write);
        } else if (this.delayMs > 0) {
            setTimeout(write, this.delayMs);
        } else {
            write();
        }
    }

    /** Lets pass what is not dropped, whole replies at a time. */
    private sieve(pair: [Socket, Socket]): (data: Buffer) => void {
        let rest: Buffer = Buffer.alloc(0);
        return (data) => {
            rest = Buffer.concat([rest, data]);
            for (let one = parse(rest); one; one = parse(rest)) {
                const [what, channel] = Array.isArray(one.value) ? one.value : [];
                if (what === "message" && this.drops?.(String(channel))) {
                    this.dropped++;
                } else {
                    this.deliver(pair, rest.subarray(0, one.next));
                }
                rest = rest.subarray(one.next);
            }
        };
    }

    private deliver(pair: [Socket, Socket], data: Buffer): void {
        if (this.losing) {
            this.part();
            this.losing();
            this.losing = undefined;
        } else if (data.length > this.left) {
            pair[0].end(data.subarray(0, this.left));
            pair[1].destroy();
            this.left = Infinity;
        } else {
            this.left -= data.length;
            pair[0].write(data);
        }
    }

    /** What the far side says next does not arrive, and nothing after it: resolves when that happened. */
    lose(): Promise<void> {
        return new Promise((done) => (this.losing = done));
    }

    /** Ends all connections; new ones are taken. */
    cut(): void {
        for (const [near, far] of this.open) {
            near.destroy();
            far.destroy();
        }
    }

    /** Ends all, and takes none until `heal`. */
    part(): void {
        this.refusing = true;
        this.cut();
    }

    heal(): void {
        this.refusing = false;
    }

    /** Nothing passes, and nothing is lost, until `release`. */
    hold(): void {
        this.held ??= [];
    }

    release(): void {
        const held = this.held ?? [];
        this.held = undefined;
        held.forEach((write) => write());
    }

    delay(ms: number): void {
        this.delayMs = ms;
    }

    /** Published messages of whose channel this says so do not arrive, on connections that are made
     * from now on; `drop(() => false)` ends it. */
    drop(which: (channel: string) => boolean): void {
        this.drops = which;
    }

    /** Of what Redis sends only so many bytes pass; then the connection ends, in the middle. */
    truncate(bytes: number): void {
        this.left = bytes;
    }

    close(): void {
        this.cut();
        this.server.close();
    }
}

type Reply = string | number | null | Reply[];

/** Reads one reply off the front; the rest, or nothing when it is not whole yet. */
function parse(b: Buffer, at = 0): { value: Reply; next: number } | undefined {
    const end = b.indexOf("\r\n", at);
    if (end < 0) {
        return undefined;
    }
    const line = b.toString("latin1", at + 1, end);
    const kind = String.fromCharCode(b[at]!);
    const next = end + 2;
    if (kind === "$") {
        const n = Number(line);
        return n < 0 ? { value: null, next } : b.length < next + n + 2 ? undefined : { value: b.toString("latin1", next, next + n), next: next + n + 2 };
    }
    if (kind === "*") {
        const list: Reply[] = [];
        let from = next;
        for (let i = 0; i < Number(line); i++) {
            const one = parse(b, from);
            if (!one) {
                return undefined;
            }
            list.push(one.value);
            from = one.next;
        }
        return { value: list, next: from };
    }
    return { value: kind === ":" ? Number(line) : line, next };
}

export class Redis {
    private readonly folder = mkdtempSync(join(tmpdir(), "collabd-redis-"));
    private readonly args: string[];
    private child: ChildProcess | undefined;
    private ended = false;
    readonly wires: Wire[] = [];

    private constructor(t: Context, args: string[]) {
        this.args = args;
        t.defer(() => this.end());
    }

    static async start(t: Context, ...args: string[]): Promise<Redis> {
        const redis = new Redis(t, args);
        await redis.run();
        return redis;
    }

    get socket(): string {
        return join(this.folder, "redis.sock");
    }

    get pid(): number {
        return this.child!.pid!;
    }

    /** Starts it, empty. */
    async run(): Promise<void> {
        const args = ["--port", "0", "--unixsocket", this.socket, "--save", "", "--appendonly", "no", "--dir", this.folder];
        const child = spawn(PROGRAM, [...args, ...this.args], { argv0: "redis-server", stdio: ["ignore", "pipe", "inherit"] });
        let ready = false;
        this.child = child;
        this.ended = false;
        child.on("error", (e) => {
            throw new Error(`${PROGRAM} (Debian's redis-tools): ${e.message}`);
        });
        child.on("exit", () => {
            this.ended = true;
            happened();
        });
        child.stdout!.setEncoding("utf8").on("data", (s: string) => {
            ready ||= /ready to accept/i.test(s);
            happened();
        });
        await until(() => ready || this.ended, "Redis is ready");
    }

    /** A wire of its own, for one node. */
    async wire(): Promise<Wire> {
        const wire = await Wire.to(this.socket);
        this.wires.push(wire);
        return wire;
    }

    async url(): Promise<string> {
        return `redis://127.0.0.1:${(await this.wire()).port}`;
    }

    signal(name: NodeJS.Signals): void {
        this.child!.kill(name);
    }

    async kill(): Promise<void> {
        this.signal("SIGKILL");
        await until(() => this.ended, "the end of Redis");
        rmSync(this.socket, { force: true });
    }

    /** One command, on a connection of its own. */
    command(...words: (string | Uint8Array)[]): Promise<Reply> {
        return this.commands(words);
    }

    /** Several on one connection; the last one's reply. */
    commands(...list: (string | Uint8Array)[][]): Promise<Reply> {
        const parts = list.flatMap((words) => [`*${words.length}\r\n`, ...words.flatMap((w) => [`$${Buffer.byteLength(w)}\r\n`, w, "\r\n"])]);
        const message = Buffer.concat(parts.map((p) => Buffer.from(p as string)));
        return new Promise((done, failed) => {
            const line = connect(this.socket, () => line.write(message));
            let got = Buffer.alloc(0);
            line.on("error", failed);
            line.on("data", (data) => {
                got = Buffer.concat([got, data]);
                let reply = parse(got);
                for (let i = 1; reply && i < list.length; i++) {
                    reply = parse(got, reply.next);
                }
                if (reply) {
                    line.destroy();
                    done(reply.value);
                }
            });
        });
    }

    /** A figure of INFO. */
    async info(section: string, name: string): Promise<number> {
        const text = String(await this.command("INFO", section));
        return Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(text)?.[1] ?? NaN);
    }

    /** How often nodes have used a command. */
    async calls(command: string): Promise<number> {
        const text = String(await this.command("INFO", "commandstats"));
        return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(text)?.[1] ?? 0);
    }

    /** How many nodes hear of a room. */
    async hearers(room: string): Promise<number> {
        return ((await this.command("PUBSUB", "NUMSUB", `room:${room}`)) as [string, number])[1];
    }

    private async end(): Promise<void> {
        this.wires.forEach((wire) => wire.close());
        if (!this.ended) {
            this.signal("SIGCONT");
            await this.kill();
        }
        rmSync(this.folder, { recursive: true, force: true });
    }
}
