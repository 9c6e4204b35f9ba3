/* readme.ts: the few lines that README.md promises to connect a document do so, as they stand there. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Context, test } from "../support/suite.ts";
import { happened, until } from "../support/wait.ts";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

function snippet(): string {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const found =
        /<!-- snippet:connect -->\s*```js\n([^]*?)```/.exec(readme) ??
        /```js\n([^`]*?collab\/ws[^]*?)```/.exec(readme);
    assert.ok(found, "README.md has a snippet that connects");
    return found[1]!;
}

interface Terminal {
    child: ChildProcess;
    out: string;
    err: string;
}

function run(t: Context, file: string): Terminal {
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
    const terminal = { child, out: "", err: "" };
    child.stdout.on("data", (d) => {
        terminal.out += d;
        happened();
    });
    child.stderr.on("data", (d) => {
        terminal.err += d;
        happened();
    });
    child.on("exit", happened);
    t.defer(() => {
        child.kill();
    });
    return terminal;
}

test("the snippet of README.md, run in two terminals, shows both greetings in both", async (t) => {
    const code = snippet();
    assert.ok(code.trim().split("\n").length <= 12, "it is about ten lines");
    const server = await t.server();
    const folder = mkdtempSync(join(tmpdir(), "collab-readme-"));
    t.defer(() => rmSync(folder, { recursive: true }));
    symlinkSync(join(root, "tests/node_modules"), join(folder, "node_modules"));
    const file = join(folder, "hello.mjs");
    assert.ok(code.includes("127.0.0.1:3005"), "it speaks to the default port");
    writeFileSync(file, code.replaceAll("127.0.0.1:3005", `127.0.0.1:${server.port}`));
    const terminals = [run(t, file), run(t, file)];
    const greetings = (out: string): number => new Set(out.match(/hello from \d+/g)).size;
    await until(
        () => terminals.every((x) => greetings(x.out) === 2 || x.child.exitCode !== null),
        "both greetings in both terminals",
    );
    for (const terminal of terminals) {
        assert.equal(terminal.child.exitCode, null, terminal.err);
        assert.equal(greetings(terminal.out), 2);
    }
});
