/* attacks.ts: what somebody who wants more than he may have would send, as data. Played by
 * e2e/tokens.ts, e2e/rights.ts and e2e/borders.ts against the running server.
 */
import { createHmac } from "node:crypto";
import type { Json } from "../support/client.ts";
import { type Issuer, type Key, b64url, der, jwk, parts, pem, seconds, signature, signed } from "../support/tokens.ts";

/* ---- tokens ---- */

/** What the server trusts, and what the attacker has got hold of. */
export interface Kit {
    /** Trusted: HS256 by JWT_SECRET, the others by the key set. */
    hs: Issuer;
    rs: Issuer;
    ps: Issuer;
    es: Issuer;
    ed: Issuer;
    /** The attacker's own key, in nobody's set. */
    own: Key;
    ownRsa: Key;
    claims: (more?: Json) => Json;
    issuer: string;
    audience: string;
}

export interface TokenAttack {
    name: string;
    token: (k: Kit) => string;
    /** Not fit for a header field or a query: brought by subscribe only. */
    only?: "subscribe";
}

const without = (claims: Json, field: string): Json => {
    const copy = { ...claims };
    delete copy[field];
    return copy;
};

const unsigned = (header: Json, payload: Json, end = ""): string =>
    `${b64url(typeof header === "string" ? header : JSON.stringify(header))}.${b64url(JSON.stringify(payload))}.${end}`;

const hmacWith = (k: Kit, secret: string | Buffer, header: Json): string => {
    const input = `${b64url(JSON.stringify(header))}.${b64url(JSON.stringify(k.claims()))}`;
    return `${input}.${b64url(createHmac("sha256", secret).update(input).digest())}`;
};

/** A good token with another payload or header around the same signature. */
const swapped = (token: string, change: { header?: Json; payload?: Json }): string => {
    const { header, payload, cut } = parts(token);
    return [
        b64url(JSON.stringify({ ...header, ...change.header })),
        b64url(JSON.stringify({ ...payload, ...change.payload })),
        cut[2],
    ].join(".");
};

const none = (alg: Json): TokenAttack => ({
    name: `algorithm ${JSON.stringify(alg)}`,
    token: (k) => unsigned({ alg, typ: "JWT" }, k.claims()),
});

const header = (name: string, more: (k: Kit) => Json): TokenAttack => ({
    name: `a header with ${name}`,
    token: (k) => k.es.token(k.claims(), more(k)),
});

const claim = (name: string, more: (k: Kit) => Json): TokenAttack => ({
    name,
    token: (k) => k.hs.token(more(k)),
});

const gone = (field: string): TokenAttack => ({
    name: `no ${field}`,
    token: (k) => signed(k.hs.header(), without(k.hs.claims(k.claims()), field), k.hs.key),
});

const flipped = (s: string, at: number): string => s.slice(0, at) + (s[at] === "A" ? "B" : "A") + s.slice(at + 1);

