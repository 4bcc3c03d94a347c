/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage for tests of the adapters: loops, a provider, a scripted server, a folder; and
 * sessions that send one message and write down, word by word, what they are told.
 */
#ifndef OCTROI_TESTS_ADAPTERS_STAGE_H
#define OCTROI_TESTS_ADAPTERS_STAGE_H

#include "adapters/internal.h"
#include "tests/unit/test_adapters_fake.h"

#define MILLISECONDS INT64_C(1000)
#define GUARD        (40 * CLOCK_SECOND)
#define LOOPS_MAX    2

struct stage {
    char folder[64];
    struct config config;
    struct provider_config provider_config;
    struct loop *loops[LOOPS_MAX];
    unsigned n_loops;
    struct provider *provider;
    struct fake *fake;
};

void stage_path(const struct stage *stage, const char *name, char out[160]);
void stage_begin(struct stage *stage);
void stage_serve(struct stage *stage, const char *const *const *scripts);
void stage_turn(struct stage *stage);
void stage_remove(const struct stage *stage, const char *name);
/* Short deadlines, for what ends by them. */
void stage_be_impatient(struct stage *stage);
void stage_end(struct stage *stage);

#define WAIT_UNTIL(stage, condition)                                                            \
    do {                                                                                        \
        int64_t guard_ = clock_monotonic() + GUARD;                                             \
        while (!(condition)) {                                                                  \
            stage_turn(stage);                                                                  \
            ck_assert_msg(clock_monotonic() < guard_, "nothing happens any more: " #condition); \
        }                                                                                       \
    } while (0)

struct session {
    struct stage *stage;
    struct mail_transaction *transaction;
    unsigned recipients; /* to name */
    unsigned answered;
    unsigned accepted;
    const char *content; /* whole, as it is on the wire; NULL: to_send bytes of lines */
    uint64_t to_send;    /* bytes of content still to give */
    size_t most_pending;
    bool eight_bit;
    bool utf8;
    unsigned notify_of; /* bits of the first recipients that get notify */
    const char *sender, *address, *ret, *envid, *notify, *orcpt; /* NULL: the usual, or none */
    bool hold;   /* stop after the recipients were answered */
    bool half;   /* stop within the content */
    bool early;  /* finish in the same breath as the content */
    bool inside; /* within one of the calls that must not call back */
    bool done;
    atomic_uint *undone; /* counted down at the end; may be NULL */
    char why[256];       /* the last reason given for a failure */
    char log[4096];
};

void session_begin(struct session *session, struct stage *stage, unsigned loop);
/* A whole message on loop 0; what was said of it is in session->log. */
void session_run(struct session *session, struct stage *stage);

/* Steps of a script. */
#define HELLO     ">220 hi", "<EHLO gate.example.org", ">250-fake\r\n250-PIPELINING\r\n250 SIZE 9999"
#define HELLO_ONE ">220 hi", "<EHLO", ">250 fake"
#define MAIL      "<MAIL FROM:<a@example.org>", ">250 2.1.0 ok"
#define RCPT      "<RCPT TO:<r", ">250 2.1.5 ok"
#define DATA      "<DATA", ">354 go"
#define MESSAGE   MAIL, RCPT, DATA, ".", ">250 ok"
#define STEPS     24 /* of the longest, with its NULL */
/* More than a line of a reply may hold. */
#define X100                                             \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X700 X100 X100 X100 X100 X100 X100 X100
#define LONG X700 X700 X700

#define ROWS(array) ((int)(sizeof(array) / sizeof((array)[0])))

#endif
