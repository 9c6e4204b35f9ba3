/* tool.ts: `collabd store`, run as an operator would. */
import { spawn } from "node:child_process";
import type { Context } from "./suite.ts";
import { until, happened } from "./wait.ts";

export interface Result {
    code: number | null;
    out: string;
    err: string;
}

/** Runs the tool to its end. */
export async function runTool(t: Context, args: string[], env: Record<string, string> = {}): Promise<Result> {
    const child = spawn(t.settings.program, ["store", ...args], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { PATH: process.env.PATH, ...env },
    });
    const result: Result = { code: null, out: "", err: "" };
    let ended = false;
    child.stdout.setEncoding("utf8").on("data", (s: string) => (result.out += s));
    child.stderr.setEncoding("utf8").on("data", (s: string) => (result.err += s));
    child.on("close", (code) => {
        result.code = code;
        ended = true;
        happened();
    });
    t.defer(() => void child.kill("SIGKILL"));
    await until(() => ended, `the end of collabd store ${args.join(" ")}`, 30_000);
    return result;
}

/** Runs what must go well. */
export async function good(t: Context, ...args: string[]): Promise<Result> {
    const result = await runTool(t, args);
    if (result.code !== 0) {
        throw new Error(`collabd store ${args.join(" ")} ended with ${result.code}: ${result.err}`);
    }
    return result;
}
