/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What providers say, in JSON, as a form or as plain text, made into one kind of tree (jansson),
 * and the paths and conditions by which templates look into it. Pure.
 */
#ifndef OCTROI_ADAPTERS_HTTP_VALUE_H
#define OCTROI_ADAPTERS_HTTP_VALUE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <jansson.h>

enum http_format {
    HTTP_FORMAT_JSON,
    HTTP_FORMAT_FORM, /* an object of texts */
    HTTP_FORMAT_TEXT, /* a list of texts: the body trimmed, or its fields */
};

/* NULL: it is none. separator: of the fields of a text; "" for none. The result is the caller's.
 * What of JSON is not UTF-8, a control, or half a character becomes U+FFFD or a blank: a STOP is to
 * be seen, and those beside it. Its texts may hold NULs. */
json_t *http_value_read(enum http_format format, const char *separator, const char *body,
                        size_t length);
/* Adds the fields of a form or query to object; of a name that comes twice the first counts. What
 * is not UTF-8 becomes U+FFFD, and NULs are left out: a STOP is to be seen in whatever bytes it
 * comes. False for a malformed escape, and when memory is short. */
bool http_value_add_form(json_t *object, const char *text, size_t length);

/* The value of the first field of this name in a form or query, byte for byte, appended. False:
 * there is none, or it is malformed. */
bool http_form_bytes(const char *form, size_t length, const char *name, struct strbuf *out);

/* "messages[0].status". */
struct http_path {
    struct http_step *first; /* NULL: the whole */
};
enum result http_path_parse(struct arena *arena, const char *text, struct http_path *path_out,
                            struct error *err);
/* NULL when there is nothing. Borrowed from value. */
json_t *http_path_find(const struct http_path *path, json_t *value);
/* What is there as text (numbers and truth values as JSON writes them), replacing what out holds.
 * False: there is nothing, or null, a list or an object. out->failed: no memory. */
bool http_path_text(const struct http_path *path, json_t *value, struct strbuf *out);

/* Whether an answer, or something that came in, is meant. All that is given must hold. */
struct http_condition {
    const int *statuses; /* of HTTP; n_statuses 0: any */
    size_t n_statuses;
    bool looks; /* path is given */
    struct http_path path;
    const char *const *is; /* one of them is its text */
    size_t n_is;
    const char *const *begins; /* one of them begins its text */
    size_t n_begins;
};
/* value: NULL when what came could not be read. */
bool http_condition_holds(const struct http_condition *condition, long status, json_t *value);

#endif
