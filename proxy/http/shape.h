/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes in which SMS are submitted: how each reads a login and messages from a call, and says
 * what came of them. A shape is a pair of translations, tested and fuzzed without a socket.
 */
#ifndef OCTROI_PROXY_HTTP_SHAPE_H
#define OCTROI_PROXY_HTTP_SHAPE_H

#include "proxy/http/call.h"
#include "proxy/sms/sms.h"

#define HTTP_RECIPIENTS 500 /* of one request */
#define HTTP_NUMBER_MAX 32  /* bytes of a telephone number as a partner writes it */
#define HTTP_SENDER_MAX 32  /* bytes of a sender id */
#define HTTP_CREDENTIAL 512 /* bytes of a name or of a password */

/* One message to one number, and once it was submitted, what came of it. */
struct http_message {
    struct sms_submission what; /* snapshot, account and session are filled in by request.c */
    bool ended;
    struct sms_reply reply; /* its texts are in the arena */
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

/* ---- reading ---- */

/* "Authorization: Basic …" or, with bearer, "Bearer NAME:PASSWORD" into login. */
void http_authorization(const struct http_call *call, bool bearer, struct http_login *login);
void http_login_set(struct http_login *login, const char *name, const char *password);
/* A text that can be a message: not empty, UTF-8, within 255 parts. */
bool http_is_text(const char *text);
/* Room for n messages, all zero. False: no memory. */
bool http_messages(struct http_call *call, size_t n);
/* Puts sender (NULL: "") with what kind of sender it is. */
void http_set_sender(struct http_message *message, const char *sender);
/* A 53-bit number that goes with a decision's id, the same whenever it is asked for. */
int64_t http_stable_number(const char *ref);

/* ---- answering ---- */

/* The status a message's end has where a shape has no opinion of its own. */
int http_status_of(enum sms_end end);
/* Retry-After of an end that may pass; 0 for one that will not, and for a lost answer: who comes
 * again by itself would send the message twice. */
int64_t http_retry_after(const struct sms_reply *reply);

#endif
