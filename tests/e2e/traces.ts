/* traces.ts: recorded writing sessions, replayed through the server by real Yjs clients. The text at
 * the end is the recorded one, on every client and on one that comes afterwards.
 */
import assert from "node:assert/strict";
import * as Y from "yjs";
import type { CollabClient, Membership } from "../support/client.ts";
import { type Link, Replica, type ReplicaOptions, converged } from "../support/replica.ts";
import type { Server } from "../support/server.ts";
import { type Context, test } from "../support/suite.ts";
import { type Patch, type Trace, loadTrace } from "../support/traces.ts";
import { happened, until } from "../support/wait.ts";

const MS = 120_000;

/** Positions of the traces count code points, Y.Text counts UTF-16 units. While all text is in the
 * basic plane they are the same. */
const basicPlane = (text: string): boolean => !/[\ud800-\udfff]/.test(text);

function apply(text: Y.Text, patches: Patch[]): void {
    for (const [position, deleted, inserted] of patches) {
        let at = position;
        let length = deleted;
        const whole = text.length;
        if (!ascii.has(text)) {
            const shown = [...text.toString()];
            at = shown.slice(0, position).join("").length;
            length = shown.slice(position, position + deleted).join("").length;
        }
        assert.ok(at + length <= whole, "the patch lies within the text");
        if (length > 0) {
            text.delete(at, length);
        }
        if (inserted) {
            text.insert(at, inserted);
        }
    }
}

/** Texts of which we know that they never leave the basic plane. */
const ascii = new WeakSet<Y.Text>();

function prepare(trace: Trace, text: Y.Text): void {
    if (trace.txns.every((x) => x.patches.every((p) => basicPlane(p[2])))) {
        ascii.add(text);
    }
}

function need(t: Context, name: string): Trace {
    return loadTrace(name) ?? t.skip("COLLAB_TRACES=skip");
}

async function fresh(t: Context, server: Server, roomId: string): Promise<Replica> {
    const replica = t.replica();
    await (await t.connect(server)).join(roomId, replica);
    return replica;
}

test(
    "the session `rustcode`, typed through the server, ends in its recorded text everywhere",
    async (t) => {
        const trace = need(t, "rustcode");
        const server = await t.server();
        const roomId = t.room("rustcode");
        const writer = t.replica();
        const reader = t.replica();
        const writers = await t.connect(server);
        const room = await writers.join(roomId, writer);
        const readers = await t.connect(server);
        await readers.join(roomId, reader);
        prepare(trace, writer.text);
        if (trace.startContent) {
            writer.append(trace.startContent);
        }
        const together = 20; /* transactions in one update: what an editor sends in a second or two */
        for (let i = 0; i < trace.txns.length; i += together) {
            writer.doc.transact(() => {
                for (const x of trace.txns.slice(i, i + together)) {
                    apply(writer.text, x.patches);
                }
            });
            if (room.unanswered > 32) {
                await until(() => room.unanswered < 16, "answers");
            }
        }
        await writers.quiet();
        const late = await fresh(t, server, roomId);
        await converged([writer, reader, late], 30_000);
        for (const r of [writer, reader, late]) {
            assert.equal(r.text.toString(), trace.endContent);
        }
        await readers.quiet();
    },
    { ms: MS },
);

/* ---- two writers at once ---- */

/** A copy that holds back what comes in until its writer needs it. */
class Holding extends Replica {
    readonly held: Uint8Array[] = [];
    arrived = 0;

    constructor(options?: ReplicaOptions) {
        super(options);
    }

    override applyUpdate(update: Uint8Array): void {
        this.held.push(update);
        this.arrived++;
        happened();
    }

    release(): void {
        super.applyUpdate(this.held.shift()!);
    }
}

interface Step {
    /** How many transactions of the other writer are in the document when this one is typed. */
    knows: number;
    patches: Patch[];
}