/* The order of the base point of P-256: s and n - s both verify, if somebody forgets to compare. */
const P256_N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export const tokenAttacks: TokenAttack[] = [
    /* no signature at all */
    ...["none", "None", "NONE", "nOnE", "", null, 0, [], ["HS256"], { alg: "none" }, "none ", "hs256", "HS384", "HS512", "RS1"].map(none),
    { name: "no algorithm", token: (k) => unsigned({ typ: "JWT" }, k.claims()) },
    { name: "algorithm none with the signature of another token", token: (k) => unsigned({ alg: "none" }, k.claims(), parts(k.hs.token(k.claims())).cut[2]) },
    { name: "HS256 without a signature", token: (k) => unsigned({ alg: "HS256", typ: "JWT" }, k.claims()) },
    { name: "two parts", token: (k) => parts(k.hs.token(k.claims())).cut.slice(0, 2).join(".") },

    /* a public key as the secret, in every form that somebody might take for it */
    { name: "the RSA key in PEM as the secret of HS256", token: (k) => hmacWith(k, pem(k.rs.key), { alg: "HS256", typ: "JWT" }) },
    { name: "the same without the last line's end", token: (k) => hmacWith(k, pem(k.rs.key).trim(), { alg: "HS256", typ: "JWT" }) },
    { name: "the RSA key in PEM as the secret, with its kid", token: (k) => hmacWith(k, pem(k.rs.key), { alg: "HS256", kid: k.rs.key.kid }) },
    { name: "the RSA key in DER as the secret", token: (k) => hmacWith(k, der(k.rs.key), { alg: "HS256", kid: k.rs.key.kid }) },
    { name: "the RSA modulus as the secret", token: (k) => hmacWith(k, Buffer.from(jwk(k.rs.key).n, "base64url"), { alg: "HS256", kid: k.rs.key.kid }) },
    { name: "the key's JSON as the secret", token: (k) => hmacWith(k, JSON.stringify(jwk(k.rs.key)), { alg: "HS256", kid: k.rs.key.kid }) },
    { name: "the EC key in PEM as the secret", token: (k) => hmacWith(k, pem(k.es.key), { alg: "HS256", kid: k.es.key.kid }) },
    { name: "the Ed25519 key's bytes as the secret", token: (k) => hmacWith(k, Buffer.from(jwk(k.ed.key).x, "base64url"), { alg: "HS256", kid: k.ed.key.kid }) },
    { name: "an empty secret", token: (k) => hmacWith(k, "", { alg: "HS256", typ: "JWT" }) },
    { name: "the word secret as the secret", token: (k) => hmacWith(k, "secret", { alg: "HS256", typ: "JWT" }) },

    /* one key's algorithm with another's key */
    { name: "RS256 with the kid of an EC key", token: (k) => k.rs.token(k.claims(), { kid: k.es.key.kid }) },
    { name: "ES256 with the kid of an Ed25519 key", token: (k) => k.es.token(k.claims(), { kid: k.ed.key.kid }) },
    { name: "EdDSA with the kid of an RSA key", token: (k) => k.ed.token(k.claims(), { kid: k.rs.key.kid }) },
    { name: "PS256 by the key that is for RS256", token: (k) => signed({ alg: "PS256", kid: k.rs.key.kid }, k.hs.claims(k.claims()), k.rs.key, "PS256") },
    { name: "RS256 by the key that is for PS256", token: (k) => signed({ alg: "RS256", kid: k.ps.key.kid }, k.hs.claims(k.claims()), k.ps.key, "RS256") },
    { name: "says RS256, is signed by HS256", token: (k) => k.hs.token(k.claims(), { alg: "RS256", kid: k.rs.key.kid }) },
    { name: "says ES256, has an RSA signature", token: (k) => k.rs.token(k.claims(), { alg: "ES256", kid: k.es.key.kid }) },

    /* keys of the attacker's own */
    { name: "a key that nobody knows, with a kid of its own", token: (k) => signed({ alg: "ES256", kid: "mine" }, k.hs.claims(k.claims()), k.own) },
    { name: "a key that nobody knows, under a trusted kid", token: (k) => signed({ alg: "ES256", kid: k.es.key.kid }, k.hs.claims(k.claims()), k.own) },
    { name: "an RSA key that nobody knows, under a trusted kid", token: (k) => signed({ alg: "RS256", kid: k.rs.key.kid }, k.hs.claims(k.claims()), k.ownRsa) },
    { name: "a key that nobody knows, without a kid", token: (k) => signed({ alg: "ES256" }, k.hs.claims(k.claims()), k.own) },
    { name: "a kid that is a path", token: (k) => k.es.token(k.claims(), { kid: "../../../../dev/null" }) },
    { name: "a kid that is a query", token: (k) => k.es.token(k.claims(), { kid: "x' UNION SELECT 'key" }) },
    { name: "a kid that is a number", token: (k) => k.es.token(k.claims(), { kid: 1 }) },
    { name: "a kid of 2,000 characters", token: (k) => k.es.token(k.claims(), { kid: "k".repeat(2000) }) },
    { name: "a kid with a NUL behind a trusted one", token: (k) => k.es.token(k.claims(), { kid: `${k.es.key.kid}\0` }) },

    /* headers that say where the key is, or what else to do */
    header("jku", () => ({ jku: "http://127.0.0.1:1/keys.json" })),
    { name: "a header with its own key in jwk", token: (k) => signed({ alg: "ES256", jwk: jwk(k.own) }, k.hs.claims(k.claims()), k.own) },
    { name: "the attacker's key in jwk, under a trusted kid", token: (k) => signed({ alg: "ES256", kid: k.es.key.kid, jwk: jwk(k.own) }, k.hs.claims(k.claims()), k.own) },
    header("x5u", () => ({ x5u: "http://127.0.0.1:1/cert.pem" })),
    header("x5c", () => ({ x5c: ["MIIB"] })),
    header("crit", () => ({ crit: ["exp"] })),
    header("crit and what it names", () => ({ crit: ["http://example.org/x"], "http://example.org/x": true })),
    header("zip", () => ({ zip: "DEF" })),
    header("b64 false", () => ({ b64: false, crit: ["b64"] })),
    header("enc", () => ({ enc: "A128GCM" })),
    header("a type that is no access token's", () => ({ typ: "logout+jwt" })),
    { name: "a header that is an array", token: (k) => signed('["HS256"]', k.hs.claims(k.claims()), k.hs.key) },
    { name: "a header that is no JSON", token: (k) => signed("{alg:HS256}", k.hs.claims(k.claims()), k.hs.key) },
    { name: "two algorithms in one header", token: (k) => signed('{"alg":"none","alg":"HS256"}', k.hs.claims(k.claims()), k.hs.key) },
    { name: "a byte order mark before the header", token: (k) => signed(`\ufeff{"alg":"HS256"}`, k.hs.claims(k.claims()), k.hs.key) },
    { name: "a header nested 1,000 deep", token: (k) => signed(`{"alg":"HS256","x":${"[".repeat(1000)}${"]".repeat(1000)}}`, k.hs.claims(k.claims()), k.hs.key) },

    /* dates */
    claim("expired a minute ago", (k) => ({ ...k.claims(), exp: seconds(-60) })),
    claim("expired in 1970", (k) => ({ ...k.claims(), exp: 0 })),
    claim("a negative exp", (k) => ({ ...k.claims(), exp: -1 })),
    claim("exp as text", (k) => ({ ...k.claims(), exp: String(seconds(600)) })),
    claim("exp true", (k) => ({ ...k.claims(), exp: true })),
    claim("exp null", (k) => ({ ...k.claims(), exp: null })),
    claim("exp as a list", (k) => ({ ...k.claims(), exp: [seconds(600)] })),
    claim("exp of 2^64", (k) => ({ ...k.claims(), exp: 2 ** 64 })),
    { name: "exp of 1e999", token: (k) => signed(k.hs.header(), `${JSON.stringify(k.claims()).slice(0, -1)},"exp":1e999}`, k.hs.key) },
    gone("exp"),
    claim("not valid before an hour from now", (k) => ({ ...k.claims(), nbf: seconds(3600) })),
    claim("nbf as text", (k) => ({ ...k.claims(), nbf: "0" })),
    claim("issued in an hour", (k) => ({ ...k.claims(), iat: seconds(3600) })),
    { name: "two exps, the good one last", token: (k) => signed(k.hs.header(), `${JSON.stringify(k.claims()).slice(0, -1)},"exp":1,"exp":${seconds(600)}}`, k.hs.key) },
    { name: "two exps, the good one first", token: (k) => signed(k.hs.header(), `${JSON.stringify(k.claims()).slice(0, -1)},"exp":${seconds(600)},"exp":1}`, k.hs.key) },

    /* from whom, for whom, who */
    claim("another issuer", (k) => ({ ...k.claims(), iss: "https://evil.example" })),
    claim("the issuer with a slash more", (k) => ({ ...k.claims(), iss: `${k.issuer}/` })),
    claim("the issuer in a list", (k) => ({ ...k.claims(), iss: [k.issuer] })),
    gone("iss"),
    claim("another audience", (k) => ({ ...k.claims(), aud: "billing" })),
    claim("the audience as a part of a longer one", (k) => ({ ...k.claims(), aud: `${k.audience}-admin` })),
    claim("a list of other audiences", (k) => ({ ...k.claims(), aud: ["billing", "mail"] })),
    claim("an empty list of audiences", (k) => ({ ...k.claims(), aud: [] })),
    claim("the audience as a member's name", (k) => ({ ...k.claims(), aud: { [k.audience]: true } })),
    gone("aud"),
    gone("sub"),
    claim("an empty sub", (k) => ({ ...k.claims(), sub: "" })),
    claim("sub as a number", (k) => ({ ...k.claims(), sub: 1 })),
    claim("sub as a list", (k) => ({ ...k.claims(), sub: ["ann"] })),
    claim("a sub of 10,000 characters", (k) => ({ ...k.claims(), sub: "x".repeat(10_000) })),
    claim("a sub with a NUL", (k) => ({ ...k.claims(), sub: "ann\0admin" })),
    claim("a wsToken without a nonce", (k) => ({ ...k.claims(), aud: "collab-ws", knowledgeId: "x" })),
    claim("a wsToken for no room", (k) => ({ ...k.claims(), aud: "collab-ws", nonce: "n1" })),
    claim("a wsToken that lives for a day", (k) => ({ ...k.claims(), aud: "collab-ws", nonce: "n2", knowledgeId: "x", exp: seconds(86_400) })),

    /* good tokens, changed */
    { name: "the signature of another good token", token: (k) => `${k.hs.token(k.claims()).split(".").slice(0, 2).join(".")}.${k.hs.token(k.claims()).split(".")[2]}` },
    { name: "another user in a signed token", token: (k) => swapped(k.es.token(k.claims()), { payload: { sub: "admin" } }) },
    { name: "more rights in a signed token", token: (k) => swapped(k.hs.token(k.claims()), { payload: { rooms: { "*": "admin" } } }) },
    { name: "one more header field in a signed token", token: (k) => swapped(k.hs.token(k.claims()), { header: { x: 1 } }) },
    { name: "one bit of the signature", token: (k) => { const t = k.ed.token(k.claims()); return flipped(t, t.lastIndexOf(".") + 3); } },
    { name: "a signature cut short", token: (k) => k.hs.token(k.claims()).slice(0, -4) },
    { name: "a token cut short in its payload", token: (k) => { const t = k.hs.token(k.claims()); return t.slice(0, t.indexOf(".") + 20); } },
    { name: "a signature of zeros (ES256)", token: (k) => { const [h, p] = k.es.token(k.claims()).split("."); return `${h}.${p}.${b64url(Buffer.alloc(64))}`; } },
    { name: "an EC signature in DER", token: (k) => { const { cut, signature: s } = parts(k.es.token(k.claims())); return `${cut[0]}.${cut[1]}.${b64url(Buffer.concat([Buffer.from([0x30, 0x46, 2, 0x21, 0]), s.subarray(0, 32), Buffer.from([2, 0x21, 0]), s.subarray(32)]))}`; } },
    { name: "an EC signature with s beyond the order", token: (k) => { const { cut, signature: s } = parts(k.es.token(k.claims())); const big = (BigInt(`0x${s.subarray(32).toString("hex")}`) + P256_N).toString(16).padStart(66, "0"); return `${cut[0]}.${cut[1]}.${b64url(Buffer.concat([s.subarray(0, 32), Buffer.from(big, "hex")]))}`; } },
    { name: "an EC signature twice as long", token: (k) => { const { cut, signature: s } = parts(k.es.token(k.claims())); return `${cut[0]}.${cut[1]}.${b64url(Buffer.concat([Buffer.alloc(32), s.subarray(0, 32), Buffer.alloc(32), s.subarray(32)]))}`; } },
    { name: "an Ed25519 signature with a byte more", token: (k) => { const { cut, signature: s } = parts(k.ed.token(k.claims())); return `${cut[0]}.${cut[1]}.${b64url(Buffer.concat([s, Buffer.from([0])]))}`; } },
    { name: "a fourth part", token: (k) => `${k.hs.token(k.claims())}.e30` },
    { name: "a token with padding", token: (k) => `${k.hs.token(k.claims())}=` },
    { name: "a token in plain base64's alphabet", token: (k) => { const i = `${b64url('{"alg":"HS256"}')}.${Buffer.from(`${JSON.stringify(k.hs.claims(k.claims())).slice(0, -1)},"x":"???>>>~~~"}`).toString("base64")}`; return `${i}.${b64url(signature(i, "HS256", k.hs.key.secret!))}`; } },
    { name: "white space behind the token", token: (k) => `${k.hs.token(k.claims())}\n`, only: "subscribe" },
    { name: "a NUL behind the token", token: (k) => `${k.hs.token(k.claims())}\0`, only: "subscribe" },
    { name: "a space in the payload", token: (k) => { const [h, p, s] = k.hs.token(k.claims()).split("."); return `${h}.${p!.slice(0, 8)} ${p!.slice(8)}.${s}`; }, only: "subscribe" },
    { name: "two tokens with a comma", token: (k) => `${k.hs.token(k.claims())},${k.hs.token(k.claims())}` },
    { name: "an empty token", token: () => "", only: "subscribe" },
    { name: "dots", token: () => ".." },
    { name: "garbage", token: () => "not-a-token" },
    { name: "a payload that is an array", token: (k) => signed(k.hs.header(), "[]", k.hs.key) },
    { name: "a payload that is no JSON", token: (k) => signed(k.hs.header(), "sub=admin", k.hs.key) },
    { name: "a payload in bad UTF-8", token: (k) => { const i = `${b64url('{"alg":"HS256"}')}.${b64url(Buffer.concat([Buffer.from(JSON.stringify(k.hs.claims(k.claims())).slice(0, -1)), Buffer.from(',"name":"\xff\xfe"}', "latin1")]))}`; return `${i}.${b64url(signature(i, "HS256", k.hs.key.secret!))}`; } },
    { name: "a JWE in five parts", token: (k) => `${b64url('{"alg":"dir","enc":"A128GCM"}')}..${b64url(Buffer.alloc(12))}.${b64url(JSON.stringify(k.claims()))}.${b64url(Buffer.alloc(16))}` },
    claim("a token of 12 KiB", (k) => ({ ...k.claims(), x: "x".repeat(9000) })),
    { name: "a token of 1 MiB", token: (k) => k.hs.token({ ...k.claims(), x: "x".repeat(800_000) }), only: "subscribe" },
    { name: "claims nested 1,000 deep", token: (k) => signed(k.hs.header(), `${JSON.stringify(k.hs.claims(k.claims())).slice(0, -1)},"x":${"[".repeat(1000)}${"]".repeat(1000)}}`, k.hs.key) },
];

