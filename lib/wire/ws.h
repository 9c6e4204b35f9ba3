/* ws.h: RFC 6455 framing: bytes in, frames out; frame headers for writing. No handshake but the
 * accept key, no extensions (so every RSV bit is an error), no I/O, no allocation.
 *
 * The caller owns the buffer. It offers what it has; ws_parse looks at the front of it and either
 * takes one whole frame or says how many bytes that frame needs. Nothing is changed before a frame
 * is complete, so the same bytes give the same frames however the network cut them. Assembling
 * fragments is the caller's: `message_op` says what a continuation continues.
 *
 * A server reads masked frames and writes bare ones, a client the reverse; `server` chooses.
 *
 * Thread: one owner. Embed only; a zeroed parser must be initialised before use.
 */
#ifndef WIRE_WS_H
#define WIRE_WS_H

#include "base/slice.h"
#include "base/utf8.h"

enum ws_op {
    WS_CONT = 0,
    WS_TEXT = 1,
    WS_BIN = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

#define WS_CONTROL_MAX       125 /* payload of a control frame, RFC 6455 5.5 */
#define WS_HEADER_MAX        10  /* an unmasked header */
#define WS_MASKED_HEADER_MAX 14
/* Fragments of one message. More serve nobody: 4 MiB in pieces of 64 bytes fits exactly. A peer
 * that sends empty fragments for ever is stopped by this, since bytes never will. */
#define WS_FRAGMENTS_MAX 65536

struct ws_parser {
    size_t max_frame_bytes;   /* payload of one frame */
    size_t max_message_bytes; /* payloads of all fragments of one message */
    bool server;

    /* Read-only for users. */
    bool in_message;       /* a data message has begun and not ended */
    enum ws_op message_op; /* WS_TEXT or WS_BIN: of the data message last begun */
    size_t message_bytes;  /* of it so far */
    unsigned fragments;    /* of it so far */
    utf8_state utf8;       /* of it so far, for text */

    size_t need;         /* after WS_NEED_MORE */
    unsigned close_code; /* after WS_ERROR: 1002, 1007 or 1009 */
    const char *detail;  /* after WS_ERROR; a static sentence */
};

struct ws_frame {
    enum ws_op op;
    bool fin;
    uint8_t *payload; /* unmasked in place, in the caller's buffer */
    size_t n;
    size_t consumed; /* bytes of the buffer that the frame took */
};

enum ws_result { WS_NEED_MORE, WS_FRAME, WS_ERROR };

void ws_parser_init(struct ws_parser *, size_t max_frame_bytes, size_t max_message_bytes,
                    bool server);

/* Takes one frame off the front of `bytes`.
 * WS_FRAME: *ret is filled, the caller drops ret->consumed bytes and calls again. A frame of a text
 *   message has been checked as UTF-8 up to its end, a close frame's payload wholly.
 * WS_NEED_MORE: p->need is how many bytes the frame at the front takes in all, 0 while unknown.
 *   Never more than the caps allow. Call again with the same bytes and more.
 * WS_ERROR: p->close_code and p->detail; so for ever after.
 * After a WS_CLOSE frame the caller reads no further (RFC 6455 5.5.1). */
enum ws_result ws_parse(struct ws_parser *, uint8_t *bytes, size_t n, struct ws_frame *ret);

/* Writes a server's header, FIN set, unmasked; returns its length. */
size_t ws_header(uint8_t to[WS_HEADER_MAX], enum ws_op op, size_t payload_bytes);
/* Writes a client's header, FIN set; the payload is to be passed through ws_mask. */
size_t ws_header_masked(uint8_t to[WS_MASKED_HEADER_MAX], enum ws_op op, size_t payload_bytes,
                        const uint8_t mask[4]);
/* Masks or unmasks in place; `bytes` is the start of a payload. */
void ws_mask(uint8_t *bytes, size_t n, const uint8_t mask[4]);

/* Writes a close frame's payload; returns its length. The reason (may be NULL) is cut on a UTF-8
 * border to fit. */
size_t ws_close_payload(uint8_t to[WS_CONTROL_MAX], unsigned code, const char *reason);
/* Reads one: an empty payload is code 1005, no reason. False when it is one byte long, the code may
 * not be sent or the reason is not UTF-8; never for a frame that ws_parse let through. */
bool ws_close_parse(slice payload, unsigned *ret_code, slice *ret_reason);
/* The code may stand in a close frame (RFC 6455 7.4 and the IANA registry). */
bool ws_close_code_valid(unsigned code);

/* The Sec-WebSocket-Key is base64 of 16 bytes, padded (RFC 6455 4.2.1). */
bool ws_key_valid(slice key);

#define WS_ACCEPT_BYTES 28

/* The Sec-WebSocket-Accept for a key; no terminator. */
void ws_accept_key(slice key, char to[WS_ACCEPT_BYTES]);

#endif
