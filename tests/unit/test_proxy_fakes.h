/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world a session under test lives in: real configuration, loop, credentials and TLS; a fake
 * store, a fake journal and fake providers (adapters/adapter.h), which answer at once, late, in
 * another order or not at all, as a script tells them. It keeps what came to them, and it watches
 * the two promises in every run, whatever the script asks about.
 */
#ifndef OCTROI_TESTS_TEST_PROXY_FAKES_H
#define OCTROI_TESTS_TEST_PROXY_FAKES_H

#include "adapters/adapter.h"
#include "proxy/lane.h"
#include "proxy/smtp/session.h"
#include "tests/must.h"

enum journal_mode { JOURNAL_LATER, JOURNAL_SYNC, JOURNAL_HOLD, JOURNAL_FAIL };

struct fake_row {
    char text[1600];
    char id[RECORD_ID];
    uint8_t key[RECIPIENT_KEY_BYTES];
    bool decision;
    enum effect effect;
    bool durable;
    bool used; /* a message left on it */
};

/* What the providers do from now on; a script changes it. */
struct fake_provider {
    bool hold;         /* nothing is answered */
    bool fails_unsaid; /* a transaction dies before anything was said; the first provider only */
    int rcpt_code;     /* 0: by the recipient's name */
    char rcpt_text[256];
    int data_code; /* 0: DATA is taken */
    char data_text[256];
    int final_code; /* 0: the message is taken; 1: the answer is lost */
    char final_text[256];
    unsigned max_recipients;
    unsigned capabilities; /* of CAPABILITY_…, beside KNOWN */
    bool second_differs;   /* the provider "second" offers nothing of it */
    size_t pending;
};

/* A transaction as an SMTP provider would have read it, final dot included. */
struct fake_message {
    struct strbuf wire;
    unsigned accepted; /* recipients */
    bool content;
    bool finished; /* the dot was given */
    bool taken;    /* and 250 was said to it */
};

#define WORLD_ROWS 512
#define WORLD_SAID 512

struct world {
    char folder[256];
    struct loop *loop;
    struct lane lane;
    struct gate gate;
    struct entrance entrance;
    struct workers *workers;
    struct smtp_session *session; /* valid while gate.sessions is 1 */
    struct seal *seal;            /* owned; the gate has it unless a script took it away */
    bool store_hold;
    enum journal_mode journal;
    struct fake_provider provider;
    struct strbuf body;               /* what the providers were given as content */
    struct fake_row rows[WORLD_ROWS]; /* with more the journal fails */
    size_t n_rows;
    char said[WORLD_SAID][256]; /* what the providers were told, one line each */
    size_t n_said;
    int64_t time_ahead;
};

extern struct world world;

/* test_proxy_fakes.c, for the world's beginning and end */
void world_store(struct store **store_out);
void world_forget_transactions(void);

void world_make(void);
void world_free(void);
/* Between two sessions in one world: forgets all that the last one left behind. */
void world_reset(void);
/* Begins a session on the listener (by name) for a peer (IPv4); returns the client's descriptor. */
int world_connect(const char *listener, const char *peer);
/* Everything that is ready happens once. */
void world_pump(void);
void world_release_lookups(bool reversed);
void world_release_appends(bool durable);
/* The newest transaction dies; false when there is none. */
bool world_fail_provider(bool nothing_said);
void world_drain_provider(void);
void world_advance(int64_t microseconds);
typedef void world_message_fn(void *arg, const struct fake_message *message);
/* Every transaction that was begun, the newest first. */
void world_each_message(world_message_fn *visit, void *arg);
/* A row with this id is durable and says so. */
bool world_row_holds(const char *id, bool refused);
SSL_CTX *world_client_tls(void);

#endif
