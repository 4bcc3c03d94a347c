/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane with doors of HTTP on real sockets of this machine, and clients beside it; behind it no
 * gate for messages but one that ends them as their number's last digit says (enum sms_end).
 */
#ifndef OCTROI_TESTS_TEST_PROXY_HTTP_STAGE_H
#define OCTROI_TESTS_TEST_PROXY_HTTP_STAGE_H

#include "proxy/http/internal.h"
#include "tests/must.h"

struct evconnlistener;

/* What was submitted, copied. */
struct stage_message {
    char account[64];
    char sender[40];
    uint8_t sender_ton;
    char to[64];
    bool international;
    char text[512];
    bool is_raw;
    struct sms_raw raw;
    uint8_t body[512];
    bool report;
    int64_t validity;
    sms_reply_fn *reply;
    void *owner;
    struct ticket ticket;
    bool replied;
};

struct stage_hook {
    char name[32], method[8], url[256], query[256], body[512], type[64], header[64];
    sms_hooked_fn *answer;
    void *owner;
    struct ticket ticket;
};

#define STAGE_MESSAGES 600
#define STAGE_DOORS    10

struct stage {
    char folder[256];
    struct loop *loop;
    struct lane lane;
    struct gate gate;
    struct workers *workers;
    struct entrance entrances[STAGE_DOORS];
    struct http_door *doors[STAGE_DOORS];
    struct evconnlistener *sockets[STAGE_DOORS];
    int fds[STAGE_DOORS];
    uint16_t ports[STAGE_DOORS];
    size_t n_doors;
    bool hold;       /* messages are not answered until stage_release */
    bool hook_holds; /* … nor webhooks */
    enum sms_refusal refusal;
    unsigned parts;
    struct stage_message messages[STAGE_MESSAGES];
    size_t n_messages;
    struct stage_hook hook;
    unsigned n_hooks;
};
extern struct stage stage;

void stage_make(void);
void stage_free(void);
/* Nobody has failed to log in. */
void stage_forgive(void);
/* Answers message i as its number says; all of them. */
void stage_reply(size_t i);
void stage_release(void);

/* A client's connection to the listener of that name. */
struct client {
    int fd;
    SSL *ssl; /* NULL: in clear */
    struct strbuf got;
    bool closed;
};
void client_open(struct client *client, const char *listener);
/* From that address of this machine: 127.0.0.2 and the like. */
void client_open_from(struct client *client, const char *listener, const char *source);
/* Before the first word; certificate: a file of the stage's folder, NULL: none. */
void client_secure(struct client *client, const char *certificate);
void client_send(struct client *client, const char *text, size_t length);
void client_say(struct client *client, const char *text);
/* Turns the loop once and reads. */
void client_turn(struct client *client);
/* The next whole answer, cut from got; waits for it. status 0: the connection was closed before. */
struct answer {
    int status;
    char headers[2048];
    char body[32768];
};
struct answer client_answer(struct client *client);
/* Waits until the gate closes the connection; what was said before is in got. */
void client_await_close(struct client *client);
void client_close(struct client *client);
/* The value of a header, "" when there is none. */
const char *answer_header(const struct answer *answer, const char *name);

/* One request on a connection of its own. */
struct answer ask(const char *listener, const char *request);
/* POST with these further header lines (each ended by CRLF) and this body. */
struct answer post(const char *path, const char *headers, const char *body);
struct answer get(const char *path, const char *headers);
/* Turns the loop until what is true, or fails. */
#define turn_until(what)                                                       \
    do {                                                                       \
        int64_t until_ = clock_monotonic() + 20 * CLOCK_SECOND;                \
        while (!(what)) {                                                      \
            loop_turn(stage.loop);                                             \
            must_say(clock_monotonic() < until_, "still not true: %s", #what); \
        }                                                                      \
    } while (0)

/* A request is kept waiting for its answer, for so long at least from now; then not any more. */
void stage_end_penalty(int64_t at_least);

/* "Authorization: Basic …" CRLF of name and password. */
const char *basic(const char *name, const char *password);

#endif
