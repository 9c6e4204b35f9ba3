/* postgres.ts: a PostgreSQL server of the test's own, in a folder of its own, on a Unix socket, and a
 * standby that follows it. It refuses to run as root, so root runs it as postgres or nobody; it ends
 * with the test.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Wire } from "./redis.ts";
import { MARK } from "./server.ts";
import type { Context } from "./suite.ts";
import { happened, until } from "./wait.ts";

/** Debian's place, or where ./dev has unpacked it. */
function programs(): string {
    const unpacked = resolve(dirname(fileURLToPath(import.meta.url)), "../../build/postgresql");
    for (const place of ["/usr/lib/postgresql", join(unpacked, "usr/lib/postgresql")]) {
        for (const version of existsSync(place) ? readdirSync(place) : []) {
            if (existsSync(join(place, version, "bin/initdb"))) {
                return join(place, version, "bin");
            }
        }
    }
    throw new Error("no PostgreSQL server; ./dev setup fetches it");
}

const root = process.getuid?.() === 0;
const USER = spawnSync("id", ["-u", "postgres"]).status === 0 ? "postgres" : "nobody";

/** Words that run a program as whoever may, and end it with this process. */
function asUser(program: string, ...args: string[]): [string, string[]] {
    const group = spawnSync("id", ["-gn", USER], { encoding: "utf8" }).stdout.trim();
    const user = root ? ["--reuid", USER, "--regid", group, "--clear-groups"] : [];
    return ["setpriv", ["--pdeathsig", "QUIT", ...user, program, ...args]];
}

/** The folder becomes the server's. */
function give(folder: string): void {
    chmodSync(folder, 0o755);
    if (root) {
        spawnSync("chown", [USER, folder]);
    }
}

let made: string | undefined;

/** The data directory of a server that has never run: made once by this process, copied by all. */
function fresh(bin: string): string {
    if (made === undefined) {
        const folder = mkdtempSync(join(tmpdir(), "collabd-postgres-"));
        process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
        give(folder);
        const data = join(folder, "data");
        const [program, args] = asUser(join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "admin", "--no-sync", "-E", "UTF8", "--locale=C");
        const initdb = spawnSync(program, args, { encoding: "utf8", cwd: folder });
        if (initdb.status !== 0) {
            throw new Error(`initdb: ${initdb.stdout}${initdb.stderr}`);
        }
        made = data;
    }
    return made;
}

/** Of servers behind these wires, in this order. */
export function urlOf(...wires: Wire[]): string {
    return `postgres://admin:${MARK}@${wires.map((wire) => `127.0.0.1:${wire.port}`).join(",")}/postgres?sslmode=disable`;
}

export class Postgres {
    private readonly folder: string;
    private readonly bin: string;
    private readonly settings: string[];
    private child: ChildProcess | undefined;
    private ended = true;
    private readonly log: string[] = [];
    private readonly wires: Wire[] = [];

    private constructor(t: Context, settings: string[]) {
        this.bin = programs();
        this.settings = settings;
        this.folder = mkdtempSync(join(tmpdir(), "collabd-postgres-"));
        t.defer(() => this.end());
    }

    /** `settings`: as in postgresql.conf, name=value. */
    static async start(t: Context, ...settings: string[]): Promise<Postgres> {
        const postgres = Postgres.made(t, ...settings);
        await postgres.run();
        return postgres;
    }

    /** The same, but for starting it. */
    static made(t: Context, ...settings: string[]): Postgres {
        const postgres = new Postgres(t, settings);
        postgres.make();
        return postgres;
    }

    /** A standby that follows it: both begin as copies of one data directory, and what the primary has
     * written since comes over the wire. Resolves when it is streaming. */
    static async standby(t: Context, of: Postgres, ...settings: string[]): Promise<Postgres> {
        const most = "max_connections=100"; /* as in the directory that was copied: not fewer than there */
        const postgres = Postgres.made(t, ...settings, most, `primary_conninfo=host=${of.folder} user=admin`);
        postgres.write("standby.signal", "");
        await postgres.run();
        await until(() => postgres.log.some((line) => line.includes("started streaming")), "the standby follows");
        return postgres;
    }

