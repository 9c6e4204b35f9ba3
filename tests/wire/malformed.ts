/* malformed.ts: messages that no well-behaved client sends, as data. Each has its own error; none may
 * disturb anybody else. Played by e2e/malformed.ts against the running server.
 */

/** What must come back: an error with one of these codes (and this id, null by default), a refusal of
 * the binary long form, the end of the connection with one of these close codes, or nothing at all. */
export interface Expect {
    error?: number[];
    id?: string | number | null;
    detail?: RegExp;
    refusal?: number[];
    close?: number[];
    nothing?: true;
}

export interface Malformed {
    name: string;
    /** Connection: JSON-RPC, mcp-binary with one subscription, plain JSON, or bytes after the upgrade. */
    on: "json" | "binary" | "plain" | "raw";
    /** ROOM in a text is replaced by the room's name, CHANNEL by its number. */
    text?: string;
    /** Bytes of a binary message or, on "raw", as they are; in hexadecimal. CHANNEL as above. */
    hex?: string;
    expect: Expect;
}

const request = (params: string, method = "collab/update"): string =>
    `{"jsonrpc":"2.0","id":7,"method":"${method}","params":${params}}`;
const parse: Expect = { error: [-32700] };
const invalid: Expect = { error: [-32600] };
const params = (detail: RegExp): Expect => ({ error: [-32602], id: 7, detail });

