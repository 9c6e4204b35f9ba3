/* page.h: what the pages of this folder share. Thread: any. */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "gateway/gateway.h"

/* Answers with a status and a sentence, whatever the body was so far. */
void page_fail(struct http_response *, unsigned status, const char *why);

#endif