    /** The standby becomes a primary. */
    async promote(): Promise<void> {
        const [program, args] = asUser(join(this.bin, "pg_ctl"), "promote", "--no-wait", "--silent", "-D", this.data);
        const told = spawnSync(program, args, { encoding: "utf8", cwd: this.folder });
        if (told.status !== 0) {
            throw new Error(`pg_ctl promote: ${told.stdout}${told.stderr}`);
        }
        await until(() => this.log.some((line) => line.includes("ready to accept connections")), "the standby is promoted");
    }

    private get data(): string {
        return join(this.folder, "data");
    }

    private make(): void {
        give(this.folder);
        const copied = spawnSync("cp", ["-a", fresh(this.bin), this.data]);
        if (copied.status !== 0) {
            throw new Error(`copying a fresh cluster: ${copied.stderr.toString()}`);
        }
    }

    /** Starts it, on what it had. */
    async run(): Promise<void> {
        const settings = ["listen_addresses=", "max_connections=40", "shared_buffers=16MB", ...this.settings];
        const [program, args] = asUser(join(this.bin, "postgres"), "-D", this.data, "-k", this.folder, ...settings.flatMap((s) => ["-c", s]));
        const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], cwd: this.folder });
        let ready = false;
        this.child = child;
        this.ended = false;
        child.on("exit", () => {
            this.ended = true;
            happened();
        });
        createInterface({ input: child.stderr! }).on("line", (line) => {
            this.log.push(line);
            ready ||= /ready to accept (read-only )?connections/.test(line);
            happened();
        });
        await until(() => ready || this.ended, "PostgreSQL is ready", 30_000);
        if (this.ended) {
            throw new Error(`PostgreSQL ended at its start:\n${this.log.slice(-8).join("\n")}`);
        }
    }

    /** Of a server that comes in by the Unix socket. The password, which nobody asks for, must not show. */
    get url(): string {
        return `postgres://admin:${MARK}@/postgres?host=${this.folder}`;
    }

    /** A proxy before it, and the URL that leads through. */
    async wire(): Promise<{ wire: Wire; url: string }> {
        const wire = await Wire.to(join(this.folder, ".s.PGSQL.5432"));
        this.wires.push(wire);
        return { wire, url: urlOf(wire) };
    }

    /** A file in the server's data directory. */
    write(name: string, text: string): string {
        const path = join(this.data, name);
        writeFileSync(path, text, { mode: 0o600 });
        if (root) {
            spawnSync("chown", [USER, path]);
        }
        return path;
    }

    /** Its own processes and those that serve its connections. */
    private get pids(): number[] {
        const main = this.child!.pid!;
        const parent = (pid: string): number => {
            try {
                return Number(readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) \S+ /, "").split(" ")[0]);
            } catch {
                return 0; /* it has just ended */
            }
        };
        return [main, ...readdirSync("/proc").filter((p) => /^\d+$/.test(p) && parent(p) === main).map(Number)];
    }

    private signal(name: NodeJS.Signals): void {
        for (const pid of this.pids) {
            try {
                process.kill(pid, name);
            } catch {
                /* one that has just ended */
            }
        }
    }

    /** All of it stands still, or goes on. */
    freeze(): void {
        this.signal("SIGSTOP");
    }

    thaw(): void {
        this.signal("SIGCONT");
    }

    /** Its machine is gone. */
    async kill(): Promise<void> {
        this.signal("SIGKILL");
        await until(() => this.ended, "the end of PostgreSQL");
    }

    /** A setting that is changed while it runs; connections hear of it with what they do next. */
    set(setting: string): void {
        appendFileSync(join(this.data, "postgresql.conf"), `${setting}\n`);
        this.child!.kill("SIGHUP");
    }

    /** "immediate": without writing anything more, as a crash is. */
    async crash(): Promise<void> {
        this.child!.kill("SIGQUIT");
        await until(() => this.ended, "the end of PostgreSQL");
    }

    private async end(): Promise<void> {
        this.wires.forEach((wire) => wire.close());
        if (!this.ended) {
            this.thaw();
            await this.crash();
        }
        rmSync(this.folder, { recursive: true, force: true });
    }
}
