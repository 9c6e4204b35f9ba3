/* run.ts: the end-to-end tests against a built server.
 *
 *     npx tsx e2e/run.ts --server ../build/release/collabd [--filter REGEX] [--only FILE] [--tsan]
 *                        [--seed N] [--seconds N] [--patient] [--jobs N]
 *
 * Tests of a file run one after another and share a server with default flags; some start their own.
 * Each server ends by SIGTERM with exit code 0 and without a sanitizer report, or its test fails.
 * With --jobs, so many files run at a time, each in a process of its own: most tests mostly wait.
 * With --tsan only those that the thread sanitizer should see: several workers, nodes, connections.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Context, type Settings, Skip, type Test, inFile, sharedServer, stopShared, tests } from "../support/suite.ts";
import { oddities, pace, within } from "../support/wait.ts";

const { values: args } = parseArgs({
    options: {
        server: { type: "string", default: "../build/release/collabd" },
        seed: { type: "string" },
        seconds: { type: "string", default: "20" },
        filter: { type: "string", default: "" },
        only: { type: "string" },
        slowness: { type: "string" },
        patient: { type: "boolean", default: false },
        tsan: { type: "boolean", default: false },
        jobs: { type: "string", default: "1" },
        verbose: { type: "boolean", default: false },
    },
});

const here = dirname(fileURLToPath(import.meta.url));
const settings: Settings = {
    program: resolve(args.server),
    seed: args.seed === undefined ? (Math.random() * 2 ** 32) >>> 0 : Number(args.seed) >>> 0,
    seconds: Number(args.seconds),
    patient: args.patient,
};
/* Where the thread sanitizer is wrong: server and all that it starts read this. */
process.env.TSAN_OPTIONS = `${process.env.TSAN_OPTIONS ?? ""} suppressions=${resolve(here, "../../tools/tsan.suppress")}`;
pace.slowness = Number(args.slowness ?? (/tsan|asan|valgrind/.test(settings.program) ? 4 : 1));

let passed = 0;
let failed = 0;
let skipped = 0;
const failures: string[] = [];

function report(mark: string, name: string, ms: number, note = ""): void {
    console.log(`${mark} ${name} (${(ms / 1000).toFixed(1)} s)${note ? `: ${note}` : ""}`);
}

function fail(name: string, ms: number, errors: Error[], context?: Context): void {
    failed++;
    failures.push(name);
    report("FAIL", name, ms);
    for (const e of errors) {
        const lines = (e.stack ?? String(e)).split("\n").slice(0, 60);
        console.log(lines.map((l) => `    ${l.slice(0, 400)}`).join("\n"));
    }
    const servers = context?.servers.length ? context.servers : [sharedServer()];
    for (const s of servers) {
        if (s && args.verbose) {
            console.log(`    server log:\n${s.tail(40)}`);
        }
    }
}

async function runOne(test: Test): Promise<void> {
    const context = new Context(settings, test.name);
    oddities.length = 0;
    const start = performance.now();
    const errors: Error[] = [];
    let skip: Skip | undefined;
    try {
        const stray = new Promise<never>((_, reject) => (running = reject));
        await within(Promise.race([test.run(context), stray]), "the end of the test", test.ms ?? 60_000);
    } catch (e) {
        if (e instanceof Skip) {
            skip = e;
        } else {
            errors.push(e as Error);
        }
    }
    const atEnd = sharedServer();
    errors.push(...(await context.cleanUp()));
    if (atEnd?.exit) {
        errors.push(new Error(`the file's server has ended during this test\n${atEnd.tail(40)}`));
    }
    const ms = performance.now() - start;
    if (errors.length > 0) {
        fail(test.name, ms, errors, context);
    } else if (skip) {
        skipped++;
        report("skip", test.name, ms, skip.message);
    } else {
        passed++;
        report("ok  ", test.name, ms);
    }
}

