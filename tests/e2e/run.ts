/* run.ts: the end-to-end tests against a built server.
 *
 *     npx tsx e2e/run.ts --server ../build/release/collabd [--filter REGEX] [--only FILE|tsan]
 *                        [--seed N] [--seconds N] [--patient]
 *
 * Tests run one after another; those of a file share a server with default flags, others start their
 * own. Each server ends by SIGTERM with exit code 0 and without a sanitizer report, or its test fails.
 */
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
        pattern.test(t.name) &&
        (args.only === undefined || (args.only === "tsan" ? t.tsan === true : t.file === args.only)),
);
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
