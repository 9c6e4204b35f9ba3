/* history_path.h: what a request for /history/... asks for (PROTOCOL 1).
 *
 *     GET  /history/R?limit=20&before=V     the list
 *     GET  /history/R/V                     one version; V is a number or "latest"
 *     GET  /history/R/V/compare?to=W        what happened since, until W or now
 *     POST /history/R           {"label"}   saves one
 *     POST /history/R/V/restore             goes back to one
 *
 * R is a room's name, percent-encoded. With slashes as they are it is two segments of the path if
 * it begins with "ws:" and one otherwise; a first segment that has anything percent-encoded in it
 * is all of R.
 *
 * Thread: any. Pure.
 */
#ifndef HTTP_HISTORY_PATH_H
#define HTTP_HISTORY_PATH_H

#include "gateway/http.h"
#include "wire/intent.h"

struct history_request {
    enum op op;
    char room[CAPS_ROOM_NAME_BYTES];
    size_t room_bytes;
    uint64_t version_id; /* 0: the newest */
    uint64_t to_id;      /* 0: now */
    uint64_t before;     /* 0: none */
    uint64_t limit;
    char label[CAPS_LABEL_BYTES + 1]; /* one more: so that what is too long is found out */
    size_t label_bytes;
};

bool history_is_path(slice path);
/* 0, or the status with which the request is refused; then *ret_why is a sentence, static. */
unsigned history_parse(const struct http_request *, struct history_request *ret,
                       const char **ret_why);

#endif