/* ---- requests that two servers in a row might cut differently ---- */

export interface Smuggling {
    name: string;
    request: string;
    status: number[];
}

const get = (lines: string[], path = "/healthz"): string => `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
const post = (lines: string[], body: string): string =>
    `POST /collab/ws-token?roomId=a HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
const SECOND = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/** Each is refused, and what stands behind it is not read as a request. */
export const smugglings: Smuggling[] = [
    { name: "a bare CR as a line's end", request: `GET /healthz HTTP/1.1\rHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400] },
    { name: "a bare CR in a value", request: get(["Host: 127.0.0.1", "X: a\rTransfer-Encoding: chunked"]) + SECOND, status: [400] },
    { name: "bare LFs as line ends", request: `GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n${SECOND}`, status: [400] },
    { name: "a bare LF in front of a field", request: get(["Host: 127.0.0.1", "X: a\nContent-Length: 5"]) + SECOND, status: [400] },
    { name: "a folded line", request: get(["Host: 127.0.0.1", "X: a", " Transfer-Encoding: chunked"]) + SECOND, status: [400] },
    { name: "a folded line with a tab", request: get(["Host: 127.0.0.1", "X: a", "\tb"]) + SECOND, status: [400] },
    { name: "a folded line before the first field", request: get([" Host: 127.0.0.1"]) + SECOND, status: [400] },
    { name: "Content-Length and Transfer-Encoding", request: post(["Content-Length: 4", "Transfer-Encoding: chunked"], `0\r\n\r\n${SECOND}`), status: [400, 411] },
    { name: "Transfer-Encoding and Content-Length", request: post(["Transfer-Encoding: chunked", "Content-Length: 4"], `0\r\n\r\n${SECOND}`), status: [400, 411] },
    { name: "two different lengths", request: post(["Content-Length: 0", "Content-Length: 50"], SECOND), status: [400] },
    { name: "the same length twice", request: post(["Content-Length: 2", "Content-Length: 2"], `{}${SECOND}`), status: [400] },
    { name: "two lengths in one field", request: post(["Content-Length: 2, 2"], `{}${SECOND}`), status: [400] },
    { name: "a length with a sign", request: post(["Content-Length: +2"], `{}${SECOND}`), status: [400] },
    { name: "a negative length", request: post(["Content-Length: -1"], SECOND), status: [400] },
    { name: "a length in hexadecimal", request: post(["Content-Length: 0x2"], `{}${SECOND}`), status: [400] },
    { name: "a length of 2^64 + 2", request: post(["Content-Length: 18446744073709551618"], `{}${SECOND}`), status: [400, 413] },
    { name: "an empty length", request: post(["Content-Length: "], SECOND), status: [400, 411] },
    { name: "a chunked body", request: post(["Transfer-Encoding: chunked"], `2\r\n{}\r\n0\r\n\r\n${SECOND}`), status: [400, 411] },
    { name: "chunked in a disguise", request: post(["Transfer-Encoding: xchunked"], `0\r\n\r\n${SECOND}`), status: [400, 411, 501] },
    { name: "chunked behind a tab", request: post(["Transfer-Encoding:\tchunked"], `0\r\n\r\n${SECOND}`), status: [400, 411] },
    { name: "Transfer-Encoding twice", request: post(["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], `0\r\n\r\n${SECOND}`), status: [400, 411, 501] },
    { name: "a space before the colon", request: get(["Host: 127.0.0.1", "Content-Length : 5"]) + SECOND, status: [400] },
    { name: "a field without a name", request: get(["Host: 127.0.0.1", ": x"]) + SECOND, status: [400] },
    { name: "a line without a colon", request: get(["Host: 127.0.0.1", "nonsense"]) + SECOND, status: [400] },
    { name: "a NUL in a name", request: get(["Host: 127.0.0.1", "X\0: a"]) + SECOND, status: [400] },
    { name: "a NUL in a value", request: get(["Host: 127.0.0.1", "X: a\0b"]) + SECOND, status: [400] },
    { name: "Host twice", request: get(["Host: 127.0.0.1", "Host: evil.example"]) + SECOND, status: [400] },
    { name: "Host twice, the same", request: get(["Host: 127.0.0.1", "Host: 127.0.0.1"]) + SECOND, status: [400] },
    { name: "Host twice in two cases", request: get(["host: 127.0.0.1", "HOST: evil.example"]) + SECOND, status: [400] },
    { name: "no Host", request: get(["X: a"]) + SECOND, status: [400] },
    { name: "an empty Host", request: get(["Host: "]) + SECOND, status: [400, 403] },
    { name: "HTTP/1.0", request: `GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400, 505] },
    { name: "HTTP/2's preface", request: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: [400, 505] },
    { name: "HTTP/0.9", request: `GET /healthz\r\n\r\n${SECOND}`, status: [400, 505] },
    { name: "HTTP/1.10", request: `GET /healthz HTTP/1.10\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400, 505] },
    { name: "two spaces in the request line", request: `GET  /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400] },
    { name: "a tab in the request line", request: `GET\t/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400] },
    { name: "an address in the request line that Host contradicts", request: `GET http://evil.example/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400, 403, 404] },
    { name: "CONNECT", request: `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400, 404, 405] },
    { name: "TRACE", request: `TRACE /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${SECOND}`, status: [400, 405] },
    { name: "a body of 10 MB", request: post(["Content-Length: 10000000"], "x"), status: [400, 413] },
];

/* ---- origins and hosts ---- */

export interface OriginCase {
    list: string | null;
    origin: string | null;
    allowed: boolean;
}

const LISTED = "https://app.example.org,http://localhost:5173,https://*.team.example.org";
export const origins: OriginCase[] = [
    { list: null, origin: null, allowed: true },
    { list: null, origin: "https://anything.example", allowed: true },
    ...(
        [
            [null, true],
            ["https://app.example.org", true],
            ["https://app.example.org:443", true],
            ["HTTPS://APP.Example.ORG", true],
            ["http://localhost:5173", true],
            ["https://a.team.example.org", true],
            ["https://a.b.team.example.org", true],
            ["http://app.example.org", false],
            ["https://app.example.org:8443", false],
            ["https://app.example.org.evil.example", false],
            ["https://evil.example/app.example.org", false],
            ["https://evilapp.example.org", false],
            ["https://app.example.org@evil.example", false],
            ["https://team.example.org", false],
            ["https://xteam.example.org", false],
            ["https://a.team.example.org.evil.example", false],
            ["http://localhost", false],
            ["http://localhost:51730", false],
            ["http://127.0.0.1:5173", false],
            ["null", false],
            ["", false],
            ["https://app.example.org https://evil.example", false],
            ["https://app.example.org,https://evil.example", false],
            ["file://", false],
            ["chrome-extension://abcdef", false],
        ] as [string | null, boolean][]
    ).map(([origin, allowed]) => ({ list: LISTED, origin, allowed })),
    { list: "null", origin: "null", allowed: true },
    { list: "null", origin: "https://app.example.org", allowed: false },
    { list: "*", origin: "https://anything.example", allowed: true },
];

export interface HostCase {
    list: string | null;
    host: string;
    allowed: boolean;
}

export const hosts: HostCase[] = [
    ...(
        [
            ["127.0.0.1", true],
            ["127.0.0.1:PORT", true],
            ["localhost", true],
            ["LOCALHOST:PORT", true],
            ["[::1]", true],
            ["[::1]:PORT", true],
            ["evil.example", false],
            ["evil.example:PORT", false],
            ["localhost.evil.example", false],
            ["127.0.0.1.evil.example", false],
            ["127.0.0.1@evil.example", false],
            ["127.0.0.2", false],
            ["10.0.0.1", false],
            ["2130706433", false],
            ["[::1", false],
            ["localhost:99999", false],
            ["localhost:PORT:PORT", false],
            ["a b", false],
        ] as [string, boolean][]
    ).map(([host, allowed]) => ({ list: null, host, allowed })),
    ...(
        [
            ["collab.example.org", true],
            ["collab.example.org:8443", true],
            ["COLLAB.example.org", true],
            ["127.0.0.1", false],
            ["localhost", false],
            ["xcollab.example.org", false],
            ["collab.example.org.evil.example", false],
        ] as [string, boolean][]
    ).map(([host, allowed]) => ({ list: "collab.example.org", host, allowed })),
];

/* ---- who may do what ---- */

export const ROLES = ["none", "read", "write", "admin"] as const;
export type RoleName = (typeof ROLES)[number];

/** A method of the JSON-RPC dialect and the least role that may use it. */
export interface Right {
    method: string;
    least: RoleName;
    /** Params besides roomId; NEW, KNOWN, PRESENCE and VECTOR are filled in. */
    params: Json;
    seq?: true;
    /** For what it says of whoever may not. */
    refused?: number;
}

export const rights: Right[] = [
    { method: "collab/subscribe", least: "read", params: {} },
    { method: "collab/room.info", least: "read", params: {} },
    { method: "collab/awareness", least: "read", params: { payloadB64: "PRESENCE" }, seq: true },
    { method: "collab/sync", least: "read", params: { stateVectorB64: "VECTOR" }, seq: true },
    { method: "collab/sync", least: "read", params: { payloadB64: "KNOWN" }, seq: true },
    { method: "collab/sync", least: "write", params: { payloadB64: "NEW" }, seq: true },
    { method: "collab/sync", least: "write", params: { payload: "base64:NEW", stateVectorB64: "VECTOR" }, seq: true },
    { method: "collab/update", least: "write", params: { payloadB64: "NEW" }, seq: true },
    { method: "collab/update", least: "write", params: { payload: "base64:NEW" }, seq: true },
    { method: "collab/update", least: "write", params: { payloadB64: "NEW", sid: "SID" }, seq: true },
    { method: "collab/room.mute", least: "admin", params: { userId: "nobody-here", muted: true } },
    { method: "collab/room.mute", least: "admin", params: { userId: "nobody-here", muted: false } },
    { method: "collab/room.kick", least: "admin", params: { userId: "nobody-here" } },
    { method: "collab/room.kick", least: "admin", params: { userId: "nobody-here", banSec: 1, reason: "x" } },
    { method: "collab/history.list", least: "read", params: {} },
    { method: "collab/history.list", least: "read", params: { limit: 5, before: 1 } },
    { method: "collab/history.save", least: "write", params: { label: "x" } },
    { method: "collab/unsubscribe", least: "read", params: {} },
    { method: "collab/heartbeat", least: "none", params: { ts: 1 } },
    { method: "ping", least: "none", params: {} },
];

/** What the dialects with frames of their own can say, and the least role that may. */
export interface DataRight {
    dialect: "short" | "mux" | "plain";
    what: "update" | "sync" | "vector" | "awareness";
    least: RoleName;
}

export const dataRights: DataRight[] = [
    { dialect: "short", what: "update", least: "write" },
    { dialect: "short", what: "vector", least: "read" },
    { dialect: "short", what: "awareness", least: "read" },
    { dialect: "mux", what: "update", least: "write" },
    { dialect: "mux", what: "vector", least: "read" },
    { dialect: "mux", what: "awareness", least: "read" },
    { dialect: "plain", what: "update", least: "write" },
    { dialect: "plain", what: "sync", least: "write" },
    { dialect: "plain", what: "awareness", least: "read" },
];

/** Claims, a room, and the role they give there (PROTOCOL 5, the highest wins). */
export interface ClaimCase {
    claims: Json;
    room: string;
    role: RoleName;
}

export const claimCases: ClaimCase[] = [
    { claims: {}, room: "ws:acme/1", role: "none" },
    { claims: { rooms: { "ws:acme/1": "read" } }, room: "ws:acme/1", role: "read" },
    { claims: { rooms: { "ws:acme/1": "write" } }, room: "ws:acme/1", role: "write" },
    { claims: { rooms: { "ws:acme/1": "admin" } }, room: "ws:acme/1", role: "admin" },
    { claims: { rooms: { "ws:acme/1": "write" } }, room: "ws:acme/12", role: "none" },
    { claims: { rooms: { "ws:acme/12": "write" } }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: { "ws:acme/*": "read" } }, room: "ws:acme/1", role: "read" },
    { claims: { rooms: { "ws:acme/*": "read" } }, room: "ws:acmeX/1", role: "none" },
    { claims: { rooms: { "ws:acme*": "read" } }, room: "ws:acmeX/1", role: "read" },
    { claims: { rooms: { "*": "read", "ws:acme/1": "write" } }, room: "ws:acme/1", role: "write" },
    { claims: { rooms: { "*": "write", "ws:acme/1": "read" } }, room: "ws:acme/1", role: "write" },
    { claims: { rooms: { "ws:*/1": "write" } }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: { "WS:ACME/1": "write" } }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: { "ws:acme/1": "owner" } }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: { "ws:acme/1": true } }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: ["ws:acme/1"] }, room: "ws:acme/1", role: "none" },
    { claims: { rooms: "*" }, room: "ws:acme/1", role: "none" },
    { claims: { scope: "read:knowledge:7" }, room: "kn:7", role: "read" },
    { claims: { scope: "edit:knowledge:7 read:knowledge:8" }, room: "kn:7", role: "write" },
    { claims: { scope: "edit:knowledge:7 read:knowledge:8" }, room: "kn:8", role: "read" },
    { claims: { scope: "admin:knowledge:7" }, room: "kn:7", role: "admin" },
    { claims: { scope: "edit:knowledge:7" }, room: "kn:77", role: "none" },
    { claims: { scope: "edit:knowledge:7" }, room: "ws:acme/7", role: "none" },
    { claims: { scope: "edit:knowledge:7", workspaceId: "acme" }, room: "ws:acme/7", role: "write" },
    { claims: { scope: "edit:knowledge:7", workspaceId: "acme" }, room: "ws:other/7", role: "none" },
    { claims: { scope: "edit:knowledge:*", workspaceId: "acme" }, room: "ws:acme/7", role: "none" },
    { claims: { scope: "edit:knowledge:" }, room: "kn:", role: "none" },
    { claims: { scope: "xedit:knowledge:7" }, room: "kn:7", role: "none" },
    { claims: { scope: "write:knowledge:7" }, room: "kn:7", role: "none" },
    { claims: { permissions: ["edit:knowledge:7"] }, room: "kn:7", role: "write" },
    { claims: { permissions: ["read:knowledge:7"], scope: "admin:knowledge:7" }, room: "kn:7", role: "admin" },
    { claims: { roles: ["viewer"], workspaceId: "acme" }, room: "ws:acme/1", role: "read" },
    { claims: { roles: ["editor"], workspaceId: "acme" }, room: "ws:acme/1", role: "write" },
    { claims: { roles: ["admin"], workspaceId: "acme" }, room: "ws:acme/1", role: "admin" },
    { claims: { roles: ["viewer", "admin"], workspaceId: "acme" }, room: "ws:acme/1", role: "admin" },
    { claims: { roles: ["admin"], workspaceId: "acme" }, room: "ws:other/1", role: "none" },
    { claims: { roles: ["admin"], workspaceId: "acme" }, room: "ws:acme2/1", role: "none" },
    { claims: { roles: ["admin"], workspaceId: "acme" }, room: "kn:1", role: "none" },
    { claims: { roles: ["admin"] }, room: "ws:/1", role: "none" },
    { claims: { roles: ["admin"], workspaceId: "acme/1" }, room: "ws:acme/1/2", role: "none" },
    { claims: { roles: ["superuser"], workspaceId: "acme" }, room: "ws:acme/1", role: "none" },
    { claims: { role: "admin", admin: true, groups: ["admin"] }, room: "ws:acme/1", role: "none" },
];