async function stopFile(file: string): Promise<void> {
    const start = performance.now();
    try {
        const had = sharedServer() !== undefined;
        await stopShared();
        if (had) {
            passed++;
            report("ok  ", `after all of ${file} the server drains and exits cleanly`, performance.now() - start);
        }
    } catch (e) {
        fail(`after all of ${file} the server drains and exits cleanly`, performance.now() - start, [e as Error]);
    }
}

/** This program once more, for one file: what it said, and whether it went well. */
function runFile(name: string, signal: AbortSignal): Promise<{ text: string; code: number | null }> {
    const same = process.argv.slice(2).filter((a, i, all) => a !== "--jobs" && all[i - 1] !== "--jobs");
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...same, "--only", name], {
        stdio: ["ignore", "pipe", "inherit"],
        signal,
        killSignal: "SIGTERM",
    });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (s: string) => (text += s));
    return new Promise((done, failed) => {
        child.on("error", failed);
        child.on("close", (code) => done({ text, code }));
    });
}

/** What takes longest comes first, so that it is not what all wait for at the end. */
const LONG = ["rates", "postgres", "cluster", "together", "faults", "failover", "partition"];
const rank = (name: string): number => (LONG.indexOf(name) + LONG.length + 1) % (LONG.length + 1);

/** Runs the files, `jobs` at a time; says of each all at once when it has ended. */
async function runApart(names: string[], jobs: number): Promise<number> {
    const stop = new AbortController();
    const left = [...names].sort((a, b) => rank(a) - rank(b));
    const sum = { passed: 0, failed: 0 };
    for (const s of ["SIGTERM", "SIGINT"] as const) {
        process.once(s, () => stop.abort());
    }
    async function work(): Promise<void> {
        for (let name = left.shift(); name !== undefined; name = left.shift()) {
            const { text, code } = await runFile(name, stop.signal);
            const counts = /^(\d+) passed, (\d+) failed$/m.exec(text);
            console.log(text.replace(/^\d+ passed, \d+ failed\n/m, "").trimEnd());
            sum.passed += Number(counts?.[1] ?? 0);
            sum.failed += Number(counts?.[2] ?? 0);
            if (!counts || (code !== 0 && counts[2] === "0")) {
                sum.failed++;
                console.log(`FAIL ${name} ended with ${code}`);
            }
        }
    }
    await Promise.all(Array.from({ length: jobs }, work));
    console.log(`${sum.passed} passed, ${sum.failed} failed`);
    return sum.failed > 0 ? 1 : 0;
}

/* An exception outside of any promise is a failure of the test that runs. */
let running: ((e: Error) => void) | undefined;
process.on("uncaughtException", (e) => (running ? running(e) : console.error(e)));
process.on("unhandledRejection", (e) => (running ? running(e as Error) : console.error(e)));

const files = readdirSync(here)
    .filter((f) => f.endsWith(".ts") && f !== "run.ts")
    .sort();
for (const file of files) {
    inFile(file.replace(/\.ts$/, ""));
    await import(pathToFileURL(resolve(here, file)).href);
}

const pattern = new RegExp(args.filter, "i");
const chosen = tests.filter(
    (t) =>
        pattern.test(t.name) && (args.only === undefined || t.file === args.only) && (!args.tsan || t.tsan === true),
);
if (Number(args.jobs) > 1) {
    process.exit(await runApart([...new Set(chosen.map((t) => t.file))], Number(args.jobs)));
}
console.log(`seed ${settings.seed}, server ${settings.program}, ${chosen.length} tests`);

let file = "";
for (const test of chosen) {
    if (test.file !== file) {
        if (file) {
            await stopFile(file);
        }
        file = test.file;
        console.log(`\n${file}`);
    }
    await runOne(test);
}
if (file) {
    await stopFile(file);
}
if (failures.length > 0) {
    console.log(`\nfailed (seed ${settings.seed}):`);
    for (const name of failures) {
        console.log(`  ${name}`);
    }
}
if (skipped > 0) {
    console.log(`${skipped} skipped`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
