/* prometheus.ts: a real Prometheus, Debian's, unpacked by ./dev setup: it scrapes a server of a test
 * several times a second, has the alerts of deploy/ loaded, and is asked by its API.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Json } from "./client.ts";
import type { Context } from "./suite.ts";
import { happened, poll, until } from "./wait.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const ALERTS = join(root, "deploy/prometheus/alerts.yml");
export const DASHBOARD = join(root, "deploy/grafana/collabd.json");

/** A program of Debian's package prometheus. */
export function prometheusProgram(name: "prometheus" | "promtool"): string {
    const tool = process.env.PROMTOOL || join(root, "build/promtool/usr/bin/promtool");
    const program = join(dirname(tool), name);
    assert.ok(existsSync(program), `no ${program}: ./dev setup fetches it`);
    return program;
}

export class Prometheus {
    private port = 0;
    private exit: number | null | undefined;
    private readonly log: string[] = [];

    /** Scrapes this port of 127.0.0.1; ends with the test. */
    static async start(t: Context, target: number): Promise<Prometheus> {
        const dir = mkdtempSync(join(tmpdir(), "collabd-prometheus-"));
        const config = join(dir, "prometheus.yml");
        writeFileSync(
            config,
            `global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 500ms}
rule_files: ["${ALERTS}"]
scrape_configs:
  - job_name: collabd
    static_configs: [{targets: ["127.0.0.1:${target}"]}]
`,
        );
        const one = new Prometheus();
        const child = spawn(
            prometheusProgram("prometheus"),
            [`--config.file=${config}`, `--storage.tsdb.path=${join(dir, "data")}`, "--web.listen-address=127.0.0.1:0"],
            { stdio: ["ignore", "ignore", "pipe"] },
        );
        child.on("exit", (code) => {
            one.exit = code;
            happened();
        });
        createInterface({ input: child.stderr! }).on("line", (line) => {
            one.log.push(line);
            /* Of the two lines that tell of it only the later one has the port it got. */
            const at = /address=(?:127\.0\.0\.1|\[::\]):(\d+)/.exec(line);
            one.port = at && Number(at[1]) > 0 ? Number(at[1]) : one.port;
            happened();
        });
        t.defer(async () => {
            child.kill("SIGTERM");
            await until(() => one.exit !== undefined, "the end of Prometheus", 10_000).catch(() => child.kill("SIGKILL"));
            rmSync(dir, { recursive: true, force: true });
        });
        await until(() => one.port > 0 || one.exit !== undefined, "the port of Prometheus", 20_000);
        assert.equal(one.exit, undefined, one.log.slice(-5).join("\n"));
        await poll(() => one.value('up{job="collabd"}').then((v) => v === 1, () => false), "its first scrape", 20_000);
        return one;
    }

    async ask(path: string): Promise<Json> {
        const answer = (await (await fetch(`http://127.0.0.1:${this.port}/api/v1/${path}`)).json()) as Json;
        assert.equal(answer.status, "success", `${path}: ${answer.error}`);
        return answer.data;
    }

    /** What a query comes to now: one number, 0 when nothing answers to it. */
    async value(query: string): Promise<number> {
        const data = await this.ask(`query?query=${encodeURIComponent(query)}`);
        assert.ok(data.result.length <= 1, `${query} has one answer`);
        return data.result.length ? Number(data.result[0].value[1]) : 0;
    }

    /** Waits until a later scrape says so; others may still be counting. */
    async becomes(query: string, want: number): Promise<void> {
        let got = NaN;
        try {
            await poll(async () => (got = await this.value(query)) === want, `${query} = ${want}`);
        } catch (e) {
            throw new Error(`${(e as Error).message}; it is ${got}`);
        }
    }
}
