/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as those see it who answer it, the shapes of SMS (shape.h) and the services
 * (service.h), and the answer they make. Nothing here knows a socket or evhttp.
 */
#ifndef OCTROI_PROXY_HTTP_CALL_H
#define OCTROI_PROXY_HTTP_CALL_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/str.h"
#include "config/config.h"
#include "proxy/http/idempotency.h"

#include <jansson.h>

struct evkeyvalq;
struct http_message;

enum http_method {
    HTTP_METHOD_OTHER = 0,
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_POST = 2,
    HTTP_METHOD_HEAD = 4
};

#define HTTP_TAILS         2
#define HTTP_FIELDS        1000               /* of a query and a form */
#define HTTP_CALL_ARENA    (256 * 1024)       /* beside what the body may take */
#define HTTP_STRAIGHT_AWAY (5 * CLOCK_SECOND) /* Retry-After where nothing is known */

/* Common errors; each shape says them in its own words. */
enum http_trouble {
    TROUBLE_NOBODY,     /* no credentials, and the address is nobody's */
    TROUBLE_WRONG,      /* credentials that are not right */
    TROUBLE_HELD,       /* too many wrong ones from this address */
    TROUBLE_UNCHECKED,  /* no helper is free to look at a password */
    TROUBLE_CLEAR,      /* a password that came in clear over a network */
    TROUBLE_NOT_SMS,    /* the account's stream is not one of SMS */
    TROUBLE_CONNECTION, /* the partner has all the connections it may have */
    TROUBLE_MEMORY,
    TROUBLE_COUNT
};

#define HTTP_COOKIES 2

/* All texts are borrowed, from constants or the call's arena; NULL: no such header, but where
 * something else is said. With a control character in one the answer is 500, without any of it. */
struct http_answer {
    int status; /* 0: not yet */
    const char *type;
    struct strbuf body;  /* owned */
    int64_t retry_after; /* microseconds; 0: no such header */
    const char *allow;
    const char *authenticate;
    const char *location; /* where a redirect (302, 303) leads to */
    /* Content-Security-Policy of a page, which then is shown in no frame, shares nothing with other
     * origins and keeps its address to itself; NULL: no page. */
    const char *content_policy;
    const char *referrer_policy; /* of a page; NULL: no-referrer, with which a form's own Origin is
                                    "null" */
    const char *cookies[HTTP_COOKIES]; /* whole values of Set-Cookie */
    const char *cache;                 /* Cache-Control; NULL: no-store */
    const char *disposition;           /* Content-Disposition */
    const char *language;              /* Content-Language */
    bool close;                        /* the connection ends with it */
};

/* One of a query or a form, decoded. */
struct http_field {
    struct http_field *next;
    const char *name;
    const char *value; /* length bytes and a NUL */
    size_t length;
};

struct http_call {
    /* The request; borrowed, or in the arena. */
    enum http_method method;
    const char *path;                /* undecoded */
    const char *query;               /* undecoded; "" */
    const char *tails[HTTP_TAILS];   /* what stands for the stars of the route, decoded; "" */
    const struct evkeyvalq *headers; /* NULL once the connection is gone */
    const char *body;                /* length bytes and a NUL */
    size_t length;
    const char *media; /* type of the body: lower case, without parameters; "" */
    bool secured;      /* it came over TLS, also to a balancer that is believed, or from here */
    bool https;        /* the same without those from here */
    int64_t now;
    /* What serves it. */
    const struct config *config;
    struct arena *arena;
    struct idempotency *memory;           /* NULL: there is none */
    const struct account_config *account; /* NULL until it is known */
    /* What is made of it. */
    struct http_field
        *fields;  /* in the arena, the first first; NULL until http_fields was called */
    json_t *json; /* owned; NULL until http_json was called */
    struct http_message *messages; /* of SMS, in the arena */
    size_t n_messages;
    void *own;         /* the shape's, in the arena */
    struct kept *kept; /* native: what the answer is to be remembered under; NULL: nothing */
    bool remember;     /* native: it is an answer to be remembered */
    struct http_answer answer;
};

/* Frees what a call owns, the arena aside. */
void http_call_end(struct http_call *call);

/* ---- reading ---- */

/* NULL when there is none, or more than one with different values: nobody can say which is meant.
 */
const char *http_header(const struct http_call *call, const char *name);
/* Not more than one with different values. */
bool http_header_clear(const struct evkeyvalq *headers, const char *name);
/* Of the body, from its Content-Type: "Application/JSON; charset=utf-8" is "application/json". In
 * the arena; "". */
const char *http_media(const struct http_call *call);
/* The fields of the query and of a form in the body, decoded. False: not decodable, or no memory;
 * the shape answers. A second call costs nothing. */
bool http_fields(struct http_call *call);
/* After http_fields: the first field of this name, NULL when there is none. */
const struct http_field *http_find_field(const struct http_call *call, const char *name);
/* Its value as a text; NULL when there is none, or a NUL in it. */
const char *http_field(const struct http_call *call, const char *name);
/* A body, length bytes and a NUL, as a JSON object without repeated members. False: where it is
 * wrong is in why_out (at most size bytes), without what stands there. Any thread. */
bool http_json_read(const char *body, size_t length, json_t **json_out, char *why_out, size_t size);
/* The call's body so, kept in call->json. */
bool http_json(struct http_call *call, char *why_out, size_t size);
/* After http_json: a member that is a string; NULL when it is not there or something else. */
const char *http_member(const struct http_call *call, const char *name);
/* Printable ASCII or UTF-8, without controls, 1 … max bytes. */
bool http_is_plain(const char *text, size_t max);
/* Digits only, 1 … max; false when it is none. */
bool http_number(const char *text, int64_t max, int64_t *number_out);
/* ---- answering ---- */

/* The body must be empty; what is added to call->answer.body afterwards is the answer. */
void http_answer(struct http_call *call, int status, const char *type);
/* RFC 9457. type is the last part of the type's URI; reason and ref may be "". */
void http_problem(struct http_call *call, int status, const char *type, const char *title,
                  const char *detail, const char *reason, const char *ref);
/* The same for what is nobody's shape: an unknown path, a wrong method. */
void http_plain_problem(struct http_call *call, int status);
/* The phrase of a status. */
const char *http_phrase(int status);
/* One English sentence for a trouble, and the status it has where a shape has no opinion. */
const char *http_trouble_text(enum http_trouble trouble);
int http_trouble_status(enum http_trouble trouble);
const char *http_trouble_name(enum http_trouble trouble);

#endif
