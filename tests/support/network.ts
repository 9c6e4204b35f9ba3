/* network.ts: machines with a network between them that can be taken apart. A test that wants one is
 * run once more, alone, in a network namespace of its own, so that nothing outside is touched; Redis,
 * PostgreSQL and clients are there, and each node is in one further namespace, with two links to it:
 * one that its clients come by, and one to Redis and PostgreSQL.
 *
 *     node 1 --- 10.77.1.0/30, clients --- the test --- 10.77.2.0/30, clients --- node 2
 *            --- 10.78.1.0/30, data ------          --- 10.78.2.0/30, data ------
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import type { StartOptions } from "./server.ts";
import { type Context, type TestOptions, test } from "./suite.ts";
import { happened, pace, until } from "./wait.ts";

const INSIDE = "COLLABD_TEST_NETWORK";

/* Root may make namespaces as it is, and PostgreSQL can be run as somebody else there; anybody else
 * needs a user namespace first. */
const UNSHARE = ["--net", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"])];

/* No machine has this address, so what is sent to it is lost like in a cable that is cut far away. */
const NOBODY = "02:00:00:00:00:99";

function sh(script: string, ...via: string[]): string {
    const [program, ...args] = [...via, "sh", "-ec", script];
    const done = spawnSync(program!, args, { encoding: "utf8" });
    assert.equal(done.status, 0, `${script}: ${done.error ?? done.stderr}`);
    return done.stdout;
}

/** The connections of a server on this port, as both ends have them, with their timers. */
export const connections = (port: number, machines: Machine[]): string[] =>
    [sh(`ss -Htno sport = :${port}`), ...machines.map((m) => sh(`ss -Htno dport = :${port}`, ...m.via))].flatMap((s) => s.split("\n").filter(Boolean));

/** Why there can be no such network here. */
function obstacle(): string | undefined {
    const tried = spawnSync("unshare", [...UNSHARE, "ip", "link", "add", "name", "a", "type", "veth", "peer", "name", "b"], { encoding: "utf8" });
    return tried.status === 0 ? undefined : String(tried.error ?? tried.stderr.trim());
}

/** A machine with a node on it. */
export class Machine {
    /** The address that its clients know. */
    readonly address: string;
    /** Where Redis and PostgreSQL are, seen from here. */
    readonly hub: string;
    /** Where it is, seen from there. */
    readonly data: string;
    private readonly holder: ChildProcess;
    private readonly number: number;
    private ready = false;

    private constructor(t: Context, number: number) {
        this.number = number;
        this.address = `10.77.${number}.2`;
        this.hub = `10.78.${number}.1`;
        this.data = `10.78.${number}.2`;
        /* it ends with its input, so with this process */
        this.holder = spawn("unshare", ["--net", "sh", "-c", "echo ready && exec cat"], { stdio: ["pipe", "pipe", "inherit"] });
        this.holder.stdout!.once("data", () => {
            this.ready = true;
            happened();
        });
        t.defer(() => void this.holder.stdin!.end());
    }

    static async make(t: Context, number: number): Promise<Machine> {
        const machine = new Machine(t, number);
        await until(() => machine.ready, "a namespace of its own");
        for (const [link, net] of [["clients", `10.77.${number}`], ["data", `10.78.${number}`]]) {
            sh(`ip link add name ${link}${number} type veth peer name ${link} netns ${machine.holder.pid}
                ip address add ${net}.1/30 dev ${link}${number}
                ip link set ${link}${number} up`);
            sh(`ip address add ${net}.2/30 dev ${link}; ip link set ${link} up`, ...machine.via);
        }
        sh("ip link set lo up", ...machine.via);
        return machine;
    }

    get via(): string[] {
        return ["nsenter", "--net", "--target", String(this.holder.pid)];
    }

    /** Of a server that runs here. */
    get options(): StartOptions {
        return { host: this.address, via: [...this.via, "setpriv", "--pdeathsig", "KILL"] };
    }

    /** What is sent to Redis and PostgreSQL from now on, and by them, vanishes, and nobody is told. */
    part(): void {
        sh(`ip neighbour replace ${this.hub} lladdr ${NOBODY} nud permanent dev data`, ...this.via);
        this.deafen();
    }

    /** What the machine sends arrives, and the answers vanish. */
    deafen(): void {
        sh(`ip neighbour replace ${this.data} lladdr ${NOBODY} nud permanent dev data${this.number}`);
    }

    heal(): void {
        sh(`ip neighbour delete ${this.data} dev data${this.number}`);
        sh(`ip neighbour delete ${this.hub} dev data 2>/dev/null || true`, ...this.via);
    }
}

/** This test once more, where it may do what it likes with the network. */
async function inside(t: Context, name: string): Promise<void> {
    const why = obstacle();
    if (why !== undefined) {
        t.skip(`NOT TESTED: network namespaces cannot be made here: ${why}`);
    }
    const { program, seed, seconds, patient } = t.settings;
    const args = ["--server", program, "--seed", String(seed), "--seconds", String(seconds), "--slowness", String(pace.slowness), ...(patient ? ["--patient"] : [])];
    const exactly = `^${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
    const again = [process.execPath, ...process.execArgv, process.argv[1]!, ...args, "--filter", exactly];
    const child = spawn("unshare", [...UNSHARE, ...again], { env: { ...process.env, [INSIDE]: "1" }, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    let code: number | null | undefined;
    t.defer(() => void (code === undefined && child.kill()));
    child.stdout.setEncoding("utf8").on("data", (s: string) => (text += s));
    child.on("close", (c) => {
        code = c;
        happened();
    });
    await until(() => code !== undefined, "the end of the test in its namespace", 1 << 24);
    if (code !== 0 || !/^1 passed, 0 failed$/m.test(text)) {
        throw new Error(`in its namespace it ended with ${code}\n${text}`);
    }
}

/** A test that has a network of its own, with so many machines. */
export function networked(
    name: string,
    machines: number,
    run: (t: Context, machines: Machine[]) => Promise<void>,
    options: TestOptions & { patient?: boolean } = {},
): void {
    test(
        name,
        async (t) => {
            if (options.patient && !t.settings.patient) {
                t.skip("it waits for a time-out: --patient");
            }
            if (process.env[INSIDE] === undefined) {
                return inside(t, name);
            }
            sh("ip link set lo up");
            const all: Machine[] = [];
            for (let i = 1; i <= machines; i++) {
                all.push(await Machine.make(t, i));
            }
            return run(t, all);
        },
        options,
    );
}
