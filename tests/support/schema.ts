/* schema.ts: what docs/log.schema.json says of a line of the log. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";

const path = resolve(dirname(fileURLToPath(import.meta.url)), "../../docs/log.schema.json");
const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const validate = ajv.compile(JSON.parse(readFileSync(path, "utf8")));

/** What is wrong with this line, or an empty text. */
export function wrongOfLog(line: string): string {
    let value: unknown;
    try {
        value = JSON.parse(line);
    } catch {
        return "no JSON";
    }
    return validate(value) ? "" : ajv.errorsText(validate.errors);
}
