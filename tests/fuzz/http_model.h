/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second reader of HTTP/1.1, for fuzz_http_connection: where requests and answers begin and end,
 * as RFC 9112 has it and as any party on the way may read it. It shares nothing with evhttp.
 */
#ifndef OCTROI_TESTS_FUZZ_HTTP_MODEL_H
#define OCTROI_TESTS_FUZZ_HTTP_MODEL_H

#include "base/str.h"

enum model_reading {
    MODEL_MORE,  /* it is not whole yet */
    MODEL_CLEAR, /* whole, and everybody sees the same end of it */
    MODEL_ILL    /* what it is, or where it ends, is a matter of opinion */
};

struct model_field {
    char *name, *value; /* owned */
};

struct model_request {
    char *method, *target;      /* owned; NULL: not known */
    bool old;                   /* HTTP/1.0 */
    struct model_field *fields; /* owned; folded lines joined by a space */
    size_t n_fields;
    size_t n_trailers; /* so many of the last fields stood behind the body */
    struct strbuf body;
    size_t end; /* CLEAR: where the next request begins */
};

struct model_answer {
    int status;
    bool known_version;
    const char *head; /* in what was read, head_length bytes */
    size_t head_length;
    const char *body;
    size_t length;
    bool to_the_end; /* its body lasts until the connection ends */
    size_t end;
};

/* The request that begins at a place of what was said. request_out is to be freed. */
enum model_reading model_read_request(const struct strbuf *said, size_t at,
                                      struct model_request *request_out);
void model_free_request(struct model_request *request);
/* The value of the field of that name; NULL: there is none, or there are several. */
const char *model_field(const struct model_request *request, const char *name);

/* The answer that begins there. bodyless: it is to HEAD. ended: no more will come. */
enum model_reading model_read_answer(const struct strbuf *got, size_t at, bool bodyless, bool ended,
                                     struct model_answer *answer_out);
/* Copies an answer's field into out; false: it is not there, or it is there twice. */
bool model_answer_field(const struct model_answer *answer, const char *name, char *out,
                        size_t size);

/* What was said between two places with every "%41", "\u0041" and "+" decoded, NUL behind and
 * \1 for those within. Owned by the caller. */
char *model_decoded(const char *text, size_t length);

#endif
