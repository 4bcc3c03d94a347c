/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage for tests of the HTTP adapter: loops, a provider with a template, a web server on the
 * first loop that answers as told and keeps what it was asked; a sink for what comes in.
 */
#ifndef OCTROI_TESTS_ADAPTERS_HTTP_STAGE_H
#define OCTROI_TESTS_ADAPTERS_HTTP_STAGE_H

#include "adapters/http/http.h"
#include "base/clock.h"

#include <check.h>

#define MILLISECONDS INT64_C(1000)
#define GUARD        (40 * CLOCK_SECOND)
#define LOOPS_MAX    2
#define ASKED_MAX    64

enum deed {
    DEED_ANSWER,
    DEED_HOLD,  /* nothing, until the stage ends or says stage_release */
    DEED_CLOSE, /* the connection is closed, without an answer */
};
struct scripted {
    enum deed deed;
    int status;
    const char *body;
    const char *header, *value; /* NULL: none */
    size_t filler;              /* bytes of 'x' behind the body */
};

struct asked {
    char line[2048];    /* "POST /path?query" */
    char headers[2048]; /* "Name: value\n", without Host, Content-Length and Accept: * */
    char body[4096];
    char host[64];
    char peer[64]; /* its port tells connections apart */
};

struct heard {
    unsigned count;
    enum outcome outcome;
    enum sms_refusal refusal;
    uint32_t smpp_status;
    bool cannot_carry;
    unsigned parts;
    char id[SMPP_ID_MAX];
    char text[512];
    bool inside; /* within a call that must not call back */
};

struct told {
    enum sms_inbound_kind kind;
    char from[64], to[64], text[256], id[SMPP_ID_MAX];
    enum receipt_state state;
    char receipt_id[SMPP_ID_MAX], error[8];
};

struct http_stage {
    char folder[64];
    char template_path[160];
    char url[64];
    struct config config;
    struct provider_config provider_config;
    struct setting settings[8];
    struct loop *loops[LOOPS_MAX];
    unsigned n_loops;
    struct provider *provider;
    struct evhttp *server;
    const char *certificate, *key; /* NULL: in clear */
    uint16_t port;
    struct scripted script[ASKED_MAX]; /* the last serves all later ones */
    unsigned n_script;
    struct asked asked[ASKED_MAX];
    unsigned n_asked;
    unsigned held_now, held_most;
    struct evhttp_request *held[ASKED_MAX];
    struct sms_sink sink;
    struct told told[8]; /* the first ones */
    unsigned n_told;
    enum sms_taken taken; /* what the sink says */
    bool slow_sink;       /* it says so a turn later */
    struct sms_hook hook;
    const char *hook_headers[8][2];
    int hooked; /* the answer to a call; 0: none yet */
    char hooked_body[128];
    char hooked_type[64];
};

/* A template with each kind of answer. */
#define HTTP_PLAIN                                                                    \
    "request: { url = \"{url}/send\"  json: { to = \"{to}\"  text = \"{text}\" } }\n" \
    "answer: { accepted: { status = [ 200 ]  field = \"code\"  is = [ 0 ] }\n"        \
    "  id = \"id\"  parts = \"parts\"  error = [ \"code\", \"error\" ]\n"             \
    "  otherwise = ( { field = \"code\"  is = [ 7 ]  means = \"opted_out\" },\n"      \
    "    { field = \"code\"  is = [ 8 ]  means = \"number\" },\n"                     \
    "    { field = \"code\"  is = [ 9 ]  means = \"later\" },\n"                      \
    "    { field = \"code\"  is = [ 10 ]  means = \"for_good\" },\n"                  \
    "    { status = [ 503 ]  means = \"not_taken\" } ) }\n"

/* A provider of TLS none, on a folder of its own. */
void stage_begin(struct http_stage *stage);
void stage_template(struct http_stage *stage, const char *text);
/* One that is shipped: "twilio.conf". */
void stage_shipped(struct http_stage *stage, const char *name);
void stage_setting(struct http_stage *stage, const char *name, const char *value);
/* One more answer. */
void stage_script(struct http_stage *stage, struct scripted scripted);
void stage_answer(struct http_stage *stage, int status, const char *body);
/* The server, the loops and the provider. */
void stage_serve(struct http_stage *stage);
/* The same up to stage_serve, for a server with a certificate for 127.0.0.1. */
void stage_begin_tls(struct http_stage *stage, char certificate[160], char key[160]);
void stage_turn(struct http_stage *stage);
void stage_release(struct http_stage *stage, int status, const char *body);
void stage_end(struct http_stage *stage);

#define WAIT_UNTIL(stage, condition)                                                            \
    do {                                                                                        \
        int64_t guard_ = clock_monotonic() + GUARD;                                             \
        while (!(condition)) {                                                                  \
            stage_turn(stage);                                                                  \
            ck_assert_msg(clock_monotonic() < guard_, "nothing happens any more: " #condition); \
        }                                                                                       \
    } while (0)

/* A message as partners send it; change it, then send it. */
struct sms_message stage_message(void);
void stage_begin_send(struct http_stage *stage, unsigned loop, const struct sms_message *message,
                      struct heard *heard);
/* On loop 0, and waits for the answer. */
void stage_send(struct http_stage *stage, const struct sms_message *message, struct heard *heard);
/* "accepted ID parts", "refused for_good", "none", …: the whole answer in one line. */
const char *heard_line(const struct heard *heard);

/* A call of the provider; the answer is in stage->hooked. */
void stage_call(struct http_stage *stage, const char *name, const char *type, const char *query,
                const char *body);
void stage_header(struct http_stage *stage, const char *name, const char *value);

#endif
