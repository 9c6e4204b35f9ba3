/* tokens.ts: keys and tokens as an issuer would make them, and as somebody would who is none. Nothing
 * of the server is used: node:crypto signs, by RFC 7515 and 7518.
 */
import {
    type KeyObject,
    constants,
    createHmac,
    createPrivateKey,
    generateKeyPairSync,
    randomBytes,
    sign as signBytes,
} from "node:crypto";
import type { Json } from "./client.ts";

export type Alg = "HS256" | "RS256" | "PS256" | "ES256" | "EdDSA";

export interface Key {
    alg: Alg;
    kid?: string;
    /** HS256. */
    secret?: Buffer;
    private?: KeyObject;
    public?: KeyObject;
}

export const b64url = (data: string | Uint8Array): string => Buffer.from(data as Uint8Array).toString("base64url");

export function secretKey(secret: string): Key {
    return { alg: "HS256", secret: Buffer.from(secret) };
}

/* RSA keys take a second each to make. */
const rsaKeys: { private: KeyObject; public: KeyObject }[] = [];

function rsaPair(fresh: boolean): { private: KeyObject; public: KeyObject } {
    if (fresh || rsaKeys.length === 0) {
        const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
        rsaKeys.push({ private: pair.privateKey, public: pair.publicKey });
    }
    return fresh ? rsaKeys[rsaKeys.length - 1]! : rsaKeys[0]!;
}

export function makeKey(alg: Exclude<Alg, "HS256">, kid: string, fresh = false): Key {
    if (alg === "RS256" || alg === "PS256") {
        return { alg, kid, ...rsaPair(fresh) };
    }
    const pair = alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519");
    return { alg, kid, private: pair.privateKey, public: pair.publicKey };
}

/** Without `alg` in it: what the key verifies follows from its type. */
export function jwk(key: Key, more: Json = {}): Json {
    return { ...key.public!.export({ format: "jwk" }), kid: key.kid, use: "sig", ...more };
}

export function jwks(keys: Key[]): string {
    return JSON.stringify({ keys: keys.map((k) => jwk(k, { alg: k.alg })) });
}

export const pem = (key: Key): string => key.public!.export({ type: "spki", format: "pem" }).toString();
export const der = (key: Key): Buffer => key.public!.export({ type: "spki", format: "der" });

/** The signature of `input` that `alg` asks for, with whatever key material is given. */
export function signature(input: string, alg: Alg, material: KeyObject | Buffer): Buffer {
    const bytes = Buffer.from(input);
    if (alg === "HS256") {
        return createHmac("sha256", material as Buffer).update(bytes).digest();
    }
    const key = Buffer.isBuffer(material) ? createPrivateKey(material) : material;
    switch (alg) {
        case "RS256":
            return signBytes("sha256", bytes, key);
        case "PS256":
            return signBytes("sha256", bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
        case "ES256":
            return signBytes("sha256", bytes, { key, dsaEncoding: "ieee-p1363" });
        case "EdDSA":
            return signBytes(null, bytes, key);
    }
}

const text = (part: Json): string => (typeof part === "string" ? part : JSON.stringify(part));

/** A token of this header and payload (objects, or JSON as it is), signed by `key` as `how` says. */
export function signed(header: Json, payload: Json, key: Key, how: Alg = key.alg): string {
    const input = `${b64url(text(header))}.${b64url(text(payload))}`;
    return `${input}.${b64url(signature(input, how, key.secret ?? key.private!))}`;
}

export const seconds = (fromNow = 0): number => Math.floor(Date.now() / 1000) + fromNow;

/** Somebody with a key who makes tokens: the application beside the server. */
export class Issuer {
    readonly key: Key;
    private readonly base: Json;

    constructor(key: Key, base: Json = {}) {
        this.key = key;
        this.base = base;
    }

    header(more: Json = {}): Json {
        return { alg: this.key.alg, typ: "JWT", ...(this.key.kid ? { kid: this.key.kid } : {}), ...more };
    }

    claims(more: Json = {}): Json {
        return { sub: "ann", iat: seconds(), exp: seconds(600), jti: randomBytes(8).toString("hex"), ...this.base, ...more };
    }

    token(claims: Json = {}, header: Json = {}): string {
        return signed(this.header(header), this.claims(claims), this.key);
    }
}

/** The parts of a token, for those who change them. */
export function parts(token: string): { header: Json; payload: Json; signature: Buffer; cut: [string, string, string] } {
    const cut = token.split(".") as [string, string, string];
    const read = (s: string): Json => JSON.parse(Buffer.from(s, "base64url").toString());
    return { header: read(cut[0]), payload: read(cut[1]), signature: Buffer.from(cut[2], "base64url"), cut };
}
