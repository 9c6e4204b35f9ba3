/* bounds.h: the caps and time constants of this folder, each with its reason.
 *
 * Thread: any. Constants only.
 */
#ifndef ACCESS_BOUNDS_H
#define ACCESS_BOUNDS_H

#include <stddef.h>
#include <stdint.h>

/* A token. Request lines and header fields carry them, and those end at 8 and 16 KiB. */
#define ACCESS_TOKEN_BYTES ((size_t)8 * 1024)
/* Objects in objects of a header, of claims or of a key set: three are seen in practice. */
#define ACCESS_JSON_DEPTH 8
/* A key id. They are thumbprints or UUIDs; some are URLs. */
#define ACCESS_KID_BYTES 256
/* HS256, RFC 7518 3.2: the key has at least the size of the hash. */
#define ACCESS_SECRET_BYTES_MIN 32
/* RSA, RFC 7518 3.3; above the upper one a verification costs more than it is worth. */
#define ACCESS_RSA_BITS_MIN 2048
#define ACCESS_RSA_BITS_MAX 8192
/* Numeric dates stay exact in a double, and in JavaScript, up to 2^53. */
#define ACCESS_DATE_MAX ((uint64_t)1 << 53)

/* One field of presence: a name or the address of a picture. A picture itself does not go there. */
#define ACCESS_PRESENCE_FIELD_BYTES 512

/* A wsToken may say that it lives this long at most, whoever minted it: its nonce must be
 * remembered until then. */
#define ACCESS_WS_TOKEN_S 3600
/* How much longer other nodes are told to remember a nonce: so much their clocks may differ, and a
 * token that one of them takes for expired is still not used twice. */
#define ACCESS_CLOCKS_S 900
/* Nonces are random; 16 bytes in hexadecimal are 32 characters. */
#define ACCESS_NONCE_BYTES_MAX 128
/* Nonces remembered. 131,072 are 400 connections a second over 300 s; a hundred bytes each. */
#define ACCESS_NONCES ((size_t)128 * 1024)

/* Entries revoked by call. The oldest go first when there are more: their tokens have expired. */
#define ACCESS_REVOKED ((size_t)64 * 1024)
/* The revocation list as a file. */
#define ACCESS_REVOCATION_FILE_BYTES ((size_t)16 * 1024 * 1024)

/* A key set: Google's and Azure's have a few KiB. */
#define ACCESS_JWKS_BYTES ((size_t)256 * 1024)
#define ACCESS_JWKS_KEYS  100

/* Checks that wait for keys, and questions for a role that wait for the service: each holds a token
 * or an identity of some KiB. A burst of reconnecting clients is some thousand. */
#define ACCESS_WAITING_MAX 4096

/* Questions that the service is asked at the same time: it should not meet all clients at once when
 * they reconnect. */
#define ACCESS_AUTHZ_ASKING 32
/* Its answer: {"role":"write"}, and what its framework adds. */
#define ACCESS_AUTHZ_BYTES ((size_t)16 * 1024)
/* Its answers that are remembered: three rooms each of 5,000 connections; 400 bytes each. */
#define ACCESS_AUTHZ_ANSWERS ((size_t)16 * 1024)

#endif
