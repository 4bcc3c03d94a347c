/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as a shape sees it, and what it makes of it: messages to submit, and an answer. Nothing
 * here knows a socket or evhttp; a shape is a pair of translations, tested and fuzzed without
 * either.
 */
#ifndef OCTROI_PROXY_HTTP_CALL_H
#define OCTROI_PROXY_HTTP_CALL_H

#include "base/arena.h"
#include "base/str.h"
#include "proxy/http/idempotency.h"
#include "proxy/sms/sms.h"

#include <jansson.h>

struct evkeyvalq;

enum http_method {
    HTTP_METHOD_OTHER = 0,
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_POST = 2,
    HTTP_METHOD_HEAD = 4
};

#define HTTP_TAILS         2
#define HTTP_FIELDS        1000         /* of a query and a form */
#define HTTP_RECIPIENTS    500          /* of one request */
#define HTTP_NUMBER_MAX    32           /* bytes of a telephone number as a partner writes it */
#define HTTP_SENDER_MAX    32           /* bytes of a sender id */
#define HTTP_CREDENTIAL    512          /* bytes of a name or of a password */
#define HTTP_CALL_ARENA    (256 * 1024) /* beside what the body may take */
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

/* One message to one number, and once it was submitted, what came of it. */
struct http_message {
    struct sms_submission what; /* snapshot, account and session are filled in by request.c */
    bool ended;
    struct sms_reply reply; /* its texts are in the arena */
};

struct http_answer {
    int status; /* 0: not yet */
    const char *type;
    struct strbuf body;       /* owned */
    int64_t retry_after;      /* microseconds; 0: no such header */
    const char *allow;        /* NULL: no such header */
    const char *authenticate; /* NULL: no such header */
    bool close;               /* the connection ends with it */
};

/* One of a query or a form, decoded. */
struct http_field {
    struct http_field *next;
    const char *name;
    const char *value; /* length bytes and a NUL */
    size_t length;
};

enum http_login_kind {
    LOGIN_NONE,     /* none given: the network or a certificate may say */
    LOGIN_PASSWORD, /* name and password */
    LOGIN_SIGNED,   /* name, and whether the signature was right */
    LOGIN_BAD,      /* given in a way that cannot be read */
};

struct http_login {
    enum http_login_kind kind;
    char name[HTTP_CREDENTIAL + 1];
    char password[HTTP_CREDENTIAL + 1];   /* wiped by who asked */
    const struct account_config *account; /* of LOGIN_SIGNED: whose key it is; NULL: nobody's */
    bool right;
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
    bool secured;      /* it came over TLS, also to a balancer that is believed */
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
    struct http_message *messages;
    size_t n_messages;
    void *own;         /* the shape's, in the arena */
    struct kept *kept; /* native: what the answer is to be remembered under; NULL: nothing */
    bool remember;     /* native: it is an answer to be remembered */
    struct http_answer answer;
};

struct http_shape {
    const char *name;
    /* Reads who calls. */
    void (*login)(struct http_call *call, struct http_login *login_out);
    /* Reads the messages; account is known. False: the answer is set. */
    bool (*read)(struct http_call *call);
    /* All messages have ended: writes the answer. */
    void (*render)(struct http_call *call);
    /* Writes the answer for what went wrong before there were messages. */
    void (*refuse)(struct http_call *call, enum http_trouble trouble);
};

extern const struct http_shape native_shape, twilio_shape, vonage_shape, ovh_shape, kannel_shape;

/* What else is asked for in these shapes, and answered at once. */
void twilio_no_message(struct http_call *call);
void ovh_time(struct http_call *call);
void ovh_services(struct http_call *call);

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
/* The body as a JSON object. False: where it is wrong is in why_out (at most size bytes). */
bool http_json(struct http_call *call, char *why_out, size_t size);
/* After http_json: a member that is a string; NULL when it is not there or something else. */
const char *http_member(const struct http_call *call, const char *name);
/* "Authorization: Basic …" or, with bearer, "Bearer NAME:PASSWORD" into login. */
void http_authorization(const struct http_call *call, bool bearer, struct http_login *login);
void http_login_set(struct http_login *login, const char *name, const char *password);
/* A text that can be a message: not empty, UTF-8, within 255 parts. */
bool http_is_text(const char *text);
/* Printable ASCII or UTF-8, without controls, 1 … max bytes. */
bool http_is_plain(const char *text, size_t max);
/* Room for n messages, all zero. False: no memory. */
bool http_messages(struct http_call *call, size_t n);
/* Puts sender (NULL: "") with what kind of sender it is. */
void http_set_sender(struct http_message *message, const char *sender);
/* Digits only, 1 … max; false when it is none. */
bool http_number(const char *text, int64_t max, int64_t *number_out);
/* A 53-bit number that goes with a decision's id, the same whenever it is asked for. */
int64_t http_stable_number(const char *ref);

/* ---- answering ---- */

/* The body must be empty; what is added to call->answer.body afterwards is the answer. */
void http_answer(struct http_call *call, int status, const char *type);
/* The status a message's end has where a shape has no opinion of its own. */
int http_status_of(enum sms_end end);
/* Retry-After of an end that may pass; 0 for one that will not, and for a lost answer: who comes
 * again by itself would send the message twice. */
int64_t http_retry_after(const struct sms_reply *reply);
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
