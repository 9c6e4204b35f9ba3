// Writes jose.json: a key set and tokens by npm jose, which token_test.c must judge as jose does.
// Run it where jose is installed: npm install jose && node fixtures.mjs > jose.json
// The private keys are thrown away; the tokens hold until the year 2100.
import * as jose from 'jose'

const secret = '0123456789abcdef0123456789abcdef'
const kinds = { RS256: 'RS256', PS256: 'PS256', ES256: 'ES256', EdDSA: 'EdDSA' }
const exp = 4102444800
const claims = { sub: 'ann', exp, rooms: { 'kn:*': 'write' }, name: 'Ann Å 😀' }
const keys = []
const accept = {}
const refuse = {}

const sign = (alg, kid, key, more = {}) =>
    new jose.SignJWT({ ...claims, ...more }).setProtectedHeader({ alg, typ: 'JWT', kid }).sign(key)

const hmac = new TextEncoder().encode(secret)
accept['HS256'] = await new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(hmac)
refuse['HS512'] = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg: 'HS512' })
    .sign(new TextEncoder().encode(secret + secret))
refuse['unsecured'] = new jose.UnsecuredJWT(claims).encode()

for (const alg of Object.keys(kinds)) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await jose.exportJWK(publicKey)), kid: alg, alg, use: 'sig' }
    keys.push(jwk)
    accept[alg] = await sign(alg, alg, privateKey)
    accept[alg + ' whole numbers and fractions'] = await sign(alg, alg, privateKey, {
        iat: 1700000000.5,
        nbf: 1700000000,
    })
    refuse[alg + ' expired'] = await sign(alg, alg, privateKey, { exp: 1700000000 })
    refuse[alg + ' not yet'] = await sign(alg, alg, privateKey, { nbf: exp - 1 })
    refuse[alg + ' under another kid'] = await sign(alg, alg === 'ES256' ? 'RS256' : 'ES256', privateKey)
    const other = await jose.generateKeyPair(alg)
    refuse[alg + ' by another key'] = await sign(alg, alg, other.privateKey)
    const wrong = new TextEncoder().encode(await jose.exportSPKI(publicKey))
    refuse[alg + ' as a secret'] = await new jose.SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: alg })
        .sign(wrong)
}
for (const alg of ['ES384', 'ES512', 'RS512']) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
    keys.push({ ...(await jose.exportJWK(publicKey)), kid: alg, alg, use: 'sig' })
    refuse[alg] = await sign(alg, alg, privateKey)
}

// jose itself must agree.
const set = jose.createLocalJWKSet({ keys })
const options = { algorithms: Object.keys(kinds), clockTolerance: 30 }
for (const [name, token] of Object.entries(accept)) {
    await (name === 'HS256' ? jose.jwtVerify(token, hmac, { algorithms: ['HS256'] }) : jose.jwtVerify(token, set, options))
}
for (const [name, token] of Object.entries(refuse)) {
    const taken = await jose.jwtVerify(token, set, options).then(() => true, () => false)
    if (taken) throw new Error(`jose accepts ${name}`)
}
console.log(JSON.stringify({ by: 'npm jose 6.2.17', secret, jwks: { keys }, accept, refuse }, null, 1))
