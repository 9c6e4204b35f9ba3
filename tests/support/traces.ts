/* traces.ts: recorded writing sessions (josephg/editing-traces), kept outside the repository. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

export type Patch = [position: number, deleted: number, inserted: string];

export interface Trace {
    startContent?: string;
    endContent: string;
    numAgents?: number;
    txns: { parents?: number[]; agent?: number; patches: Patch[] }[];
}

const repository = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The trace, or undefined when COLLAB_TRACES=skip allows to go without. */
export function loadTrace(name: string): Trace | undefined {
    const chosen = process.env.COLLAB_TRACES;
    if (chosen === "skip") {
        return undefined;
    }
    const folder = chosen ?? resolve(repository, "../shared/traces");
    const file = resolve(folder, `${name}.json.gz`);
    if (!existsSync(file)) {
        throw new Error(
            `no trace ${file}: set COLLAB_TRACES to the folder of the editing traces, or to "skip"`,
        );
    }
    return JSON.parse(gunzipSync(readFileSync(file)).toString()) as Trace;
}
