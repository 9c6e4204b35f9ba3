/* prometheus.ts: a real Prometheus scrapes a real server under load. What it sums up is what the
 * clients counted themselves; the alerts of deploy/ are loaded and quiet, and fire when the server
 * drains; every panel of the dashboard asks something that Prometheus understands.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Json } from "../support/client.ts";
import { DASHBOARD, Prometheus, prometheusProgram } from "../support/prometheus.ts";
import { converged } from "../support/replica.ts";
import { test } from "../support/suite.ts";
import { DIALECTS, company, sum } from "../support/tally.ts";
import { pause, until } from "../support/wait.ts";

/** What promtool has to say about a page, but for names that users were promised. */
function lint(page: string): string[] {
    const checked = spawnSync(prometheusProgram("promtool"), ["check", "metrics"], { input: page, encoding: "utf8" });
    assert.equal(checked.error, undefined);
    return `${checked.stderr}${checked.stdout}`.split("\n").filter((l) => l && !/^collab_\w+_ms .*abbreviated/.test(l));
}

test(
    "Prometheus scrapes the server under load, and its sums are those of the clients; alerts are quiet, panels answer",
    async (t) => {
        const server = await t.start(["--workers", "2", "--metrics-addr", "127.0.0.1:0"]);
        const port = await server.metricsPort();
        const prometheus = await Prometheus.start(t, port);
        const rooms = await Promise.all([0, 1, 2].map(() => company(t, server, t.room("scraped"))));
        const replicas = rooms.flatMap((r) => r.replicas);
        const end = performance.now() + 4_000;
        for (let turn = 0; performance.now() < end; turn++) {
            for (const replica of replicas) {
                replica.scribble(t.rng);
                replica.show({ turn });
            }
            await pause(100); /* the pace of typing */
        }
        for (const room of rooms) {
            await room.json.quiet();
            await converged(room.replicas);
        }
        const tallies = rooms.flatMap((r) => r.tallies);
        for (const dialect of DIALECTS) {
            const of = `{job="collabd",dialect="${dialect}"}`;
            const sent = sum(tallies, "sent", dialect);
            await prometheus.becomes(`sum(collab_msg_in_total${of})`, sent.messages);
            await prometheus.becomes(`sum(collab_msg_in_bytes_total${of})`, sent.bytes);
            const received = sum(tallies, "received", dialect);
            await prometheus.becomes(`sum(collab_msg_out_total${of})`, received.messages);
            await prometheus.becomes(`sum(collab_msg_out_bytes_total${of})`, received.bytes);
            assert.ok(sent.messages > 20 && received.messages > 20, dialect);
        }
        await prometheus.becomes("sum(collab_connections)", tallies.length);
        await prometheus.becomes("sum(collab_participants)", replicas.length);
        await prometheus.becomes("sum(collab_rooms_by_participants)", rooms.length);
        await prometheus.becomes("sum(collab_dropped_total)", 0);
        assert.ok((await prometheus.value("sum(rate(collab_msg_in_total[1m]))")) > 0, "a rate, over several scrapes");
        assert.ok((await prometheus.value("histogram_quantile(0.95, sum by (le) (rate(collab_echo_ms_bucket[1m])))")) > 0);

        assert.deepEqual(lint(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()), []);

        const { groups } = await prometheus.ask("rules");
        const rules: Json[] = groups.flatMap((g: Json) => g.rules);
        assert.ok(rules.length >= 10);
        for (const rule of rules) {
            assert.deepEqual([rule.health, rule.state], ["ok", "inactive"], `${rule.name}: ${rule.lastError}`);
        }

        const { panels } = JSON.parse(readFileSync(DASHBOARD, "utf8"));
        let answered = 0;
        for (const { expr } of panels.flatMap((p: Json) => p.targets)) {
            const query = expr.replaceAll("$job", ".*").replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m");
            assert.ok(!query.includes("$"), query);
            answered += (await prometheus.ask(`query?query=${encodeURIComponent(query)}`)).result.length > 0 ? 1 : 0;
        }
        assert.ok(answered > 30, `${answered} panels have something to show`);
    },
    { ms: 90_000 },
);

test(
    "while the server drains its metrics are still served at their own address, and the alert says it",
    async (t) => {
        const server = await t.start(["--workers", "2", "--metrics-addr", "127.0.0.1:0"]);
        const prometheus = await Prometheus.start(t, await server.metricsPort());
        const client = await t.connect(server);
        await client.join(t.room("drained"), t.replica());
        client.line.stall(); /* it does not answer the close, so draining takes its time */
        const firing = 'sum(max_over_time(ALERTS{alertname="CollabDraining",alertstate="firing"}[1m]))';
        assert.equal(await prometheus.value(firing), 0);
        server.signal("SIGTERM");
        await prometheus.becomes(firing, 1);
        await prometheus.becomes("max(max_over_time(collab_draining[1m]))", 1);
        client.line.resume();
        await until(() => server.exit !== undefined, "the exit", 15_000);
        assert.deepEqual(server.exit, { code: 0, signal: null });
    },
    { ms: 60_000 },
);