/** The graph of parents as two lists: what each writer types, and how much it then knows of the other. */
function unravel(trace: Trace): [Step[], Step[]] {
    const counts: [number, number] = [0, 0];
    const after: [number, number][] = [];
    const steps: [Step[], Step[]] = [[], []];
    for (const x of trace.txns) {
        const agent = x.agent as 0 | 1;
        const seen: [number, number] = [0, 0];
        for (const p of x.parents!) {
            seen[0] = Math.max(seen[0], after[p]![0]);
            seen[1] = Math.max(seen[1], after[p]![1]);
        }
        assert.equal(seen[agent], counts[agent], "a writer knows all that it typed itself");
        steps[agent].push({ knows: seen[1 - agent]!, patches: x.patches });
        seen[agent] = ++counts[agent];
        after.push(seen);
    }
    return steps;
}

/** One of the two. What it types is sent in pieces that end where the other one's knowledge of it
 * grows, one piece under way at a time; so each message that arrives is one piece. */
class Writer implements Link {
    readonly replica: Holding;
    readonly room: Membership;
    private readonly steps: Step[];
    /** Ends of the pieces, as numbers of own transactions. */
    private readonly cuts: number[];
    private other!: Writer;
    private own = 0;
    private knows = 0;
    private pending: Uint8Array[] = [];
    private readonly ready: Uint8Array[] = [];
    private sent = 0;
    private taken = 0;

    constructor(room: Membership, replica: Holding, steps: Step[], others: Step[]) {
        this.room = room;
        this.replica = replica;
        this.steps = steps;
        this.cuts = [...new Set([...others.map((s) => s.knows), steps.length])].filter((n) => n > 0);
        replica.link = this;
    }

    meet(other: Writer): void {
        this.other = other;
    }

    sendUpdate(update: Uint8Array): void {
        this.pending.push(update);
    }

    sendAwareness(): void {
        /* this story has no cursors */
    }

    private pump(): void {
        if (this.ready.length > 0 && this.other.replica.arrived === this.sent) {
            this.sent++;
            this.room.sendUpdate(this.ready.shift()!);
        }
    }

    private take(): void {
        this.replica.release();
        this.knows = this.other.cuts[this.taken++]!;
    }

    async write(): Promise<void> {
        let cut = 0;
        while (this.own < this.steps.length) {
            const step = this.steps[this.own]!;
            while (this.knows < step.knows) {
                await until(() => {
                    this.pump();
                    return this.replica.held.length > 0;
                }, `what transaction ${this.own} was typed upon`);
                this.take();
            }
            const next = this.cuts[cut]!;
            this.replica.doc.transact(() => {
                do {
                    apply(this.replica.text, this.steps[this.own++]!.patches);
                } while (this.own < next && this.steps[this.own]!.knows === this.knows);
            });
            if (this.own === next) {
                cut++;
                this.ready.push(Y.mergeUpdates(this.pending));
                this.pending = [];
            }
            this.pump();
        }
        await until(() => {
            this.pump();
            return this.ready.length === 0;
        }, "the last pieces' sending");
        while (this.taken < this.other.cuts.length) {
            await until(() => this.replica.held.length > 0, "the other's last pieces");
            this.take();
        }
    }
}

async function writer(
    t: Context,
    server: Server,
    roomId: string,
    clientID: number,
    mine: Step[],
    others: Step[],
): Promise<[CollabClient, Writer]> {
    const replica = new Holding({ clientID });
    t.defer(() => replica.dispose());
    const client = await t.connect(server);
    const room = await client.join(roomId, replica);
    return [client, new Writer(room, replica, mine, others)];
}

test(
    "the session `friendsforever`, typed by two at once on the documents they saw then, ends in its recorded text everywhere",
    async (t) => {
        const trace = need(t, "friendsforever");
        const server = await t.server();
        const roomId = t.room("friends");
        const reader = await fresh(t, server, roomId);
        const [one, two] = unravel(trace);
        /* Where both insert at one place the lower id stands first, as it did in the recording. */
        const [ann, anns] = await writer(t, server, roomId, 1, one, two);
        const [bob, bobs] = await writer(t, server, roomId, 2, two, one);
        anns.meet(bobs);
        bobs.meet(anns);
        prepare(trace, anns.replica.text);
        prepare(trace, bobs.replica.text);
        await Promise.all([anns.write(), bobs.write()]);
        await ann.quiet();
        await bob.quiet();
        const late = await fresh(t, server, roomId);
        const all = [anns.replica, bobs.replica, reader, late];
        await converged(all, 30_000);
        for (const r of all) {
            assert.equal(r.text.toString(), trace.endContent);
        }
    },
    { ms: MS },
);
