/* otlp.ts: what a collector of traces was sent (OTLP over HTTP in JSON), read as strictly as a
 * collector would, and flattened.
 */
import assert from "node:assert/strict";
import type { Json } from "./client.ts";
import type { Source } from "./source.ts";

export interface Span {
    traceId: string;
    spanId: string;
    parentSpanId: string | undefined;
    name: string;
    /** The process that told of it. */
    instance: string;
    kind: number;
    /** Nanoseconds since 1970, as far as a double holds them. */
    start: number;
    end: number;
    attributes: Record<string, string | number>;
    status: number;
}

function keysOf(object: Json, required: string[], allowed: string[] = []): void {
    for (const key of required) {
        assert.ok(key in object, `${key} in ${JSON.stringify(object)}`);
    }
    for (const key of Object.keys(object)) {
        assert.ok(required.includes(key) || allowed.includes(key), `${key} has no place in ${JSON.stringify(object)}`);
    }
}

function attributesOf(list: Json): Record<string, string | number> {
    const found: Record<string, string | number> = {};
    for (const one of list) {
        keysOf(one, ["key", "value"]);
        const [[type, value]] = Object.entries(one.value) as [[string, string]];
        assert.equal(typeof value, "string", "64-bit numbers are strings, too");
        assert.ok(type === "stringValue" || (type === "intValue" && /^-?\d+$/.test(value)), type);
        assert.ok(!(one.key in found), `${one.key} is given once`);
        found[one.key] = type === "intValue" ? Number(value) : value;
    }
    return found;
}

function spanOf(s: Json, instance: string): Span {
    keysOf(s, ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"], ["parentSpanId"]);
    assert.match(s.traceId, /^(?!0{32})[0-9a-f]{32}$/);
    assert.match(s.spanId, /^(?!0{16})[0-9a-f]{16}$/);
    assert.ok(s.parentSpanId === undefined || /^(?!0{16})[0-9a-f]{16}$/.test(s.parentSpanId));
    assert.ok(s.kind === 1 || s.kind === 2);
    assert.match(s.startTimeUnixNano, /^\d{19}$/);
    assert.match(s.endTimeUnixNano, /^\d{19}$/);
    keysOf(s.status, ["code"]);
    return {
        traceId: s.traceId,
        spanId: s.spanId,
        parentSpanId: s.parentSpanId,
        name: s.name,
        instance,
        kind: s.kind,
        start: Number(s.startTimeUnixNano),
        end: Number(s.endTimeUnixNano),
        attributes: attributesOf(s.attributes),
        status: s.status.code,
    };
}

/** All spans so far; what is no ExportTraceServiceRequest fails. */
export function collected(source: Source): Span[] {
    const spans: Span[] = [];
    for (const body of source.bodies) {
        keysOf(body, ["resourceSpans"]);
        for (const of of body.resourceSpans) {
            keysOf(of, ["resource", "scopeSpans"]);
            const service = attributesOf(of.resource.attributes);
            assert.equal(service["service.name"], "collabd");
            const instance = String(service["service.instance.id"]);
            assert.match(instance, /:\d+$/);
            for (const scope of of.scopeSpans) {
                keysOf(scope, ["scope", "spans"]);
                spans.push(...scope.spans.map((s: Json) => spanOf(s, instance)));
            }
        }
    }
    assert.equal(new Set(spans.map((s) => s.spanId)).size, spans.length, "ids of spans are unique");
    return spans;
}

export function parentOf(span: Span, among: Span[]): Span | undefined {
    return among.find((s) => s.traceId === span.traceId && s.spanId === span.parentSpanId);
}
