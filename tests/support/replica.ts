/* replica.ts: one user's copy of a room: a Y.Doc and its Awareness. It outlives connections: whoever
 * carries it (a client of any dialect) links itself in, and what is edited without a link is offline
 * editing.
 */
import assert from "node:assert/strict";
import * as Y from "yjs";
import * as awarenessProtocol from "y-protocols/awareness";
import type { Random } from "./random.ts";
import { happened, until } from "./wait.ts";

export interface Link {
    sendUpdate(update: Uint8Array): void;
    sendAwareness(update: Uint8Array): void;
}

export interface ReplicaOptions {
    clientID?: number;
    /** Publish every presence change again, whoever made it, as y-websocket does. */
    echo?: boolean;
}

const REMOTE = Symbol("remote");

export class Replica {
    readonly doc = new Y.Doc();
    readonly text: Y.Text;
    readonly awareness: awarenessProtocol.Awareness;
    link: Link | undefined;
    /** Updates and presence messages that came in, as received. */
    readonly updates: Uint8Array[] = [];
    readonly presence: Uint8Array[] = [];
    presenceSent = 0;

    constructor(options: ReplicaOptions = {}) {
        if (options.clientID !== undefined) {
            this.doc.clientID = options.clientID;
        }
        this.text = this.doc.getText("text");
        this.awareness = new awarenessProtocol.Awareness(this.doc);
        this.doc.on("update", (update: Uint8Array, origin: unknown) => {
            if (origin !== REMOTE) {
                this.link?.sendUpdate(update);
            }
        });
        this.awareness.on(
            "update",
            (c: { added: number[]; updated: number[]; removed: number[] }) => {
                const changed = [...c.added, ...c.updated, ...c.removed];
                if (changed.includes(this.doc.clientID) || options.echo) {
                    this.presenceSent++;
                    this.link?.sendAwareness(
                        awarenessProtocol.encodeAwarenessUpdate(this.awareness, changed),
                    );
                }
            },
        );
    }

    applyUpdate(update: Uint8Array): void {
        this.updates.push(update);
        Y.applyUpdate(this.doc, update, REMOTE);
        happened();
    }

    applyAwareness(update: Uint8Array): void {
        this.presence.push(update);
        awarenessProtocol.applyAwarenessUpdate(this.awareness, update, REMOTE);
        happened();
    }

    get stateVector(): Uint8Array {
        return Y.encodeStateVector(this.doc);
    }

    get state(): Uint8Array {
        return Y.encodeStateAsUpdate(this.doc);
    }

    ownPresence(): Uint8Array | undefined {
        return this.awareness.getLocalState() === null
            ? undefined
            : awarenessProtocol.encodeAwarenessUpdate(this.awareness, [this.doc.clientID]);
    }

    show(state: Record<string, unknown>): void {
        this.awareness.setLocalState(state);
    }

    /** What this user sees of another one. */
    sees(other: Replica): Record<string, unknown> | undefined {
        return this.awareness.getStates().get(other.doc.clientID);
    }

    /** A connection has gone, and with it what was known of the others. */
    forgetOthers(): void {
        for (const id of [...this.awareness.states.keys()]) {
            if (id !== this.doc.clientID) {
                this.awareness.states.delete(id);
                this.awareness.meta.delete(id);
            }
        }
    }

    type(at: number, text: string): void {
        this.text.insert(Math.min(at, this.text.length), text);
    }

    append(text: string): void {
        this.text.insert(this.text.length, text);
    }

    /** One random edit: mostly typing, some deletions, formats, and a map beside the text. */
    scribble(rng: Random): void {
        const length = this.text.length;
        if (length > 4 && rng.chance(0.25)) {
            const at = rng.below(length - 1);
            this.text.delete(at, 1 + rng.below(Math.min(6, length - at)));
        } else if (length > 4 && rng.chance(0.06)) {
            /* Never from or to the middle of a surrogate pair: yjs then replaces the pair in its own
             * copy even when no format is inserted, of which nobody hears; copies that only yjs has
             * touched come apart as well. Insertions and deletions inside pairs are fine. */
            const content = this.text.toString();
            const border = (i: number): number => (/[\udc00-\udfff]/.test(content[i] ?? "") ? i - 1 : i);
            const from = rng.below(length - 1);
            const at = border(from);
            const end = border(from + 1 + rng.below(Math.min(6, length - from)));
            this.text.format(at, Math.max(0, end - at), { bold: rng.chance(0.5) ? true : null });
        } else if (rng.chance(0.1)) {
            this.doc.getMap("map").set(`k${rng.below(8)}`, rng.below(1000));
        } else {
            const words = ["a", "be", "see ", "ä", "木", "🌲", "\n", "0123456789"];
            this.type(rng.below(length + 1), rng.pick(words));
        }
    }

    dispose(): void {
        this.link = undefined;
        this.awareness.destroy();
        this.doc.destroy();
    }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

/** Same content: state vectors, delete sets, and nothing that still waits for what it needs. */
export function equal(a: Replica, b: Replica): boolean {
    return (
        sameBytes(a.stateVector, b.stateVector) &&
        a.doc.store.pendingStructs === null &&
        b.doc.store.pendingStructs === null &&
        Y.equalSnapshots(Y.snapshot(a.doc), Y.snapshot(b.doc))
    );
}

/** Waits until all copies are equal, then proves it on what an editor would show. */
export async function converged(replicas: Replica[], ms = 15_000): Promise<void> {
    const first = replicas[0]!;
    try {
        await until(() => replicas.every((r) => equal(first, r)), "all copies are equal", ms);
    } catch (e) {
        const sizes = replicas.map((r) => `${r.text.length}`).join(" ");
        throw new Error(`${(e as Error).message} (text lengths ${sizes})`);
    }
    for (const r of replicas) {
        assert.deepEqual(r.text.toDelta(), first.text.toDelta());
        assert.deepEqual(r.doc.getMap("map").toJSON(), first.doc.getMap("map").toJSON());
    }
}
