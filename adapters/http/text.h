/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with placeholders, as templates have them: "+{to_digits}", "{prospecting?marketing:other}",
 * "{setting.sender or sender}", "{text|json}". They are taken apart once, when the template is
 * read, and put together with each message, every value escaped for the place where it stands.
 * Knows neither files nor HTTP.
 */
#ifndef OCTROI_ADAPTERS_HTTP_TEXT_H
#define OCTROI_ADAPTERS_HTTP_TEXT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

/* What a placeholder can name. */
enum http_name {
    HTTP_TO,
    HTTP_TO_DIGITS,
    HTTP_SENDER,
    HTTP_TEXT,
    HTTP_REFERENCE,
    HTTP_PARTS,
    HTTP_UNICODE,
    HTTP_PROSPECTING,
    HTTP_REPORT,
    HTTP_VALIDITY,
    HTTP_VALIDITY_MINUTES,
    HTTP_USERNAME,
    HTTP_PASSWORD,
    HTTP_URL,
    HTTP_REPORT_URL,
    HTTP_INBOUND_URL,
    HTTP_TIMESTAMP,
    HTTP_METHOD,
    HTTP_REQUEST_URL,
    HTTP_BODY,
    HTTP_SIGNATURE,
    HTTP_SETTING, /* of no list: the piece holds its value */
    HTTP_NAME_COUNT
};

/* Which of them a place allows. */
#define HTTP_OF_MESSAGE   0x01u
#define HTTP_OF_PROVIDER  0x02u
#define HTTP_OF_TIME      0x04u
#define HTTP_OF_REQUEST   0x08u /* method, request_url, body */
#define HTTP_OF_SIGNATURE 0x10u

/* How values are written. What the template itself says is never escaped. */
enum http_escape {
    HTTP_AS_IS,
    HTTP_FOR_URL,    /* percent-encoded: URLs and forms */
    HTTP_FOR_JSON,   /* the inside of a JSON string */
    HTTP_FOR_XML,    /* text or attribute */
    HTTP_FOR_HEADER, /* as it is; control characters are refused */
    HTTP_LITERAL,    /* a JSON number, true, false or null, without quotes; all else is refused */
};

#define HTTP_ALTERNATIVES 4 /* names in one placeholder: "{a or b}" */

/* What stands fixed, or one placeholder. */
struct http_piece {
    struct http_piece *next;
    const char *fixed; /* NULL: a placeholder */
    size_t length;     /* of fixed */
    unsigned n_names;
    enum http_name names[HTTP_ALTERNATIVES];
    const char *settings[HTTP_ALTERNATIVES]; /* HTTP_SETTING: its value, borrowed */
    const char *then;                        /* NULL: the value itself; else these two stand */
    const char *otherwise;
    bool needed; /* "{name!}": where it is empty, the field or header is left out */
    bool filtered;
    enum http_escape filter;
};

/* In the arena it was parsed with. */
struct http_text {
    struct http_piece *first;
    bool constant; /* without a placeholder */
    unsigned uses; /* HTTP_OF_ bits of what it names */
};

/* Borrowed; a NULL counts as "". */
struct http_values {
    const char *of[HTTP_NAME_COUNT];
};

/* The value of the provider's setting `name`, borrowed for as long as the text; NULL: there is
 * none, and wrong says so. */
typedef const char *http_setting_fn(void *arg, const char *name, char *wrong, size_t size);

struct http_text_reader {
    struct arena *arena;
    http_setting_fn *setting;
    void *arg;
    unsigned named; /* out: a bit for each enum http_name that was met */
};

/* allowed: HTTP_OF_ bits. RESULT_BAD_INPUT: err says what is wrong with the text. */
enum result http_text_parse(struct http_text_reader *reader, const char *text, unsigned allowed,
                            struct http_text *text_out, struct error *err);
/* Appends. RESULT_BAD_INPUT: a value cannot stand there (err says which, without the value); a
 * lack of memory shows in out->failed. */
enum result http_text_write(const struct http_text *text, const struct http_values *values,
                            enum http_escape escape, struct strbuf *out, struct error *err);

/* Whether it has a "{name!}" that is empty. */
bool http_text_absent(const struct http_text *text, const struct http_values *values);

/* Everything but letters, digits and "-._~" percent-encoded. */
void http_add_url(struct strbuf *out, const char *text, size_t length);
/* Percent-encoding and "+" undone, appended; NULs are left out unless nuls. False for a malformed
 * escape. */
bool http_add_unescaped(struct strbuf *out, const char *text, size_t length, bool nuls);

#endif
