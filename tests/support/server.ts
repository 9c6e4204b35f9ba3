/* server.ts: runs the built server as its own process, on a port of its own choice, and ends it as
 * an operator would: SIGTERM, exit code 0, nothing to report for the sanitizers.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { wrongOfLog } from "./schema.ts";
import { happened, until } from "./wait.ts";

export interface Exit {
    code: number | null;
    signal: NodeJS.Signals | null;
}

const SANITIZER = /(ERROR|WARNING): (Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:/;

/* A log that fills the memory of the test would hide what it tests. */
const LOG_LINES_KEPT = 20_000;

/** What a log may never tell: tokens begin so, being JSON objects in base64, and secrets and document
 * texts of these tests carry the mark, as it is or in base64. */
export const MARK = "Quokka-Zwielicht";
const LEAK = new RegExp(
    `eyJ[\\w-]{10}|${MARK}|${[0, 1, 2]
        .map((shift) => Buffer.from(" ".repeat(shift) + MARK).toString("base64").slice(shift ? 4 : 0, -4))
        .join("|")}`,
);

export interface StartOptions {
    /** Who may come in is decided by tokens. */
    guarded?: boolean;
    env?: Record<string, string>;
    /** Words that run the program that stands behind them, elsewhere. */
    via?: string[];
    /** The address that it listens on, instead of loopback. */
    host?: string;
}

export class Server {
    readonly log: string[] = [];
    readonly args: string[];
    port = 0;
    exit: Exit | undefined;
    private readonly child: ChildProcess;
    private report: string[] = [];
    private leaks: string[] = [];
    private wrong: string[] = [];
    private secure = false;
    private readonly host: string;

    private constructor(program: string, args: string[], host: string, options: StartOptions) {
        this.args = args;
        this.host = host;
        const env: NodeJS.ProcessEnv = { ...process.env };
        for (const name of Object.keys(env)) {
            if (/^(COLLAB|JWT|JWKS|AUTHZ|TLS|ALLOWED|REDIS)_/.test(name)) {
                delete env[name]; /* options of the shell are not options of the test */
            }
        }
        env.COLLAB_DATA = "memory"; /* nothing lasts, unless a test says where */
        Object.assign(env, options.env);
        const [first, ...words] = [...(options.via ?? []), program, ...args];
        this.child = spawn(first!, words, { stdio: ["ignore", "pipe", "pipe"], env });
        /* "exit" may come before its last words have been read */
        this.child.on("close", (code, signal) => {
            this.exit = { code, signal };
            happened();
        });
        this.child.on("error", (e) => {
            this.log.push(String(e));
            this.exit ??= { code: null, signal: null };
            happened();
        });
        createInterface({ input: this.child.stdout! }).on("line", (line) => {
            const ready = /^collabd listening on http(s?):\/\/[^ ]*:(\d+)/.exec(line);
            if (ready) {
                this.secure = ready[1] === "s";
                this.port = Number(ready[2]);
            }
            this.listen(line);
            happened();
        });
        createInterface({ input: this.child.stderr! }).on("line", (line) => this.take(line));
    }

    /** A line of the log is JSON as docs/log.schema.json says; the sanitizers' are their own. */
    private judge(line: string): void {
        if (this.args.includes("json") && line.startsWith("{") && this.wrong.length < 5) {
            const why = wrongOfLog(line);
            if (why) {
                this.wrong.push(`${why}: ${line.slice(0, 400)}`);
            }
        }
    }

    private listen(line: string): void {
        if (LEAK.test(line)) {
            this.leaks.push(line);
        }
    }

    private take(line: string): void {
        this.listen(line);
        this.judge(line);
        if (SANITIZER.test(line) || this.report.length > 0) {
            this.report.push(line);
        }
        this.log.push(line);
        if (this.log.length > LOG_LINES_KEPT) {
            this.log.splice(0, LOG_LINES_KEPT / 2);
        }
        happened();
    }

    /** Starts it and waits for its ready line. */
    static async start(program: string, flags: string[] = [], options: StartOptions = {}): Promise<Server> {
        if (!existsSync(program)) {
            throw new Error(`no server at ${program}: build it first`);
        }
        const host = options.host ?? "127.0.0.1";
        const args = [...(options.guarded ? [] : ["--dev"]), "--host", host, "--port", "0", "--log-format", "json", ...flags];
        const server = new Server(program, args, host, options);
        try {
            await until(() => server.port > 0 || server.exit !== undefined, "the ready line", 10_000);
            if (server.port === 0) {
                throw new Error("it ended before it was ready");
            }
        } catch (e) {
            server.kill();
            throw new Error(`server ${args.join(" ")}: ${(e as Error).message}\n${server.tail()}`);
        }
        return server;
    }

    get pid(): number {
        return this.child.pid!;
    }

    http(path: string): string {
        return `http${this.secure ? "s" : ""}://${this.host}:${this.port}${path}`;
    }

    ws(path: string): string {
        return `ws${this.secure ? "s" : ""}://${this.host}:${this.port}${path}`;
    }

    signal(name: NodeJS.Signals): void {
        this.child.kill(name);
    }

    /** Its last words, for the report of a failed test. */
    tail(lines = 12): string {
        return this.log.slice(-lines).map((l) => `    | ${l.slice(0, 400)}`).join("\n");
    }

    /** SIGTERM, and the promise of a clean end: exit code 0 in time, no sanitizer report. */
    async stop(ms = 12_000): Promise<void> {
        try {
            if (!this.exit) {
                this.child.kill("SIGTERM");
            }
            await until(() => this.exit !== undefined, "the server's exit after SIGTERM", ms);
        } finally {
            this.kill();
        }
        this.assertClean();
    }

    assertClean(): void {
        if (this.report.length > 0) {
            throw new Error(`sanitizer report:\n${this.report.slice(0, 60).join("\n")}`);
        }
        if (this.wrong.length > 0) {
            throw new Error(`lines of the log are not as their schema says:\n${this.wrong.join("\n")}`);
        }
        if (this.leaks.length > 0) {
            throw new Error(`the log tells what it must not:\n${this.leaks.slice(0, 5).join("\n")}`);
        }
        if (this.exit?.code !== 0) {
            throw new Error(
                `the server ended with code ${this.exit?.code} signal ${this.exit?.signal}\n${this.tail()}`,
            );
        }
    }

    /** Last resort, for a server that did not stop: only ever our own child. */
    kill(): void {
        if (!this.exit) {
            this.child.kill("SIGKILL");
        }
    }

    /** The port of --metrics-addr, as the log tells it. */
    async metricsPort(): Promise<number> {
        const start = (): string | undefined => this.log.find((l) => l.includes('"event":"START"'));
        await until(() => start() !== undefined, "the line that tells the port of --metrics-addr");
        return JSON.parse(start()!).metricsPort;
    }

    /** A sample of the metrics page, summed over its labels (or of those that match). */
    async metric(name: string, labels = ""): Promise<number> {
        const page = await (await fetch(this.http("/metrics"))).text();
        let sum = 0;
        for (const line of page.split("\n")) {
            const m = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)/.exec(line);
            if (m && m[1] === name && (m[2] ?? "").includes(labels)) {
                sum += Number(m[3]);
            }
        }
        return sum;
    }
}