const json: Malformed[] = [
    { name: "an empty message", text: "", expect: parse },
    { name: "white space", text: " \n ", expect: parse },
    { name: "no JSON", text: "hello", expect: parse },
    { name: "JSON cut short", text: '{"jsonrpc":"2.0","id":7,"met', expect: parse },
    { name: "garbage after JSON", text: `${request("{}")}x`, expect: parse },
    { name: "two messages in one", text: `${request("{}")}${request("{}")}`, expect: parse },
    { name: "a byte order mark", text: `\ufeff${request("{}")}`, expect: parse },
    { name: "a NUL in the text", text: '{"jsonrpc":"2.0",\u0000"id":7}', expect: parse },
    { name: "a number too large for JSON's readers", text: '{"jsonrpc":"2.0","id":1e999,"method":"ping"}', expect: { error: [-32700, -32600] } },
    { name: "nesting 100,000 deep", text: `${"[".repeat(100_000)}${"]".repeat(100_000)}`, expect: { error: [-32700, -32600] } },
    { name: "params nested 1,000 deep", text: request(`{"roomId":"ROOM","client":${'{"a":'.repeat(1000)}1${"}".repeat(1000)}}`, "collab/subscribe"), expect: { error: [-32700, -32600, -32602] } },
    { name: "null", text: "null", expect: invalid },
    { name: "a number", text: "42", expect: invalid },
    { name: "a string", text: '"hello"', expect: invalid },
    { name: "an empty object", text: "{}", expect: invalid },
    { name: "an empty batch", text: "[]", expect: invalid },
    { name: "a batch of 65", text: `[${Array(65).fill(request("{}", "ping")).join(",")}]`, expect: invalid },
    { name: "no jsonrpc", text: '{"id":7,"method":"ping"}', expect: { error: [-32600], id: 7 } },
    { name: "jsonrpc 1.0", text: '{"jsonrpc":"1.0","id":7,"method":"ping"}', expect: { error: [-32600], id: 7 } },
    { name: "jsonrpc as a number", text: '{"jsonrpc":2.0,"id":7,"method":"ping"}', expect: { error: [-32600], id: 7 } },
    { name: "no method", text: '{"jsonrpc":"2.0","id":7}', expect: { error: [-32600], id: 7 } },
    { name: "a number as method", text: '{"jsonrpc":"2.0","id":7,"method":7}', expect: { error: [-32600], id: 7 } },
    { name: "an object as id", text: '{"jsonrpc":"2.0","id":{},"method":"ping"}', expect: invalid },
    { name: "true as id", text: '{"jsonrpc":"2.0","id":true,"method":"ping"}', expect: invalid },
    { name: "an id of 100,000 characters", text: `{"jsonrpc":"2.0","id":"${"x".repeat(100_000)}","method":"ping"}`, expect: invalid },
    { name: "an unknown method", text: request("{}", "collab/none"), expect: { error: [-32601], id: 7 } },
    { name: "a method's name of 100,000 characters", text: request("{}", "x".repeat(100_000)), expect: { error: [-32601], id: 7 } },
    { name: "a string as params", text: request('"x"', "ping"), expect: { error: [-32600, -32602], id: 7 } },
    { name: "a list as params", text: request("[]"), expect: params(/./) },
    { name: "no params", text: '{"jsonrpc":"2.0","id":7,"method":"collab/subscribe"}', expect: params(/roomId/) },
    { name: "no roomId", text: request("{}", "collab/subscribe"), expect: params(/roomId/) },
    { name: "a number as roomId", text: request('{"roomId":5}', "collab/subscribe"), expect: params(/roomId/) },
    { name: "a roomId of 201 bytes", text: request(`{"roomId":"${"x".repeat(201)}"}`, "collab/subscribe"), expect: params(/roomId/) },
    { name: "a NUL in roomId", text: request('{"roomId":"a\\u0000b"}', "collab/subscribe"), expect: { error: [-32700, -32602] } },
    { name: "half a surrogate pair in roomId", text: request('{"roomId":"\\ud800"}', "collab/subscribe"), expect: { error: [-32700, -32602] } },
    { name: "capabilities as a number", text: request('{"roomId":"ROOM","capabilities":1}', "collab/subscribe"), expect: params(/capabilities/) },
    { name: "a state vector that is none", text: request('{"roomId":"ROOM","stateVectorB64":"/////w=="}', "collab/subscribe"), expect: params(/./) },
    { name: "update without seq", text: request('{"roomId":"ROOM","payloadB64":"AAA="}'), expect: params(/seq/) },
    { name: "a negative seq", text: request('{"roomId":"ROOM","seq":-1,"payloadB64":"AAA="}'), expect: params(/seq/) },
    { name: "a fraction as seq", text: request('{"roomId":"ROOM","seq":0.5,"payloadB64":"AAA="}'), expect: params(/seq/) },
    { name: "a seq of 2^53", text: request('{"roomId":"ROOM","seq":9007199254740992,"payloadB64":"AAA="}'), expect: params(/seq/) },
    { name: "a seq of 2^64", text: request('{"roomId":"ROOM","seq":18446744073709551616,"payloadB64":"AAA="}'), expect: { error: [-32700, -32602] } },
    { name: "a string as seq", text: request('{"roomId":"ROOM","seq":"1","payloadB64":"AAA="}'), expect: params(/seq/) },
    { name: "update without payload", text: request('{"roomId":"ROOM","seq":1}'), expect: params(/payload/) },
    { name: "a payload that is no base64", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"@@@@"}'), expect: params(/payload/) },
    { name: "base64 of one character", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"A"}'), expect: params(/payload/) },
    { name: "base64 padded in the middle", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AA==AAAA"}'), expect: params(/payload/) },
    { name: "payload without its prefix", text: request('{"roomId":"ROOM","seq":1,"payload":"AAA="}'), expect: params(/payload/) },
    { name: "a list of numbers as payload", text: request('{"roomId":"ROOM","seq":1,"payloadB64":[0,0]}'), expect: params(/payload/) },
    { name: "an update of no bytes", text: request('{"roomId":"ROOM","seq":1,"payloadB64":""}'), expect: params(/./) },
    { name: "an update cut short", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AQ=="}'), expect: params(/./) },
    { name: "an update that announces 2^32 clients", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"gICAgBA="}'), expect: params(/./) },
    { name: "an update of a struct of 2^40 characters", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AQEBAICAgICAIAAA"}'), expect: params(/./) },
    { name: "a varuint that never ends", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"////////////////"}'), expect: params(/./) },
    { name: "presence cut short", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AQE="}', "collab/awareness"), expect: params(/./) },
    { name: "presence that announces 2^32 entries", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"gICAgBA="}', "collab/awareness"), expect: params(/./) },
    { name: "presence whose state is no UTF-8", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AQEBAv/+"}', "collab/awareness"), expect: params(/./) },
    { name: "a sync of garbage", text: request('{"roomId":"ROOM","seq":1,"payloadB64":"AQID"}', "collab/sync"), expect: params(/./) },
    { name: "a version by name", text: request('{"roomId":"ROOM","versionId":"latest"}', "collab/history.get"), expect: params(/versionId/) },
    { name: "a version of 2^53", text: request('{"roomId":"ROOM","versionId":9007199254740992}', "collab/history.get"), expect: params(/versionId/) },
    { name: "a list of no versions", text: request('{"roomId":"ROOM","limit":0}', "collab/history.list"), expect: params(/limit/) },
    { name: "a line break in a label", text: request('{"roomId":"ROOM","label":"a\\nb"}', "collab/history.save"), expect: params(/label/) },
    { name: "an update to a room not joined", text: request('{"roomId":"elsewhere","seq":1,"payloadB64":"AAA="}'), expect: { error: [403], id: 7 } },
    { name: "an update notification that is malformed", text: '{"jsonrpc":"2.0","method":"collab/update","params":{"roomId":"ROOM"}}', expect: { nothing: true } },
    { name: "an answer to nothing", text: '{"jsonrpc":"2.0","id":99,"result":{}}', expect: { nothing: true } },
    { name: "a binary frame where JSON was agreed on", hex: "0100", expect: { error: [-32600, -32700] } },
].map((c) => ({ on: "json", ...c }) as Malformed);

const binary: Malformed[] = [
    { name: "an empty binary frame", hex: "", expect: invalid },
    { name: "an unknown tag", hex: "7f00", expect: invalid },
    { name: "the tag of an acknowledgement, short", hex: "0401", expect: invalid },
    { name: "an update of no bytes, short", hex: "01", expect: { error: [-32602] } },
    { name: "an update of garbage, short", hex: "01010203", expect: { error: [-32602] } },
    { name: "presence of garbage, short", hex: "020102", expect: { error: [-32602] } },
    { name: "a state vector of garbage, short", hex: "03ffffff", expect: { error: [-32602] } },
    { name: "a heartbeat of 3 bytes", hex: "10010203", expect: { error: [-32602] } },
    { name: "a heartbeat of 9 bytes", hex: "10000000000000000000", expect: { error: [-32602] } },
    { name: "a long header cut short", hex: "81", expect: { error: [-32600], refusal: [32600] } },
    { name: "a channel that never ends", hex: "81ffffffffffffffffffff", expect: { error: [-32600], refusal: [32600] } },
    { name: "a channel nobody gave", hex: "81ffff7f3f0000", expect: { refusal: [403] } },
    { name: "an update of garbage, long", hex: "81CHANNEL3f010203", expect: { refusal: [32602] } },
    { name: "presence of garbage, long", hex: "82CHANNEL3f010203", expect: { refusal: [32602] } },
    { name: "an unknown tag, long", hex: "ffCHANNEL3f00", expect: { error: [-32600], refusal: [32600] } },
].map((c) => ({ on: "binary", ...c }) as Malformed);

const plain: Malformed[] = [
    { name: "plain: no JSON", text: "hello", expect: { error: [-32700] } },
    { name: "plain: a list", text: "[]", expect: { error: [-32600, -32602] } },
    { name: "plain: no type", text: '{"roomId":"ROOM","update":[0,0]}', expect: { error: [-32600, -32601, -32602] } },
    { name: "plain: an unknown type", text: '{"type":"delete","roomId":"ROOM"}', expect: { error: [-32600, -32601, -32602] } },
    { name: "plain: no update", text: '{"type":"update","roomId":"ROOM"}', expect: { error: [-32602] } },
    { name: "plain: a string as update", text: '{"type":"update","roomId":"ROOM","update":"AAA="}', expect: { error: [-32602] } },
    { name: "plain: 256 is no byte", text: '{"type":"update","roomId":"ROOM","update":[0,256]}', expect: { error: [-32602] } },
    { name: "plain: -1 is no byte", text: '{"type":"update","roomId":"ROOM","update":[0,-1]}', expect: { error: [-32602] } },
    { name: "plain: 0.5 is no byte", text: '{"type":"update","roomId":"ROOM","update":[0,0.5]}', expect: { error: [-32602] } },
    { name: "plain: an update of garbage", text: '{"type":"update","roomId":"ROOM","update":[1,2,3]}', expect: { error: [-32602] } },
    { name: "plain: presence of garbage", text: '{"type":"awareness","roomId":"ROOM","payload":[1,2,3]}', expect: { error: [-32602] } },
    { name: "plain: a bad roomId", text: '{"type":"update","roomId":"a b","update":[0,0]}', expect: { error: [-32602] } },
    { name: "plain: a binary frame", hex: "0000", expect: { error: [-32600, -32700] } },
].map((c) => ({ on: "plain", ...c }) as Malformed);

const raw: Malformed[] = [
    { name: "a frame without mask", hex: "810474657374", expect: { close: [1002] } },
    { name: "RSV1 without an extension", hex: "c18000000000", expect: { close: [1002] } },
    { name: "RSV3", hex: "918000000000", expect: { close: [1002] } },
    { name: "opcode 3", hex: "838000000000", expect: { close: [1002] } },
    { name: "opcode 11", hex: "8b8000000000", expect: { close: [1002] } },
    { name: "a ping in fragments", hex: "098000000000", expect: { close: [1002] } },
    { name: "a ping of 126 bytes", hex: `89fe007e00000000${"00".repeat(126)}`, expect: { close: [1002] } },
    { name: "a continuation of nothing", hex: "808000000000", expect: { close: [1002] } },
    { name: "a new message inside another", hex: "018000000000818000000000", expect: { close: [1002] } },
    { name: "a close frame of one byte", hex: "88810000000000", expect: { close: [1002] } },
    { name: "close code 1005", hex: "88820000000003ed", expect: { close: [1002] } },
    { name: "close code 999", hex: "88820000000003e7", expect: { close: [1002] } },
    { name: "close code 5000", hex: "8882000000001388", expect: { close: [1002] } },
    { name: "a close reason that is no UTF-8", hex: "88840000000003e8fffe", expect: { close: [1007, 1002] } },
    { name: "text that is no UTF-8", hex: "818200000000fffe", expect: { close: [1007] } },
    { name: "text that ends inside a character", hex: "818100000000e2", expect: { close: [1007] } },
    { name: "a surrogate in UTF-8", hex: "818300000000eda080", expect: { close: [1007] } },
    { name: "a length with its highest bit set", hex: "82ffffffffffffffffff00000000", expect: { close: [1002, 1009] } },
    { name: "a length of 2^62", hex: "82ff400000000000000000000000", expect: { close: [1009, 1002] } },
    { name: "a frame that announces 9 MiB", hex: "82ff000000000090000000000000", expect: { close: [1009] } },
    { name: "a length of 5 in 16 bits", hex: "82fe0005000000000000000000", expect: { close: [1002] } },
    { name: "a length of 200 in 64 bits", hex: "82ff00000000000000c800000000", expect: { close: [1002] } },
].map((c) => ({ on: "raw", ...c }) as Malformed);

export const malformed: Malformed[] = [...json, ...binary, ...plain, ...raw];
